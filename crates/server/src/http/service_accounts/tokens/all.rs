//! `POST /service-accounts/{id}/tokens/rotate-all` and `/revoke-all`.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode};
use keywright_api::publisher_request::ReasonGiven;
use keywright_api::request::FromFields;
use keywright_api::service_account::{RotatedTokens, TokensRevoked};
use keywright_api::service_token_request::RotateAllTokens;
use keywright_authority::service_accounts;
use keywright_authority::service_tokens::{self, RotateAll};
use keywright_core::ServiceAccountId;

use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::auth::emergency_revoke::confirmations;
use crate::http::gate::{Caller, ServiceAccountsAdmin, idempotency};
use crate::http::input::{JsonBodyOrNone, JsonBytes, NoQuery, PathId, rules};
use crate::http::tokens::as_made;

/// Rotate all active tokens of a service account, at most 200: all of them, or none.
#[utoipa::path(
    post, path = "/service-accounts/{id}/tokens/rotate-all", tag = "service accounts", operation_id = "rotate_all_service_account_tokens",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        ("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = RotateAllTokens,
    responses((status = 200, description = "The new tokens", body = RotatedTokens),
        Refused),
)]
pub async fn rotate(
    State(app): State<App>,
    mut caller: Caller<ServiceAccountsAdmin>,
    _: NoQuery,
    PathId(id): PathId<ServiceAccountId>,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    caller.call.idempotency = idempotency(&headers, &format!("rotate all of {id}"), &body)?;
    let request = RotateAllTokens::from_body(&body, &rules(&app))?;
    let wanted = RotateAll { reason: request.reason, grace_seconds: request.grace_seconds };
    let rotated = service_tokens::rotate_all(app.authority(), caller.call, id, wanted).await?;
    let items = rotated.tokens.iter().map(|(row, secret)| as_made(&app, row, secret.as_ref())).collect();
    let mut response = json_no_store(StatusCode::OK, &RotatedTokens { items });
    if rotated.repeated {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Revoke all tokens of a service account, however many. In force when the call returns; the account lives on.
#[utoipa::path(
    post, path = "/service-accounts/{id}/tokens/revoke-all", tag = "service accounts", operation_id = "revoke_all_service_account_tokens",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = Option<ReasonGiven>,
    responses((status = 200, description = "Revoked", body = TokensRevoked),
        Refused),
)]
pub async fn revoke(
    State(app): State<App>,
    caller: Caller<ServiceAccountsAdmin>,
    _: NoQuery,
    PathId(id): PathId<ServiceAccountId>,
    JsonBodyOrNone(ReasonGiven { reason }): JsonBodyOrNone<ReasonGiven>,
) -> Result<Response, Refused> {
    let done = service_accounts::revoke_tokens(app.authority(), caller.call, id, reason).await?;
    let answer = TokensRevoked { revoked: done.revoked, nodes: confirmations(&done.nodes) };
    Ok(json_no_store(StatusCode::OK, &answer))
}
