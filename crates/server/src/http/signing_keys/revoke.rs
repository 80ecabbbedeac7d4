//! `POST /signing-keys/{id}/revoke`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::signing_key::{RevokeSigningKey, SigningKey};
use keywright_authority::signing_keys;
use keywright_core::SigningKeyId;

use super::shown;
use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Caller, KeysAdmin};
use crate::http::input::{JsonBody, NoQuery, PathId};

/// Revoke a signing key: what it signed is refused when the call returns. If it was the one that signs, a new
/// one takes its place.
#[utoipa::path(
    post, path = "/signing-keys/{id}/revoke", tag = "signing keys", operation_id = "revoke_signing_key",
    params(("id" = uuid::Uuid, Path, description = "The key")),
    request_body = RevokeSigningKey,
    responses((status = 200, description = "The key", body = SigningKey),
        Refused),
)]
pub async fn revoke(
    State(app): State<App>,
    caller: Caller<KeysAdmin>,
    _: NoQuery,
    PathId(id): PathId<SigningKeyId>,
    JsonBody(request): JsonBody<RevokeSigningKey>,
) -> Result<Response, Refused> {
    let (key, _) = signing_keys::revoke(app.authority(), caller.call, id, request.reason).await?;
    Ok(json_no_store(StatusCode::OK, &shown(&key, app.authority().now())))
}
