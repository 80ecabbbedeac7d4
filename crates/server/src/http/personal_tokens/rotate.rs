//! `POST /users/me/tokens/{id}/rotate`.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use keywright_api::personal_token::CreatedPersonalToken;
use keywright_api::request::FromFields;
use keywright_api::service_token_request::RotateServiceToken;
use keywright_authority::personal_tokens;
use keywright_authority::service_tokens::Rotate;

use super::{end, minted};
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, PersonalTokensWrite, idempotency};
use crate::http::input::{JsonBytes, NoQuery, PathId, rules};

/// Rotate one of the caller's own personal tokens: a new one takes its place, the old one lives on through its
/// grace.
#[utoipa::path(
    post, path = "/users/me/tokens/{id}/rotate", tag = "personal tokens", operation_id = "rotate_personal_token",
    params(("id" = uuid::Uuid, Path, description = "The token"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change"),
        ("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = RotateServiceToken,
    responses((status = 200, description = "The new token", body = CreatedPersonalToken),
        Refused),
)]
pub async fn rotate(
    State(app): State<App>,
    mut caller: Caller<PersonalTokensWrite>,
    _: NoQuery,
    PathId(id): PathId,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    caller.call.idempotency = idempotency(&headers, &format!("rotate personal token {id}"), &body)?;
    let request = RotateServiceToken::from_body(&body, &rules(&app))?;
    let wanted = Rotate {
        reason: request.reason,
        grace_seconds: request.grace_seconds,
        expires_at: end(request.expires_at)?,
    };
    let made = personal_tokens::rotate(app.authority(), caller.call, id, wanted).await?;
    Ok(minted(&app, StatusCode::OK, &made))
}
