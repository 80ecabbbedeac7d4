//! `POST /event-subscriptions`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use keywright_api::notification::CreatedEventSubscription;
use keywright_api::notification_request::CreateEventSubscription;
use keywright_api::problem::Problem;
use keywright_api::request::FromFields;
use keywright_api::secret::Secret;
use keywright_authority::notifications::Address;
use keywright_authority::notifications::subscriptions::{self, Create};
use keywright_core::{EventTypes, Name, PublisherId};
use zeroize::Zeroizing;

use crate::http::answer::{Refused, created};
use crate::http::gate::{Caller, MonitoringAdmin, idempotency};
use crate::http::input::{JsonBytes, NoQuery, invalid, rules};
use crate::http::{App, view};

/// Create an event subscription. Its secret is in this answer and in no other.
#[utoipa::path(
    post, path = "/event-subscriptions", tag = "event subscriptions", operation_id = "create_event_subscription",
    params(("X-Publisher-Id" = Option<uuid::Uuid>, Header, description = "The publisher that a caller of the platform acts for"),
        ("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = CreateEventSubscription,
    responses((status = 201, description = "Created", body = CreatedEventSubscription),
        Refused),
)]
pub async fn create(
    State(app): State<App>,
    mut caller: Caller<MonitoringAdmin>,
    _: NoQuery,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let within = caller.call.within().map(|id| id.to_string()).unwrap_or_default();
    caller.call.idempotency = idempotency(&headers, &format!("POST /event-subscriptions {within}"), &body)?;
    let request = CreateEventSubscription::from_body(&body, &rules(&app))?;
    let made = subscriptions::create(app.authority(), caller.call, wanted(&request)?).await?;
    let row = &made.token;
    let body = CreatedEventSubscription {
        secret: made.secret.as_ref().map(|secret| Secret::new(secret.reveal())),
        object: view::event_subscription(row),
    };
    Ok(created(&body, row.version, &format!("/event-subscriptions/{}", row.id), made.repeated))
}

fn wanted(request: &CreateEventSubscription) -> Result<Create, Problem> {
    let address = Address { url: Some(Zeroizing::new(request.url.expose().to_owned())), recipients: None };
    Ok(Create {
        publisher: request.publisher_id.map(PublisherId),
        name: Name::parse(&request.name).map_err(|error| invalid("name", &error.to_string()))?,
        address,
        event_types: event_types(&request.event_types)?,
        is_enabled: request.is_enabled.unwrap_or(true),
    })
}

/// Types of event.
pub(super) fn event_types(texts: &[String]) -> Result<EventTypes, Problem> {
    EventTypes::parse(texts).map_err(|(at, error)| invalid(&format!("event_types[{at}]"), &error.to_string()))
}
