//! `POST /users/me/tokens/{id}/approve`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::personal_token::PersonalToken;
use keywright_authority::personal_tokens;

use super::shown;
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, UsersAdmin};
use crate::http::input::{NoQuery, PathId};

/// Approve one of the caller's own personal tokens within the publisher that the caller acts for, where the caller
/// manages its users: an administrator needs nobody else's word.
#[utoipa::path(
    post, path = "/users/me/tokens/{id}/approve", tag = "personal tokens", operation_id = "approve_personal_token",
    params(("id" = uuid::Uuid, Path, description = "The token"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses((status = 200, description = "The token as it is now", body = PersonalToken),
        Refused),
)]
pub async fn approve(
    State(app): State<App>,
    caller: Caller<UsersAdmin>,
    _: NoQuery,
    PathId(id): PathId,
) -> Result<Response, Refused> {
    Ok(shown(&app, &personal_tokens::approve(app.authority(), caller.call, id).await?))
}
