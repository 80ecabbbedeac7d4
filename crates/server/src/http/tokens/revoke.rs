//! `DELETE /auth/tokens/{id}` and `DELETE /auth/tokens/self`.

use axum::extract::State;
use http::StatusCode;
use keywright_api::service_token_request::RevokeQuery;
use keywright_authority::personal_tokens;
use keywright_authority::service_tokens::{self, Target};

use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Anyone, Caller, TokensAdmin};
use crate::http::input::{PathId, Query};

/// Revoke a service token; revoking it again changes nothing. In force when the call returns.
#[utoipa::path(
    delete, path = "/auth/tokens/{id}", tag = "service tokens", operation_id = "revoke_service_token",
    params(("id" = uuid::Uuid, Path, description = "The token"), RevokeQuery,
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses((status = 204, description = "Revoked"),
        Refused),
)]
pub async fn revoke(
    State(app): State<App>,
    caller: Caller<TokensAdmin>,
    Query(query): Query<RevokeQuery>,
    PathId(id): PathId,
) -> Result<StatusCode, Refused> {
    service_tokens::revoke(app.authority(), caller.call, Target::Id(id), query.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revoke the very token that calls. Every token may do that.
#[utoipa::path(
    delete, path = "/auth/tokens/self", tag = "service tokens", operation_id = "revoke_own_service_token",
    params(RevokeQuery, ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses((status = 204, description = "Revoked"),
        Refused),
)]
pub async fn revoke_self(
    State(app): State<App>,
    caller: Caller<Anyone>,
    Query(query): Query<RevokeQuery>,
) -> Result<StatusCode, Refused> {
    let personal =
        personal_tokens::revoke_myself(app.authority(), &caller.call, query.reason.as_deref()).await?;
    if personal.is_none() {
        service_tokens::revoke(app.authority(), caller.call, Target::Myself, query.reason).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
