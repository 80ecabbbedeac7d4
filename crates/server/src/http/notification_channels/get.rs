//! `GET /notification-channels/{id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::notification::NotificationChannel;
use keywright_authority::notifications::channels;
use keywright_core::ChannelId;

use crate::http::answer::{Refused, object};
use crate::http::gate::{Caller, MonitoringRead};
use crate::http::input::{NoQuery, PathId};
use crate::http::{App, view};

/// One channel.
#[utoipa::path(
    get, path = "/notification-channels/{id}", tag = "notification channels", operation_id = "get_notification_channel",
    params(("id" = uuid::Uuid, Path, description = "The channel")),
    responses((status = 200, description = "The channel", body = NotificationChannel),
        Refused),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller<MonitoringRead>,
    _: NoQuery,
    PathId(id): PathId<ChannelId>,
) -> Result<Response, Refused> {
    let row = channels::get(app.authority(), &caller.call, id).await?;
    Ok(object(&view::notification_channel(&row), row.version))
}
