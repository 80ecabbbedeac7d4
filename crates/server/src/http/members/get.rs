//! `GET /publishers/{id}/members/{user_id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::member::Member;
use keywright_authority::memberships;

use crate::http::answer::{Refused, object};
use crate::http::gate::{Caller, UsersRead};
use crate::http::input::{NoQuery, PathIds};
use crate::http::{App, view};

/// One member of a publisher.
#[utoipa::path(
    get, path = "/publishers/{id}/members/{user_id}", tag = "publishers", operation_id = "get_member",
    params(("id" = uuid::Uuid, Path, description = "The publisher"),
        ("user_id" = uuid::Uuid, Path, description = "The user")),
    responses((status = 200, description = "The member", body = Member),
        Refused),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller<UsersRead>,
    _: NoQuery,
    PathIds(publisher, user): PathIds<keywright_core::PublisherId, keywright_core::UserId>,
) -> Result<Response, Refused> {
    let row = memberships::get(app.authority(), &caller.call, publisher, user).await?;
    Ok(object(&view::member(&row), row.version))
}
