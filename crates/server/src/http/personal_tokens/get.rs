//! `GET /users/me/tokens/{id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::personal_token::PersonalToken;
use keywright_authority::personal_tokens;

use super::shown;
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Anyone, Caller};
use crate::http::input::{NoQuery, PathId};

/// One of the caller's own personal tokens.
#[utoipa::path(
    get, path = "/users/me/tokens/{id}", tag = "personal tokens", operation_id = "get_personal_token",
    params(("id" = uuid::Uuid, Path, description = "The token")),
    responses((status = 200, description = "The token", body = PersonalToken),
        Refused),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller<Anyone>,
    _: NoQuery,
    PathId(id): PathId,
) -> Result<Response, Refused> {
    Ok(shown(&app, &personal_tokens::get(app.authority(), &caller.call, id).await?))
}
