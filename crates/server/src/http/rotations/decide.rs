//! `POST /rotations/{id}/confirm` and `/rollback`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::publisher_request::ReasonGiven;
use keywright_api::rotation::RotationDetails;
use keywright_authority::rotations;
use keywright_core::RotationId;

use super::rotation;
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, MonitoringAdmin};
use crate::http::input::{JsonBodyOrNone, NoQuery, PathId};

/// Say that whoever uses the token has the new secret: the grace of the old one begins.
#[utoipa::path(
    post, path = "/rotations/{id}/confirm", tag = "rotation", operation_id = "confirm_rotation",
    params(("id" = uuid::Uuid, Path, description = "The rotation"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = Option<ReasonGiven>,
    responses((status = 200, description = "The rotation as it is now", body = RotationDetails),
        Refused),
)]
pub async fn confirm(
    State(app): State<App>,
    caller: Caller<MonitoringAdmin>,
    _: NoQuery,
    PathId(id): PathId<RotationId>,
    JsonBodyOrNone(ReasonGiven { reason }): JsonBodyOrNone<ReasonGiven>,
) -> Result<Response, Refused> {
    Ok(rotation(&rotations::confirm(app.authority(), caller.call, id, reason).await?))
}

/// Revoke the new token, and let the old one count again; it must still work.
#[utoipa::path(
    post, path = "/rotations/{id}/rollback", tag = "rotation", operation_id = "roll_back_rotation",
    params(("id" = uuid::Uuid, Path, description = "The rotation"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = Option<ReasonGiven>,
    responses((status = 200, description = "The rotation as it is now", body = RotationDetails),
        Refused),
)]
pub async fn roll_back(
    State(app): State<App>,
    caller: Caller<MonitoringAdmin>,
    _: NoQuery,
    PathId(id): PathId<RotationId>,
    JsonBodyOrNone(ReasonGiven { reason }): JsonBodyOrNone<ReasonGiven>,
) -> Result<Response, Refused> {
    Ok(rotation(&rotations::roll_back(app.authority(), caller.call, id, reason).await?))
}
