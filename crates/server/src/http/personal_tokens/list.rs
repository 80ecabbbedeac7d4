//! `GET /users/me/tokens`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::WireEnum;
use keywright_api::page::{Page, PageQuery};
use keywright_api::personal_token::PersonalToken;
use keywright_api::personal_token_request::PersonalTokenQuery;
use keywright_api::problem::Problem;
use keywright_authority::personal_tokens;
use keywright_core::{CredentialId, Epochs, PublisherId, Status, Timestamp, UserId};
use keywright_store::personal_tokens::ListFilter;

use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::{Cursor, page};
use crate::http::gate::{Anyone, Caller};
use crate::http::input::Query;
use crate::http::{App, view};

/// The caller's own personal tokens, newest first.
#[utoipa::path(
    get, path = "/users/me/tokens", tag = "personal tokens", operation_id = "list_personal_tokens",
    params(PersonalTokenQuery, PageQuery),
    responses((status = 200, description = "A page of tokens", body = Page<PersonalToken>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<Anyone>,
    Query(query): Query<PersonalTokenQuery>,
) -> Result<Response, Refused> {
    let (now, limit) = (app.authority().now(), query.page.limit());
    let found = personal_tokens::list(app.authority(), &caller.call, filter(query, now)?).await?;
    Ok(listed(found, limit, now))
}

/// What the query asks for, once it is known whose tokens.
pub(super) fn filter(
    query: PersonalTokenQuery,
    now: Timestamp,
) -> Result<impl FnOnce(UserId) -> ListFilter, Problem> {
    let after = Cursor::after(&query.page)?;
    Ok(move |user| ListFilter {
        user,
        within: None,
        status: query.status.and_then(|status| Status::parse(status.as_str())),
        name: query.name,
        q: query.q,
        publisher: query.publisher_id.map(PublisherId),
        expiring_before: query.expiring_within_days.map(|days| now.plus_days(days.into())),
        never_used: query.never_used,
        after: after.map(|cursor| (cursor.at, CredentialId(cursor.id))),
        limit: query.page.limit() + 1,
        now,
        places: Vec::new(),
    })
}

/// A page of tokens, of which one more was asked for than the page holds.
pub(super) fn listed(
    (tokens, epochs): (Vec<personal_tokens::PersonalToken>, Epochs),
    limit: u32,
    now: Timestamp,
) -> Response {
    let view = |token: &personal_tokens::PersonalToken| view::personal_token(token, epochs, now);
    let page = page(tokens, limit, |token| (token.row.created_at, token.row.id.0), view);
    json_no_store(StatusCode::OK, &page)
}
