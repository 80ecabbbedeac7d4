//! `GET /auth/tokens/{id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::service_token::ServiceToken;
use keywright_authority::service_tokens;

use super::shown;
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, TokensRead};
use crate::http::input::{NoQuery, PathId};

/// One service token.
#[utoipa::path(
    get, path = "/auth/tokens/{id}", tag = "service tokens", operation_id = "get_service_token",
    params(("id" = uuid::Uuid, Path, description = "The token")),
    responses((status = 200, description = "The token", body = ServiceToken),
        Refused),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller<TokensRead>,
    _: NoQuery,
    PathId(id): PathId,
) -> Result<Response, Refused> {
    let (row, epochs) = service_tokens::get(app.authority(), &caller.call, id).await?;
    Ok(shown(&app, &row, epochs))
}
