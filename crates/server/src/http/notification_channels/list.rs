//! `GET /notification-channels`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::notification::NotificationChannel;
use keywright_api::notification_request::ChannelQuery;
use keywright_api::page::{DEFAULT_LIMIT, Page};
use keywright_authority::notifications::channels;
use keywright_core::{ChannelId, PublisherId};
use keywright_store::notification_channels::ListFilter;

use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::{Cursor, page};
use crate::http::gate::{Caller, MonitoringRead};
use crate::http::input::Query;
use crate::http::{App, view};

/// Notification channels, newest first: those of the publisher that the call is about, or all.
#[utoipa::path(
    get, path = "/notification-channels", tag = "notification channels", operation_id = "list_notification_channels",
    params(ChannelQuery),
    responses((status = 200, description = "A page of channels", body = Page<NotificationChannel>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<MonitoringRead>,
    Query(query): Query<ChannelQuery>,
) -> Result<Response, Refused> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let after = query.cursor.as_deref().map(Cursor::decode).transpose()?;
    let filter = ListFilter {
        within: query.publisher_id.map(PublisherId),
        kind: query.kind.map(view::stored_channel_kind),
        name: query.name,
        after: after.map(|cursor| (cursor.at, ChannelId(cursor.id))),
        limit: limit + 1,
    };
    let found = channels::list(app.authority(), &caller.call, filter).await?;
    let page = page(found, limit, |row| (row.created_at, row.id.0), view::notification_channel);
    Ok(json_no_store(StatusCode::OK, &page))
}
