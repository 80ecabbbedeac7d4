//! `GET /event-subscriptions/{id}/deliveries` and `POST /event-subscriptions/{id}/deliveries/{delivery_id}/retry`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::notification::Delivery;
use keywright_api::notification_request::DeliveryQuery;
use keywright_api::page::{DEFAULT_LIMIT, Page};
use keywright_authority::notifications::subscriptions;
use keywright_core::{DeliveryId, SubscriptionId};
use keywright_store::deliveries::ListFilter;

use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::{Cursor, page};
use crate::http::gate::{Caller, MonitoringAdmin, MonitoringRead};
use crate::http::input::{NoQuery, PathId, PathIds, Query};
use crate::http::{App, view};

/// What became of what a subscription was to tell, newest first.
#[utoipa::path(
    get, path = "/event-subscriptions/{id}/deliveries", tag = "event subscriptions", operation_id = "list_event_subscription_deliveries",
    params(("id" = uuid::Uuid, Path, description = "The subscription"), DeliveryQuery),
    responses((status = 200, description = "A page of deliveries", body = Page<Delivery>),
        (status = "4XX", description = "Refused", body = keywright_api::problem::Document, content_type = "application/problem+json"),
        (status = "5XX", description = "Not carried out, or its outcome is unknown", body = keywright_api::problem::Document, content_type = "application/problem+json")),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<MonitoringRead>,
    PathId(id): PathId<SubscriptionId>,
    Query(query): Query<DeliveryQuery>,
) -> Result<Response, Refused> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let after = query.cursor.as_deref().map(Cursor::decode).transpose()?;
    let filter = ListFilter {
        state: query.state.map(view::stored_delivery_state),
        after: after.map(|cursor| (cursor.at, DeliveryId(cursor.id))),
        limit: limit + 1,
        ..ListFilter::default()
    };
    let found = subscriptions::deliveries(app.authority(), &caller.call, id, filter).await?;
    let page = page(found, limit, |row| (row.created_at, row.id.0), view::delivery);
    Ok(json_no_store(StatusCode::OK, &page))
}

/// Have a delivery that was given up tried again for another day, under the same id. Any other is left as it is.
#[utoipa::path(
    post, path = "/event-subscriptions/{id}/deliveries/{delivery_id}/retry", tag = "event subscriptions", operation_id = "retry_event_subscription_delivery",
    params(("id" = uuid::Uuid, Path, description = "The subscription"), ("delivery_id" = uuid::Uuid, Path, description = "The delivery")),
    responses((status = 200, description = "The delivery as it is now", body = Delivery),
        (status = "4XX", description = "Refused", body = keywright_api::problem::Document, content_type = "application/problem+json"),
        (status = "5XX", description = "Not carried out, or its outcome is unknown", body = keywright_api::problem::Document, content_type = "application/problem+json")),
)]
pub async fn retry(
    State(app): State<App>,
    caller: Caller<MonitoringAdmin>,
    _: NoQuery,
    PathIds(id, delivery): PathIds<SubscriptionId, DeliveryId>,
) -> Result<Response, Refused> {
    let row = subscriptions::retry(app.authority(), caller.call, id, delivery).await?;
    Ok(json_no_store(StatusCode::OK, &view::delivery(&row)))
}
