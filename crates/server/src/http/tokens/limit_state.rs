//! `GET /auth/tokens/{id}/limit-state` and `GET /users/me/tokens/{id}/limit-state`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::verify::LimitStates;
use keywright_authority::limits as use_cases;

use crate::http::answer::Refused;
use crate::http::gate::{Anyone, Caller, TokensRead};
use crate::http::input::{NoQuery, PathId};
use crate::http::{App, limits};

/// How much of its limits a service token has left. Asking takes nothing of them.
#[utoipa::path(
    get, path = "/auth/tokens/{id}/limit-state", tag = "service tokens", operation_id = "get_service_token_limit_state",
    params(("id" = uuid::Uuid, Path, description = "The token")),
    responses((status = 200, description = "What is left", body = LimitStates),
        Refused),
)]
pub async fn limit_state(
    State(app): State<App>,
    caller: Caller<TokensRead>,
    _: NoQuery,
    PathId(id): PathId,
) -> Result<Response, Refused> {
    let grant = use_cases::of_service_token(app.authority(), &caller.call, id).await?;
    Ok(limits::states(&app, &grant).await)
}

/// How much of its limits one of the caller's own personal tokens has left. Asking takes nothing of them.
#[utoipa::path(
    get, path = "/users/me/tokens/{id}/limit-state", tag = "personal tokens",
    operation_id = "get_personal_token_limit_state",
    params(("id" = uuid::Uuid, Path, description = "The token")),
    responses((status = 200, description = "What is left, in the publisher that it acts in by itself", body = LimitStates),
        Refused),
)]
pub async fn of_own(
    State(app): State<App>,
    caller: Caller<Anyone>,
    _: NoQuery,
    PathId(id): PathId,
) -> Result<Response, Refused> {
    let grant = use_cases::of_own_token(app.authority(), &caller.call, id).await?;
    Ok(limits::states(&app, &grant).await)
}
