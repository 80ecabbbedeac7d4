//! `GET /auth/health`: whether verification can answer. Public.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::system::{AuthHealth, HealthStatus};

use crate::http::App;
use crate::http::answer::json_no_store;
use crate::http::input::NoQuery;
use crate::http::system::health::Health;

/// Whether verification can answer, whether the store is reachable, and how far behind the audit is.
#[utoipa::path(
    get, path = "/auth/health", tag = "system", operation_id = "get_auth_health", security(()),
    responses((status = 200, description = "Able to verify", body = AuthHealth),
        (status = 503, description = "Not able to verify", body = AuthHealth),
        (status = "4XX", description = "Refused", body = keywright_api::problem::Document, content_type = "application/problem+json")),
)]
pub async fn health(State(app): State<App>, _: NoQuery) -> Response {
    let health = Health::look(&app).await;
    let able = health.able_to_verify();
    let status = if able { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = AuthHealth {
        status: health.overall(),
        verification_able: able,
        store_reachable: health.store == HealthStatus::Ok,
        journal_lag_seconds: health.journal_lag_seconds,
        journal_mode: app.settings().journal_mode,
    };
    json_no_store(status, &body)
}
