//! What became of what a channel or a subscription was to tell: the same answers under both.

use axum::response::Response;
use http::StatusCode;
use keywright_api::notification_request::DeliveryQuery;
use keywright_api::page::DEFAULT_LIMIT;
use keywright_authority::notifications::deliveries::{self, TargetId};
use keywright_core::DeliveryId;
use keywright_store::deliveries::ListFilter;

use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::{Cursor, page};
use crate::http::gate::{Caller, MonitoringAdmin, MonitoringRead};
use crate::http::{App, view};

/// Answers with a page of deliveries, newest first.
pub(in crate::http) async fn list(
    app: &App,
    caller: Caller<MonitoringRead>,
    target: TargetId,
    query: DeliveryQuery,
) -> Result<Response, Refused> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let after = query.cursor.as_deref().map(Cursor::decode).transpose()?;
    let filter = ListFilter {
        state: query.state.map(view::stored_delivery_state),
        after: after.map(|cursor| (cursor.at, DeliveryId(cursor.id))),
        limit: limit + 1,
        ..ListFilter::default()
    };
    let found = deliveries::list(app.authority(), &caller.call, target, filter).await?;
    let page = page(found, limit, |row| (row.created_at, row.id.0), view::delivery);
    Ok(json_no_store(StatusCode::OK, &page))
}

/// Has a delivery tried again, and answers with it.
pub(in crate::http) async fn retry(
    app: &App,
    caller: Caller<MonitoringAdmin>,
    target: TargetId,
    delivery: DeliveryId,
) -> Result<Response, Refused> {
    let row = deliveries::retry(app.authority(), caller.call, target, delivery).await?;
    Ok(json_no_store(StatusCode::OK, &view::delivery(&row)))
}
