//! `DELETE /users/me/tokens/{id}` and `POST /users/me/tokens/revoke-all`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::personal_token::PersonalTokensRevoked;
use keywright_api::publisher_request::ReasonGiven;
use keywright_api::request::FromFields;
use keywright_api::service_token_request::RevokeQuery;
use keywright_authority::personal_tokens;

use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Anyone, Caller};
use crate::http::input::{JsonBytes, NoQuery, PathId, Query, rules};

/// Revoke one of the caller's own personal tokens; revoking it again changes nothing. In force when the call
/// returns.
#[utoipa::path(
    delete, path = "/users/me/tokens/{id}", tag = "personal tokens", operation_id = "revoke_personal_token",
    params(("id" = uuid::Uuid, Path, description = "The token"), RevokeQuery,
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses((status = 204, description = "Revoked"),
        Refused),
)]
pub async fn revoke(
    State(app): State<App>,
    caller: Caller<Anyone>,
    Query(query): Query<RevokeQuery>,
    PathId(id): PathId,
) -> Result<StatusCode, Refused> {
    personal_tokens::revoke(app.authority(), caller.call, id, query.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revoke all personal tokens of the caller, at once. In force when the call returns.
#[utoipa::path(
    post, path = "/users/me/tokens/revoke-all", tag = "personal tokens", operation_id = "revoke_personal_tokens",
    request_body = Option<ReasonGiven>,
    responses((status = 200, description = "Revoked", body = PersonalTokensRevoked),
        Refused),
)]
pub async fn revoke_all(
    State(app): State<App>,
    caller: Caller<Anyone>,
    _: NoQuery,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let request = ReasonGiven::from_body_or_empty(&body, &rules(&app))?;
    let revoked = personal_tokens::revoke_all(app.authority(), caller.call, request.reason).await?;
    Ok(json_no_store(StatusCode::OK, &PersonalTokensRevoked { revoked }))
}
