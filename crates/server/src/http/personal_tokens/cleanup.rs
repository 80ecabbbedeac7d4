//! `POST /users/me/tokens/cleanup-expired`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::request::FromFields;
use keywright_api::service_token::CleanupResult;
use keywright_api::service_token_request::CleanupRequest;
use keywright_authority::personal_tokens;
use keywright_authority::service_tokens::CleanUp;

use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Anyone, Caller};
use crate::http::input::{JsonBytes, NoQuery, rules};

/// Switch off the caller's own expired personal tokens, or remove those dead longer than the audit is kept.
#[utoipa::path(
    post, path = "/users/me/tokens/cleanup-expired", tag = "personal tokens",
    operation_id = "clean_up_personal_tokens",
    request_body = CleanupRequest,
    responses((status = 200, description = "What was done", body = CleanupResult),
        Refused),
)]
pub async fn cleanup(
    State(app): State<App>,
    caller: Caller<Anyone>,
    _: NoQuery,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let request = CleanupRequest::from_body_or_empty(&body, &rules(&app))?;
    let wanted =
        CleanUp { deactivate_only: request.deactivate_only, older_than_days: request.older_than_days };
    let done = personal_tokens::clean_up(app.authority(), caller.call, wanted).await?;
    let result = CleanupResult { deactivated: done.deactivated, removed: done.removed };
    Ok(json_no_store(StatusCode::OK, &result))
}
