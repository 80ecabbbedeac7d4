//! `POST /alerts/{id}/resolve`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::alert::Alert;
use keywright_api::publisher_request::ReasonGiven;
use keywright_authority::alerts;
use keywright_core::AlertId;

use super::alert;
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, MonitoringAdmin};
use crate::http::input::{JsonBodyOrNone, NoQuery, PathId};

/// Say that an alert is over. Saying it again changes nothing.
#[utoipa::path(
    post, path = "/alerts/{id}/resolve", tag = "alerts", operation_id = "resolve_alert",
    params(("id" = uuid::Uuid, Path, description = "The alert"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = Option<ReasonGiven>,
    responses((status = 200, description = "The alert as it is now", body = Alert),
        Refused),
)]
pub async fn resolve(
    State(app): State<App>,
    caller: Caller<MonitoringAdmin>,
    _: NoQuery,
    PathId(id): PathId<AlertId>,
    JsonBodyOrNone(ReasonGiven { reason }): JsonBodyOrNone<ReasonGiven>,
) -> Result<Response, Refused> {
    Ok(alert(&alerts::resolve(app.authority(), caller.call, id, reason).await?))
}
