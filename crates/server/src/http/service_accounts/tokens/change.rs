//! `PATCH` and `DELETE /service-accounts/{id}/tokens/{token_id}`, and its `/rotate`.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use keywright_api::service_token::{CreatedServiceToken, ServiceToken};
use keywright_api::service_token_request::{PatchServiceToken, RevokeQuery, RotateServiceToken};
use keywright_authority::service_tokens::{self, Target};
use keywright_core::{CredentialId, ServiceAccountId};

use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, ServiceAccountsAdmin};
use crate::http::input::{JsonBody, JsonBytes, NoQuery, PathIds, Query};
use crate::http::tokens::{rotate as any_rotate, shown, update as any_update};

/// Change a token of a service account (RFC 7396).
#[utoipa::path(
    patch, path = "/service-accounts/{id}/tokens/{token_id}", tag = "service accounts", operation_id = "update_service_account_token",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        ("token_id" = uuid::Uuid, Path, description = "The token"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body(content((PatchServiceToken = "application/json"), (PatchServiceToken = "application/merge-patch+json"))),
    responses((status = 200, description = "The token as it is now", body = ServiceToken),
        Refused),
)]
pub async fn update(
    State(app): State<App>,
    caller: Caller<ServiceAccountsAdmin>,
    _: NoQuery,
    PathIds(account, token): PathIds<ServiceAccountId, CredentialId>,
    JsonBody(request): JsonBody<PatchServiceToken>,
) -> Result<Response, Refused> {
    let wanted = any_update::wanted(request)?;
    let target = Target::OfAccount(account, token);
    let (row, epochs) = service_tokens::update(app.authority(), caller.call, target, wanted).await?;
    Ok(shown(&app, &row, epochs))
}

/// Revoke a token of a service account; revoking it again changes nothing. In force when the call returns.
#[utoipa::path(
    delete, path = "/service-accounts/{id}/tokens/{token_id}", tag = "service accounts", operation_id = "revoke_service_account_token",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        ("token_id" = uuid::Uuid, Path, description = "The token"),
        RevokeQuery,
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses((status = 204, description = "Revoked"),
        Refused),
)]
pub async fn revoke(
    State(app): State<App>,
    caller: Caller<ServiceAccountsAdmin>,
    Query(query): Query<RevokeQuery>,
    PathIds(account, token): PathIds<ServiceAccountId, CredentialId>,
) -> Result<StatusCode, Refused> {
    let target = Target::OfAccount(account, token);
    service_tokens::revoke(app.authority(), caller.call, target, query.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rotate a token of a service account: a new one takes its place, the old one lives on through its grace.
#[utoipa::path(
    post, path = "/service-accounts/{id}/tokens/{token_id}/rotate", tag = "service accounts", operation_id = "rotate_service_account_token",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        ("token_id" = uuid::Uuid, Path, description = "The token"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change"),
        ("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = RotateServiceToken,
    responses((status = 200, description = "The new token", body = CreatedServiceToken),
        Refused),
)]
pub async fn rotate(
    State(app): State<App>,
    caller: Caller<ServiceAccountsAdmin>,
    _: NoQuery,
    PathIds(account, token): PathIds<ServiceAccountId, CredentialId>,
    headers: HeaderMap,
    body: JsonBytes,
) -> Result<Response, Refused> {
    any_rotate::carry_out(&app, caller.call, Target::OfAccount(account, token), &headers, body).await
}
