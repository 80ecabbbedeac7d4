//! `GET /event-subscriptions/{id}/deliveries` and `POST /event-subscriptions/{id}/deliveries/{delivery_id}/retry`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::notification::Delivery;
use keywright_api::notification_request::DeliveryQuery;
use keywright_api::page::Page;
use keywright_authority::notifications::deliveries::TargetId;
use keywright_core::{DeliveryId, SubscriptionId};

use crate::http::answer::Refused;
use crate::http::gate::{Caller, MonitoringAdmin, MonitoringRead};
use crate::http::input::{NoQuery, PathId, PathIds, Query};
use crate::http::{App, deliveries};

/// What became of what a subscription was to tell, newest first.
#[utoipa::path(
    get, path = "/event-subscriptions/{id}/deliveries", tag = "event subscriptions", operation_id = "list_event_subscription_deliveries",
    params(("id" = uuid::Uuid, Path, description = "The subscription"), DeliveryQuery),
    responses((status = 200, description = "A page of deliveries", body = Page<Delivery>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<MonitoringRead>,
    PathId(id): PathId<SubscriptionId>,
    Query(query): Query<DeliveryQuery>,
) -> Result<Response, Refused> {
    deliveries::list(&app, caller, TargetId::Subscription(id), query).await
}

/// Have a delivery that was given up tried again for another day, under the same id. Any other is left as it is.
#[utoipa::path(
    post, path = "/event-subscriptions/{id}/deliveries/{delivery_id}/retry", tag = "event subscriptions", operation_id = "retry_event_subscription_delivery",
    params(("id" = uuid::Uuid, Path, description = "The subscription"), ("delivery_id" = uuid::Uuid, Path, description = "The delivery")),
    responses((status = 200, description = "The delivery as it is now", body = Delivery),
        Refused),
)]
pub async fn retry(
    State(app): State<App>,
    caller: Caller<MonitoringAdmin>,
    _: NoQuery,
    PathIds(id, delivery): PathIds<SubscriptionId, DeliveryId>,
) -> Result<Response, Refused> {
    deliveries::retry(&app, caller, TargetId::Subscription(id), delivery).await
}
