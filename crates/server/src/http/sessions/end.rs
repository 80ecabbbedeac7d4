//! `POST /auth/logout`, `POST /auth/logout-all`, `DELETE /auth/sessions/{id}`, `DELETE /users/{id}/sessions`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::session::SessionsEnded;
use keywright_authority::sessions;
use keywright_core::{SessionId, UserId};

use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Anyone, Caller, UsersAdmin};
use crate::http::input::{NoQuery, PathId};

/// End the session that calls, with its access and refresh tokens. In force when the call returns.
#[utoipa::path(
    post, path = "/auth/logout", tag = "sessions", operation_id = "log_out",
    responses((status = 200, description = "Ended; 0 when the caller bears no access token", body = SessionsEnded),
        Refused),
)]
pub async fn log_out(
    State(app): State<App>,
    caller: Caller<Anyone>,
    _: NoQuery,
) -> Result<Response, Refused> {
    let ended = sessions::log_out(app.authority(), caller.call).await?;
    Ok(json_no_store(StatusCode::OK, &SessionsEnded { ended }))
}

/// End all sessions of the user who calls, this one included. In force when the call returns.
#[utoipa::path(
    post, path = "/auth/logout-all", tag = "sessions", operation_id = "log_out_everywhere",
    responses((status = 200, description = "Ended; 0 when the caller is no user", body = SessionsEnded),
        Refused),
)]
pub async fn log_out_all(
    State(app): State<App>,
    caller: Caller<Anyone>,
    _: NoQuery,
) -> Result<Response, Refused> {
    let ended = sessions::end_all(app.authority(), caller.call).await?;
    Ok(json_no_store(StatusCode::OK, &SessionsEnded { ended }))
}

/// End one of the caller's own sessions; ending it again changes nothing. In force when the call returns.
#[utoipa::path(
    delete, path = "/auth/sessions/{id}", tag = "sessions", operation_id = "end_session",
    params(("id" = uuid::Uuid, Path, description = "The session")),
    responses((status = 204, description = "Ended"),
        Refused),
)]
pub async fn end(
    State(app): State<App>,
    caller: Caller<Anyone>,
    _: NoQuery,
    PathId(id): PathId<SessionId>,
) -> Result<StatusCode, Refused> {
    sessions::end(app.authority(), caller.call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End the sessions of a user: all of them, or, within a publisher, those that act for it.
#[utoipa::path(
    delete, path = "/users/{id}/sessions", tag = "sessions", operation_id = "end_user_sessions",
    params(("id" = uuid::Uuid, Path, description = "The user")),
    responses((status = 204, description = "Ended"),
        Refused),
)]
pub async fn end_of_user(
    State(app): State<App>,
    caller: Caller<UsersAdmin>,
    _: NoQuery,
    PathId(id): PathId<UserId>,
) -> Result<StatusCode, Refused> {
    sessions::end_of_user(app.authority(), caller.call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
