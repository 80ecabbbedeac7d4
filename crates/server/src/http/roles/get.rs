//! `GET /roles/{id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::role::Role;
use keywright_authority::roles;
use keywright_core::RoleId;

use crate::http::answer::{Refused, object};
use crate::http::gate::{Caller, UsersRead};
use crate::http::input::{NoQuery, PathId};
use crate::http::{App, view};

/// One role.
#[utoipa::path(
    get, path = "/roles/{id}", tag = "roles", operation_id = "get_role",
    params(("id" = uuid::Uuid, Path, description = "The role")),
    responses((status = 200, description = "The role", body = Role),
        Refused),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller<UsersRead>,
    _: NoQuery,
    PathId(id): PathId<RoleId>,
) -> Result<Response, Refused> {
    let row = roles::get(app.authority(), &caller.call, id).await?;
    Ok(object(&view::role(&row), row.version))
}
