//! `GET /notification-channels/{id}/deliveries` and `POST /notification-channels/{id}/deliveries/{delivery_id}/retry`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::notification::Delivery;
use keywright_api::notification_request::DeliveryQuery;
use keywright_api::page::{DEFAULT_LIMIT, Page};
use keywright_authority::notifications::channels;
use keywright_core::{ChannelId, DeliveryId};
use keywright_store::deliveries::ListFilter;

use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::{Cursor, page};
use crate::http::gate::{Caller, MonitoringAdmin, MonitoringRead};
use crate::http::input::{NoQuery, PathId, PathIds, Query};
use crate::http::{App, view};

/// What became of what a channel was to tell, newest first.
#[utoipa::path(
    get, path = "/notification-channels/{id}/deliveries", tag = "notification channels", operation_id = "list_notification_channel_deliveries",
    params(("id" = uuid::Uuid, Path, description = "The channel"), DeliveryQuery),
    responses((status = 200, description = "A page of deliveries", body = Page<Delivery>),
        (status = "4XX", description = "Refused", body = keywright_api::problem::Document, content_type = "application/problem+json"),
        (status = "5XX", description = "Not carried out, or its outcome is unknown", body = keywright_api::problem::Document, content_type = "application/problem+json")),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<MonitoringRead>,
    PathId(id): PathId<ChannelId>,
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
    let found = channels::deliveries(app.authority(), &caller.call, id, filter).await?;
    let page = page(found, limit, |row| (row.created_at, row.id.0), view::delivery);
    Ok(json_no_store(StatusCode::OK, &page))
}

/// Have a delivery that was given up tried again for another day, under the same id. Any other is left as it is.
#[utoipa::path(
    post, path = "/notification-channels/{id}/deliveries/{delivery_id}/retry", tag = "notification channels", operation_id = "retry_notification_channel_delivery",
    params(("id" = uuid::Uuid, Path, description = "The channel"), ("delivery_id" = uuid::Uuid, Path, description = "The delivery")),
    responses((status = 200, description = "The delivery as it is now", body = Delivery),
        (status = "4XX", description = "Refused", body = keywright_api::problem::Document, content_type = "application/problem+json"),
        (status = "5XX", description = "Not carried out, or its outcome is unknown", body = keywright_api::problem::Document, content_type = "application/problem+json")),
)]
pub async fn retry(
    State(app): State<App>,
    caller: Caller<MonitoringAdmin>,
    _: NoQuery,
    PathIds(id, delivery): PathIds<ChannelId, DeliveryId>,
) -> Result<Response, Refused> {
    let row = channels::retry(app.authority(), caller.call, id, delivery).await?;
    Ok(json_no_store(StatusCode::OK, &view::delivery(&row)))
}
