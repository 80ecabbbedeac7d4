//! `GET /auth/sessions` and `GET /users/{id}/sessions`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::page::Page;
use keywright_api::page::PageQuery;
use keywright_api::session::Session;
use keywright_authority::sessions;
use keywright_core::UserId;

use super::{listed, page};
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Anyone, Caller, UsersRead};
use crate::http::input::{PathId, Query};

/// The caller's own sessions that are alive, newest first.
#[utoipa::path(
    get, path = "/auth/sessions", tag = "sessions", operation_id = "list_sessions",
    params(PageQuery),
    responses((status = 200, description = "A page of sessions", body = Page<Session>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<Anyone>,
    Query(query): Query<PageQuery>,
) -> Result<Response, Refused> {
    let found = sessions::list(app.authority(), &caller.call, page(&query)?).await?;
    Ok(listed(&query, found))
}

/// The sessions of a user that are alive, newest first; within a publisher, those that act for it.
#[utoipa::path(
    get, path = "/users/{id}/sessions", tag = "sessions", operation_id = "list_user_sessions",
    params(("id" = uuid::Uuid, Path, description = "The user"), PageQuery),
    responses((status = 200, description = "A page of sessions", body = Page<Session>),
        Refused),
)]
pub async fn list_of_user(
    State(app): State<App>,
    caller: Caller<UsersRead>,
    Query(query): Query<PageQuery>,
    PathId(id): PathId<UserId>,
) -> Result<Response, Refused> {
    let found = sessions::list_of_user(app.authority(), &caller.call, id, page(&query)?).await?;
    Ok(listed(&query, found))
}
