//! `POST /auth/tokens/{id}/rotate` and `POST /auth/tokens/self/rotate`.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use keywright_api::patch::Patch;
use keywright_api::request::FromFields;
use keywright_api::service_token::CreatedServiceToken;
use keywright_api::service_token_request::RotateServiceToken;
use keywright_authority::Call;
use keywright_authority::service_tokens::{self, Rotate, Target};
use keywright_core::Timestamp;

use super::minted;
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, TokensAdmin, TokensRotateSelf, idempotency};
use crate::http::input::{JsonBytes, NoQuery, PathId, invalid, rules};

/// Rotate a service token: a new one takes its place, the old one lives on through its grace.
#[utoipa::path(
    post, path = "/auth/tokens/{id}/rotate", tag = "service tokens", operation_id = "rotate_service_token",
    params(("id" = uuid::Uuid, Path, description = "The token"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change"),
        ("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = RotateServiceToken,
    responses((status = 200, description = "The new token", body = CreatedServiceToken),
        Refused),
)]
pub async fn rotate(
    State(app): State<App>,
    caller: Caller<TokensAdmin>,
    _: NoQuery,
    PathId(id): PathId,
    headers: HeaderMap,
    body: JsonBytes,
) -> Result<Response, Refused> {
    carry_out(&app, caller.call, Target::Id(id), &headers, body).await
}

/// Rotate the very token that calls.
#[utoipa::path(
    post, path = "/auth/tokens/self/rotate", tag = "service tokens", operation_id = "rotate_own_service_token",
    params(("If-Match" = Option<String>, Header, description = "The ETag of the version to change"),
        ("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = RotateServiceToken,
    responses((status = 200, description = "The new token", body = CreatedServiceToken),
        Refused),
)]
pub async fn rotate_self(
    State(app): State<App>,
    caller: Caller<TokensRotateSelf>,
    _: NoQuery,
    headers: HeaderMap,
    body: JsonBytes,
) -> Result<Response, Refused> {
    carry_out(&app, caller.call, Target::Myself, &headers, body).await
}

/// Rotates the token that a request names.
pub async fn carry_out(
    app: &App,
    mut call: Call,
    target: Target,
    headers: &HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    call.idempotency = idempotency(headers, &format!("rotate {target:?}"), &body)?;
    let request = RotateServiceToken::from_body(&body, &rules(app))?;
    let wanted = Rotate {
        reason: request.reason,
        grace_seconds: request.grace_seconds,
        expires_at: match request.expires_at {
            Patch::Absent => None,
            Patch::Null => Some(None),
            Patch::Value(time) => Some(Some(
                time.parse::<Timestamp>().map_err(|error| invalid("expires_at", &error.to_string()))?,
            )),
        },
    };
    let made = service_tokens::rotate(app.authority(), call, target, wanted).await?;
    Ok(minted(app, StatusCode::OK, &made, "/auth/tokens"))
}
