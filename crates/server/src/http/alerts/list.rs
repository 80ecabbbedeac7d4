//! `GET /alerts`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::alert::{Alert, AlertQuery};
use keywright_api::page::{Page, PageQuery};
use keywright_authority::alerts;
use keywright_core::{AlertId, PublisherId};
use keywright_store::alerts::ListFilter;

use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::{Cursor, page};
use crate::http::gate::{Caller, MonitoringRead};
use crate::http::input::Query;
use crate::http::{App, view};

/// Alerts, newest first; within a publisher its own.
#[utoipa::path(
    get, path = "/alerts", tag = "alerts", operation_id = "list_alerts",
    params(AlertQuery, PageQuery),
    responses((status = 200, description = "A page of alerts", body = Page<Alert>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<MonitoringRead>,
    Query(query): Query<AlertQuery>,
) -> Result<Response, Refused> {
    let limit = query.page.limit();
    let after = Cursor::after(&query.page)?;
    let filter = ListFilter {
        within: query.publisher_id.map(PublisherId),
        state: query.state.and_then(view::stored_alert_state),
        severity: query.severity.and_then(view::stored_severity),
        kind: query.kind.and_then(view::stored_alert_kind),
        subject_id: query.subject_id,
        after: after.map(|cursor| (cursor.at, AlertId(cursor.id))),
        limit: limit + 1,
    };
    let found = alerts::list(app.authority(), &caller.call, filter).await?;
    let page = page(found, limit, |row| (row.opened_at, row.id.0), view::alert);
    Ok(json_no_store(StatusCode::OK, &page))
}
