//! `GET /users`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::page::{Page, PageQuery};
use keywright_api::user::{User, UserQuery};
use keywright_authority::users;
use keywright_core::UserId;
use keywright_store::users::ListFilter;

use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::{Cursor, page};
use crate::http::gate::{Caller, UsersRead};
use crate::http::input::{Query, email_address};
use crate::http::{App, view};

/// Users, newest first; within a publisher its members.
#[utoipa::path(
    get, path = "/users", tag = "users", operation_id = "list_users",
    params(UserQuery, PageQuery),
    responses((status = 200, description = "A page of users", body = Page<User>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<UsersRead>,
    Query(query): Query<UserQuery>,
) -> Result<Response, Refused> {
    let limit = query.page.limit();
    let after = Cursor::after(&query.page)?;
    let filter = ListFilter {
        within: None,
        status: query.status.map(view::stored_status),
        email: query.email.as_deref().map(|text| email_address("email", text)).transpose()?,
        q: query.q,
        after: after.map(|cursor| (cursor.at, UserId(cursor.id))),
        limit: limit + 1,
    };
    let found = users::list(app.authority(), &caller.call, filter).await?;
    let page = page(found, limit, |user| (user.row.created_at, user.row.id.0), view::user);
    Ok(json_no_store(StatusCode::OK, &page))
}
