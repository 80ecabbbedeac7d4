//! `GET /audit/security-events`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::event::{ExportedSecurityEvent, SecurityEvent};
use keywright_api::event_query::EventQuery;
use keywright_api::page::{Page, PageQuery};
use keywright_api::problem::{FieldCode, FieldError, Problem};
use keywright_authority::audit;
use keywright_store::security_events::{EventFilter, SecurityEventRow};

use super::export::{self, SecurityPages, Wanted};
use super::{after, moment, order};
use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::Cursor;
use crate::http::gate::{AuditRead, Caller};
use crate::http::input::Query;
use crate::http::view;

/// Security events: one for each change of a credential, an identity or a policy.
#[utoipa::path(
    get, path = "/audit/security-events", tag = "audit", operation_id = "list_security_events",
    params(EventQuery, PageQuery),
    responses((status = 200, description = "A page of events, or as the request accepts it an export of all of them, in which a limit bounds the whole: one object on each line, or CSV in which what a spreadsheet would run has an apostrophe before it",
            content((Page<SecurityEvent> = "application/json"), (ExportedSecurityEvent = "application/x-ndjson"), (String = "text/csv"))),
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
        let pages = SecurityPages { app, call: caller.call, filter: filter(query, 0)? };
        return export::stream(pages, form, most, wanted).await;
    }
    let limit = query.page.limit();
    let filter = filter(query, limit + 1)?;
    let rows = audit::list(app.authority(), &caller.call, &filter).await?;
    Ok(page(rows, limit))
}

/// A page of rows, of which one more was asked for than the page holds.
pub(crate) fn page(mut rows: Vec<SecurityEventRow>, limit: u32) -> Response {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let last = rows.last().filter(|_| more);
    let page = Page {
        next_cursor: last.map(|row| Cursor { at: row.event.occurred_at, id: row.event.id.0 }.encode()),
        items: rows.into_iter().map(view::security_event).collect::<Vec<_>>(),
    };
    json_no_store(StatusCode::OK, &page)
}

/// What the query asks for; `limit` rows of it.
pub(crate) fn filter(query: EventQuery, limit: u32) -> Result<EventFilter, Problem> {
    // Security events are changes that were made: they do not fail.
    let unknown = [("success", query.success.is_some()), ("code", query.code.is_some())];
    let errors: Vec<_> = unknown
        .into_iter()
        .filter(|(_, given)| *given)
        .map(|(name, _)| {
            FieldError::new(name, FieldCode::NotAvailableYet, "does not apply to security events")
        })
        .collect();
    if !errors.is_empty() {
        return Err(Problem::of_fields(errors));
    }
    Ok(EventFilter {
        since: moment("since", query.since.as_deref())?,
        until: moment("until", query.until.as_deref())?,
        principal_id: query.principal_id,
        subject_id: query.credential_id,
        account: None,
        publisher_id: query.publisher_id,
        type_: query.kind,
        ip_address: query.ip,
        without_copies: false,
        order: order(query.order),
        after: after(query.page.cursor.as_deref())?,
        limit,
    })
}
