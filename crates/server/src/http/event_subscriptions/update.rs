//! `PATCH /event-subscriptions/{id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::notification::EventSubscription;
use keywright_api::notification_request::PatchEventSubscription;
use keywright_api::problem::Problem;
use keywright_authority::notifications::Address;
use keywright_authority::notifications::subscriptions::{self, Update};
use keywright_core::{Name, SubscriptionId};
use zeroize::Zeroizing;

use super::create::event_types;
use crate::http::answer::{Refused, object};
use crate::http::gate::{Caller, MonitoringAdmin};
use crate::http::input::{JsonBody, NoQuery, PathId, invalid};
use crate::http::{App, view};

/// Change a subscription (RFC 7396). Who switches it off gives up what waits for it.
#[utoipa::path(
    patch, path = "/event-subscriptions/{id}", tag = "event subscriptions", operation_id = "update_event_subscription",
    params(("id" = uuid::Uuid, Path, description = "The subscription"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body(content((PatchEventSubscription = "application/json"), (PatchEventSubscription = "application/merge-patch+json"))),
    responses((status = 200, description = "The subscription as it is now", body = EventSubscription),
        Refused),
)]
pub async fn update(
    State(app): State<App>,
    caller: Caller<MonitoringAdmin>,
    _: NoQuery,
    PathId(id): PathId<SubscriptionId>,
    JsonBody(request): JsonBody<PatchEventSubscription>,
) -> Result<Response, Refused> {
    let row = subscriptions::update(app.authority(), caller.call, id, wanted(request)?).await?;
    Ok(object(&view::event_subscription(&row), row.version))
}

fn wanted(request: PatchEventSubscription) -> Result<Update, Problem> {
    let name = request.name.as_deref().map(Name::parse).transpose();
    Ok(Update {
        name: name.map_err(|error| invalid("name", &error.to_string()))?,
        address: Address {
            url: request.url.map(|url| Zeroizing::new(url.expose().to_owned())),
            recipients: None,
        },
        event_types: request.event_types.as_deref().map(event_types).transpose()?,
        is_enabled: request.is_enabled,
    })
}
