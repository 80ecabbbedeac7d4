//! `POST /alerts/{id}/acknowledge`.

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

/// Note that somebody knows of an alert. Doing it again changes nothing; one that is resolved is 409.
#[utoipa::path(
    post, path = "/alerts/{id}/acknowledge", tag = "alerts", operation_id = "acknowledge_alert",
    params(("id" = uuid::Uuid, Path, description = "The alert"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = Option<ReasonGiven>,
    responses((status = 200, description = "The alert as it is now", body = Alert),
        Refused),
)]
pub async fn acknowledge(
    State(app): State<App>,
    caller: Caller<MonitoringAdmin>,
    _: NoQuery,
    PathId(id): PathId<AlertId>,
    JsonBodyOrNone(ReasonGiven { reason }): JsonBodyOrNone<ReasonGiven>,
) -> Result<Response, Refused> {
    Ok(alert(&alerts::acknowledge(app.authority(), caller.call, id, reason).await?))
}
