//! `POST /signing-keys/rotate`.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode};
use keywright_api::request::FromFields;
use keywright_api::signing_key::{RotateSigningKey, RotatedSigningKey};
use keywright_authority::signing_keys::{self, Rotate};

use super::shown;
use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::auth::emergency_revoke::confirmations;
use crate::http::gate::{Caller, KeysAdmin, idempotency};
use crate::http::input::{JsonBytes, NoQuery, rules};

/// Make a new signing key.
///
/// It signs as soon as everybody knows it who keeps the published keys as long as they may; with `revoke` at
/// once, and what the others signed is refused.
#[utoipa::path(
    post, path = "/signing-keys/rotate", tag = "signing keys", operation_id = "rotate_signing_key",
    params(("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = Option<RotateSigningKey>,
    responses((status = 200, description = "The new key", body = RotatedSigningKey),
        Refused),
)]
pub async fn rotate(
    State(app): State<App>,
    mut caller: Caller<KeysAdmin>,
    _: NoQuery,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    caller.call.idempotency = idempotency(&headers, "POST /signing-keys/rotate", &body)?;
    let request = RotateSigningKey::from_body_or_empty(&body, &rules(&app))?;
    let wanted = Rotate { reason: request.reason, revoke: request.revoke };
    let rotated = signing_keys::rotate(app.authority(), caller.call, wanted).await?;
    let answer = RotatedSigningKey {
        key: shown(&rotated.key, rotated.at),
        revoked: rotated.revoked.iter().map(|id| id.0).collect(),
        nodes: confirmations(&rotated.nodes),
    };
    let mut response = json_no_store(StatusCode::OK, &answer);
    if rotated.repeated {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}
