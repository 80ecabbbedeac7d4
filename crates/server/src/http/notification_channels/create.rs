//! `POST /notification-channels`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use keywright_api::notification::CreatedNotificationChannel;
use keywright_api::notification_request::CreateNotificationChannel;
use keywright_api::problem::Problem;
use keywright_api::request::FromFields;
use keywright_api::secret::Secret;
use keywright_authority::notifications::Address;
use keywright_authority::notifications::channels::{self, Create};
use keywright_core::{DigestPeriod, Name, PublisherId, Severity};
use zeroize::Zeroizing;

use crate::http::answer::{Refused, created};
use crate::http::gate::{Caller, MonitoringAdmin, idempotency};
use crate::http::input::{JsonBytes, NoQuery, email_address, invalid, rules};
use crate::http::{App, view};

/// Create a notification channel. The secret of a webhook is in this answer and in no other.
#[utoipa::path(
    post, path = "/notification-channels", tag = "notification channels", operation_id = "create_notification_channel",
    params(("X-Publisher-Id" = Option<uuid::Uuid>, Header, description = "The publisher that a caller of the platform acts for"),
        ("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = CreateNotificationChannel,
    responses((status = 201, description = "Created", body = CreatedNotificationChannel),
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
    caller.call.idempotency = idempotency(&headers, &format!("POST /notification-channels {within}"), &body)?;
    let request = CreateNotificationChannel::from_body(&body, &rules(&app))?;
    let made = channels::create(app.authority(), caller.call, wanted(request)?).await?;
    let row = &made.token;
    let body = CreatedNotificationChannel {
        secret: made.secret.as_ref().map(|secret| Secret::new(secret.reveal())),
        object: view::notification_channel(row),
    };
    Ok(created(&body, row.version, &format!("/notification-channels/{}", row.id), made.repeated))
}

fn wanted(request: CreateNotificationChannel) -> Result<Create, Problem> {
    let address = Address {
        url: request.url.map(|url| Zeroizing::new(url.expose().to_owned())),
        recipients: request.recipients.as_deref().map(recipients).transpose()?,
    };
    Ok(Create {
        publisher: request.publisher_id.map(PublisherId),
        name: Name::parse(&request.name).map_err(|error| invalid("name", &error.to_string()))?,
        kind: view::stored_channel_kind(request.kind),
        address,
        minimum_severity: request.minimum_severity.and_then(view::stored_severity).unwrap_or(Severity::Low),
        alert_kinds: request.alert_kinds.as_deref().map(view::stored_alert_kinds),
        all_publishers: request.all_publishers,
        digest: request.digest.map_or(DigestPeriod::Off, view::stored_digest_period),
        is_enabled: request.is_enabled.unwrap_or(true),
    })
}

/// Addresses of mail.
pub(super) fn recipients(texts: &[String]) -> Result<Vec<keywright_core::EmailAddress>, Problem> {
    let address = |(at, text): (usize, &String)| email_address(&format!("recipients[{at}]"), text);
    texts.iter().enumerate().map(address).collect()
}
