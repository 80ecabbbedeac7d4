//! `GET /publishers/{id}/members`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::member::{Member, MemberQuery};
use keywright_api::page::{Page, PageQuery};
use keywright_authority::memberships;
use keywright_core::{PublisherId, RoleId, UserId};
use keywright_store::memberships::ListFilter;

use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::{Cursor, page};
use crate::http::gate::{Caller, UsersRead};
use crate::http::input::{PathId, Query};
use crate::http::{App, view};

/// Members of a publisher, those who joined last first.
#[utoipa::path(
    get, path = "/publishers/{id}/members", tag = "publishers", operation_id = "list_members",
    params(("id" = uuid::Uuid, Path, description = "The publisher"), MemberQuery, PageQuery),
    responses((status = 200, description = "A page of members", body = Page<Member>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<UsersRead>,
    Query(query): Query<MemberQuery>,
    PathId(id): PathId<PublisherId>,
) -> Result<Response, Refused> {
    let limit = query.page.limit();
    let after = Cursor::after(&query.page)?;
    let filter = ListFilter {
        publisher: id,
        role: query.role_id.map(RoleId),
        after: after.map(|cursor| (cursor.at, UserId(cursor.id))),
        limit: limit + 1,
    };
    let rows = memberships::list(app.authority(), &caller.call, &filter).await?;
    let page = page(rows, limit, |row| (row.created_at, row.user_id.0), view::member);
    Ok(json_no_store(StatusCode::OK, &page))
}
