//! `GET /event-subscriptions`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::notification::EventSubscription;
use keywright_api::notification_request::SubscriptionQuery;
use keywright_api::page::{DEFAULT_LIMIT, Page};
use keywright_authority::notifications::subscriptions;
use keywright_core::{PublisherId, SubscriptionId};
use keywright_store::event_subscriptions::ListFilter;

use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::{Cursor, page};
use crate::http::gate::{Caller, MonitoringRead};
use crate::http::input::Query;
use crate::http::{App, view};

/// Event subscriptions, newest first: those of the publisher that the call is about, or all.
#[utoipa::path(
    get, path = "/event-subscriptions", tag = "event subscriptions", operation_id = "list_event_subscriptions",
    params(SubscriptionQuery),
    responses((status = 200, description = "A page of subscriptions", body = Page<EventSubscription>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<MonitoringRead>,
    Query(query): Query<SubscriptionQuery>,
) -> Result<Response, Refused> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let after = query.cursor.as_deref().map(Cursor::decode).transpose()?;
    let filter = ListFilter {
        within: query.publisher_id.map(PublisherId),
        name: query.name,
        after: after.map(|cursor| (cursor.at, SubscriptionId(cursor.id))),
        limit: limit + 1,
    };
    let found = subscriptions::list(app.authority(), &caller.call, filter).await?;
    let page = page(found, limit, |row| (row.created_at, row.id.0), view::event_subscription);
    Ok(json_no_store(StatusCode::OK, &page))
}
