//! `GET /event-subscriptions/{id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::notification::EventSubscription;
use keywright_authority::notifications::subscriptions;
use keywright_core::SubscriptionId;

use crate::http::answer::{Refused, object};
use crate::http::gate::{Caller, MonitoringRead};
use crate::http::input::{NoQuery, PathId};
use crate::http::{App, view};

/// One subscription.
#[utoipa::path(
    get, path = "/event-subscriptions/{id}", tag = "event subscriptions", operation_id = "get_event_subscription",
    params(("id" = uuid::Uuid, Path, description = "The subscription")),
    responses((status = 200, description = "The subscription", body = EventSubscription),
        Refused),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller<MonitoringRead>,
    _: NoQuery,
    PathId(id): PathId<SubscriptionId>,
) -> Result<Response, Refused> {
    let row = subscriptions::get(app.authority(), &caller.call, id).await?;
    Ok(object(&view::event_subscription(&row), row.version))
}
