//! `/healthz/live` and `/healthz/ready`, for what starts and stops processes.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::system::{HealthStatus, Probe};

use super::health::Health;
use crate::http::App;
use crate::http::answer::json;
use crate::http::input::NoQuery;

/// The process answers.
#[utoipa::path(
    get, path = "/healthz/live", tag = "system", operation_id = "get_liveness", security(()),
    responses((status = 200, description = "It lives", body = Probe),
        (status = "4XX", description = "Refused", body = keywright_api::problem::Document, content_type = "application/problem+json")),
)]
pub async fn live(_: NoQuery) -> Response {
    json(StatusCode::OK, &Probe { status: HealthStatus::Ok, waiting_for: Vec::new() })
}

/// The process can be sent requests.
#[utoipa::path(
    get, path = "/healthz/ready", tag = "system", operation_id = "get_readiness", security(()),
    responses((status = 200, description = "It is ready", body = Probe),
        (status = 503, description = "It is not ready", body = Probe),
        (status = "4XX", description = "Refused", body = keywright_api::problem::Document, content_type = "application/problem+json")),
)]
pub async fn ready(State(app): State<App>, _: NoQuery) -> Response {
    let health = Health::look(&app).await;
    let mut waiting_for = Vec::new();
    if health.journal == HealthStatus::Unavailable {
        waiting_for.push("journal".to_owned());
    }
    if !health.able_to_verify() && health.store != HealthStatus::Ok {
        waiting_for.push("store".to_owned());
    }
    let ready = waiting_for.is_empty();
    let status = if ready { HealthStatus::Ok } else { HealthStatus::Unavailable };
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(code, &Probe { status, waiting_for })
}
