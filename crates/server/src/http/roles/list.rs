//! `GET /roles`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::page::{Page, PageQuery};
use keywright_api::role::{Role, RoleQuery};
use keywright_authority::roles;
use keywright_core::{PublisherId, RoleId};
use keywright_store::roles::ListFilter;

use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::{Cursor, page};
use crate::http::gate::{Caller, UsersRead};
use crate::http::input::Query;
use crate::http::{App, view};

/// Roles, newest first: those of the publisher that the call acts for, or of all.
#[utoipa::path(
    get, path = "/roles", tag = "roles", operation_id = "list_roles",
    params(RoleQuery, PageQuery),
    responses((status = 200, description = "A page of roles", body = Page<Role>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<UsersRead>,
    Query(query): Query<RoleQuery>,
) -> Result<Response, Refused> {
    let limit = query.page.limit();
    let after = Cursor::after(&query.page)?;
    let filter = ListFilter {
        within: query.publisher_id.map(PublisherId),
        name: query.name,
        after: after.map(|cursor| (cursor.at, RoleId(cursor.id))),
        limit: limit + 1,
    };
    let rows = roles::list(app.authority(), &caller.call, filter).await?;
    let page = page(rows, limit, |row| (row.created_at, row.id.0), view::role);
    Ok(json_no_store(StatusCode::OK, &page))
}
