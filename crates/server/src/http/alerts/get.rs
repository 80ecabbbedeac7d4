//! `GET /alerts/{id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::alert::Alert;
use keywright_authority::alerts;
use keywright_core::AlertId;

use super::alert;
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, MonitoringRead};
use crate::http::input::{NoQuery, PathId};

/// One alert.
#[utoipa::path(
    get, path = "/alerts/{id}", tag = "alerts", operation_id = "get_alert",
    params(("id" = uuid::Uuid, Path, description = "The alert")),
    responses((status = 200, description = "The alert", body = Alert),
        Refused),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller<MonitoringRead>,
    _: NoQuery,
    PathId(id): PathId<AlertId>,
) -> Result<Response, Refused> {
    Ok(alert(&alerts::get(app.authority(), &caller.call, id).await?))
}
