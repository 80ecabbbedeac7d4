//! `POST /auth/tokens/cleanup`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::request::FromFields;
use keywright_api::service_token::CleanupResult;
use keywright_api::service_token_request::CleanupRequest;
use keywright_authority::service_tokens::{self, CleanUp};

use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Caller, TokensCleanUp};
use crate::http::input::{JsonBytes, NoQuery, rules};

/// Switch off expired service tokens, or remove those dead longer than the audit is kept.
#[utoipa::path(
    post, path = "/auth/tokens/cleanup", tag = "service tokens", operation_id = "clean_up_service_tokens",
    request_body = CleanupRequest,
    responses((status = 200, description = "What was done", body = CleanupResult),
        Refused),
)]
pub async fn cleanup(
    State(app): State<App>,
    caller: Caller<TokensCleanUp>,
    _: NoQuery,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let request = CleanupRequest::from_body_or_empty(&body, &rules(&app))?;
    let wanted =
        CleanUp { deactivate_only: request.deactivate_only, older_than_days: request.older_than_days };
    let done = service_tokens::clean_up(app.authority(), caller.call, wanted).await?;
    let result = CleanupResult { deactivated: done.deactivated, removed: done.removed };
    Ok(json_no_store(StatusCode::OK, &result))
}
