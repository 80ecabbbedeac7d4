//! `GET /audit/authentication-events`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::event::AuthenticationEvent;
use keywright_api::event_query::EventQuery;
use keywright_api::page::{Page, PageQuery};
use keywright_api::problem::Problem;
use keywright_authority::audit;
use keywright_core::CredentialId;
use keywright_store::authentication_events::AuthenticationEventFilter;

use super::export::{self, AuthenticationPages, Wanted};
use super::{after, moment, order};
use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::Cursor;
use crate::http::gate::{AuditRead, Caller};
use crate::http::input::Query;
use crate::http::view;

/// Authentication events: one for each decision about a credential. They are here about two seconds
/// after the decision, later when a node could not reach the store.
#[utoipa::path(
    get, path = "/audit/authentication-events", tag = "audit", operation_id = "list_authentication_events",
    params(EventQuery, PageQuery),
    responses((status = 200, description = "A page of events, or as the request accepts it an export of all of them, in which a limit bounds the whole: one object on each line, or CSV in which what a spreadsheet would run has an apostrophe before it",
            content((Page<AuthenticationEvent> = "application/json"), (AuthenticationEvent = "application/x-ndjson"), (String = "text/csv"))),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<AuditRead>,
    wanted: Wanted,
    Query(query): Query<EventQuery>,
) -> Result<Response, Refused> {
    if let Some(form) = wanted.form {
        let most = query.page.limit;
        let pages = AuthenticationPages { app, call: caller.call, filter: filter(query, 0)? };
        return export::stream(pages, form, most, wanted).await;
    }
    let limit = query.page.limit();
    let filter = filter(query, limit + 1)?;
    let mut rows = audit::list_authentication(app.authority(), &caller.call, &filter).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let last = rows.last().filter(|_| more);
    let page = Page {
        next_cursor: last.map(|row| Cursor { at: row.occurred_at, id: row.id.0 }.encode()),
        items: rows.into_iter().map(view::authentication_event).collect::<Vec<_>>(),
    };
    Ok(json_no_store(StatusCode::OK, &page))
}

/// What the query asks for; `limit` rows of it.
fn filter(query: EventQuery, limit: u32) -> Result<AuthenticationEventFilter, Problem> {
    Ok(AuthenticationEventFilter {
        since: moment("since", query.since.as_deref())?,
        until: moment("until", query.until.as_deref())?,
        principal_id: query.principal_id,
        credential_id: query.credential_id.map(CredentialId),
        publisher_id: query.publisher_id,
        event_type: query.kind,
        success: query.success,
        code: query.code,
        ip_address: query.ip,
        order: order(query.order),
        after: after(query.page.cursor.as_deref())?,
        limit,
    })
}
