//! `GET /users/{id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::user::User;
use keywright_authority::users;
use keywright_core::UserId;

use crate::http::answer::{Refused, object};
use crate::http::gate::{Caller, UsersRead};
use crate::http::input::{NoQuery, PathId};
use crate::http::{App, view};

/// One user; within a publisher one of its members.
#[utoipa::path(
    get, path = "/users/{id}", tag = "users", operation_id = "get_user",
    params(("id" = uuid::Uuid, Path, description = "The user")),
    responses((status = 200, description = "The user", body = User),
        Refused),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller<UsersRead>,
    _: NoQuery,
    PathId(id): PathId<UserId>,
) -> Result<Response, Refused> {
    let user = users::get(app.authority(), &caller.call, id).await?;
    Ok(object(&view::user(&user), user.row.version))
}
