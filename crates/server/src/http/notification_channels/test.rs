//! `POST /notification-channels/{id}/test`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::notification::Delivery;
use keywright_authority::notifications::channels;
use keywright_core::ChannelId;

use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Caller, MonitoringAdmin};
use crate::http::input::{NoQuery, PathId};
use crate::http::{App, view};

/// Send a message by a channel at once, and tell what became of it. It is tried once.
#[utoipa::path(
    post, path = "/notification-channels/{id}/test", tag = "notification channels", operation_id = "test_notification_channel",
    params(("id" = uuid::Uuid, Path, description = "The channel")),
    responses((status = 200, description = "What became of it", body = Delivery),
        Refused),
)]
pub async fn test(
    State(app): State<App>,
    caller: Caller<MonitoringAdmin>,
    _: NoQuery,
    PathId(id): PathId<ChannelId>,
) -> Result<Response, Refused> {
    let row = channels::test(app.authority(), caller.call, id).await?;
    Ok(json_no_store(StatusCode::OK, &view::delivery(&row)))
}
