//! `POST /users/{id}/disable` and `POST /users/{id}/enable`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::publisher_request::ReasonGiven;
use keywright_api::user::User;
use keywright_authority::users;
use keywright_core::UserId;

use crate::http::answer::{Refused, object};
use crate::http::gate::{Caller, UsersAdmin};
use crate::http::input::{JsonBodyOrNone, NoQuery, PathId};
use crate::http::{App, view};

/// Lock a user out: their credentials are refused when the call returns, and their sessions end.
#[utoipa::path(
    post, path = "/users/{id}/disable", tag = "users", operation_id = "disable_user",
    params(("id" = uuid::Uuid, Path, description = "The user"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = Option<ReasonGiven>,
    responses((status = 200, description = "The user as they are now", body = User),
        Refused),
)]
pub async fn disable(
    State(app): State<App>,
    caller: Caller<UsersAdmin>,
    _: NoQuery,
    PathId(id): PathId<UserId>,
    JsonBodyOrNone(request): JsonBodyOrNone<ReasonGiven>,
) -> Result<Response, Refused> {
    let user = users::disable(app.authority(), caller.call, id, request.reason).await?;
    Ok(object(&view::user(&user), user.row.version))
}

/// Let a user in again, who then logs in anew. Whoever does it must have all that the user's roles grant.
#[utoipa::path(
    post, path = "/users/{id}/enable", tag = "users", operation_id = "enable_user",
    params(("id" = uuid::Uuid, Path, description = "The user"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = Option<ReasonGiven>,
    responses((status = 200, description = "The user as they are now", body = User),
        Refused),
)]
pub async fn enable(
    State(app): State<App>,
    caller: Caller<UsersAdmin>,
    _: NoQuery,
    PathId(id): PathId<UserId>,
    JsonBodyOrNone(request): JsonBodyOrNone<ReasonGiven>,
) -> Result<Response, Refused> {
    let user = users::enable(app.authority(), caller.call, id, request.reason).await?;
    Ok(object(&view::user(&user), user.row.version))
}
