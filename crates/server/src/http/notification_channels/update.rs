//! `PATCH /notification-channels/{id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::notification::NotificationChannel;
use keywright_api::notification_request::PatchNotificationChannel;
use keywright_api::problem::Problem;
use keywright_authority::notifications::Address;
use keywright_authority::notifications::channels::{self, Update};
use keywright_core::{ChannelId, Name};
use zeroize::Zeroizing;

use super::create::recipients;
use crate::http::answer::{Refused, object};
use crate::http::bounds::wish;
use crate::http::gate::{Caller, MonitoringAdmin};
use crate::http::input::{JsonBody, NoQuery, PathId, invalid};
use crate::http::{App, view};

/// Change a channel (RFC 7396). Who switches it off gives up what waits for it.
#[utoipa::path(
    patch, path = "/notification-channels/{id}", tag = "notification channels", operation_id = "update_notification_channel",
    params(("id" = uuid::Uuid, Path, description = "The channel"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body(content((PatchNotificationChannel = "application/json"), (PatchNotificationChannel = "application/merge-patch+json"))),
    responses((status = 200, description = "The channel as it is now", body = NotificationChannel),
        Refused),
)]
pub async fn update(
    State(app): State<App>,
    caller: Caller<MonitoringAdmin>,
    _: NoQuery,
    PathId(id): PathId<ChannelId>,
    JsonBody(request): JsonBody<PatchNotificationChannel>,
) -> Result<Response, Refused> {
    let row = channels::update(app.authority(), caller.call, id, wanted(request)?).await?;
    Ok(object(&view::notification_channel(&row), row.version))
}

fn wanted(request: PatchNotificationChannel) -> Result<Update, Problem> {
    let name = request.name.as_deref().map(Name::parse).transpose();
    Ok(Update {
        name: name.map_err(|error| invalid("name", &error.to_string()))?,
        address: Address {
            url: request.url.map(|url| Zeroizing::new(url.expose().to_owned())),
            recipients: request.recipients.as_deref().map(recipients).transpose()?,
        },
        minimum_severity: request.minimum_severity.and_then(view::stored_severity),
        alert_kinds: wish(request.alert_kinds).map(|kinds| kinds.as_deref().map(view::stored_alert_kinds)),
        all_publishers: request.all_publishers,
        digest: request.digest.map(view::stored_digest_period),
        is_enabled: request.is_enabled,
    })
}
