//! Logins and sessions: `/auth/login`, `/auth/refresh`, `/auth/sessions`, `/users/{id}/sessions` and others.

pub mod end;
pub mod list;
pub mod login;
pub mod refresh;
pub mod switch;

use axum::response::Response;
use http::StatusCode;
use keywright_api::page::{Page, PageQuery};
use keywright_api::problem::Problem;
use keywright_api::secret::Secret;
use keywright_api::session::{AccessTokenType, LoggedIn, SessionUser};
use keywright_authority::sessions::Tokens;
use keywright_core::{SessionId, Timestamp};
use keywright_store::sessions::SessionRow;
use keywright_store::users::UserRow;

use super::answer::json_no_store;
use super::cursor::Cursor;
use super::view;

/// From now until then, in whole seconds.
pub(super) fn seconds_until(now: Timestamp, end: Timestamp) -> u64 {
    u64::try_from(end.micros_since(now) / 1_000_000).unwrap_or(0)
}

fn user(row: &UserRow) -> SessionUser {
    SessionUser {
        id: row.id.0,
        email: row.email.as_str().to_owned(),
        display_name: row.display_name.as_ref().map(|name| name.as_str().to_owned()),
    }
}

/// The answer that shows the tokens of a session, once.
fn logged_in(tokens: &Tokens) -> Response {
    let refresh_token = tokens.refresh_token.as_ref().map_or("", |token| token.reveal());
    let body = LoggedIn {
        access_token: Secret::new(tokens.access_token.reveal()),
        token_type: AccessTokenType::Bearer,
        expires_in: seconds_until(tokens.now, tokens.access_token.expires_at),
        refresh_token: Secret::new(refresh_token),
        refresh_expires_in: seconds_until(tokens.now, tokens.session.idle_expires_at),
        session_id: tokens.session.id.0,
        user: user(&tokens.user),
        publisher_id: tokens.session.publisher_id.map(|id| id.0),
    };
    json_no_store(StatusCode::OK, &body)
}

/// Where a page begins, and how many rows to read for it: one more than it shows.
fn page(query: &PageQuery) -> Result<(Option<(Timestamp, SessionId)>, u32), Problem> {
    let after = Cursor::after(query)?;
    let limit = query.limit();
    Ok((after.map(|cursor| (cursor.at, SessionId(cursor.id))), limit + 1))
}

fn listed(query: &PageQuery, (mut rows, current): (Vec<SessionRow>, Option<SessionId>)) -> Response {
    let limit = query.limit() as usize;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| more);
    let page = Page {
        next_cursor: last.map(|row| Cursor { at: row.created_at, id: row.id.0 }.encode()),
        items: rows.iter().map(|row| view::session(row, current == Some(row.id))).collect::<Vec<_>>(),
    };
    json_no_store(StatusCode::OK, &page)
}
