//! `DELETE /notification-channels/{id}`.

use axum::extract::State;
use http::StatusCode;
use keywright_api::service_token_request::RevokeQuery;
use keywright_authority::notifications::channels;
use keywright_core::ChannelId;

use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, MonitoringAdmin};
use crate::http::input::{PathId, Query};

/// Delete a channel, and give up what waits for it. Deleting it again changes nothing.
#[utoipa::path(
    delete, path = "/notification-channels/{id}", tag = "notification channels", operation_id = "delete_notification_channel",
    params(("id" = uuid::Uuid, Path, description = "The channel"), RevokeQuery,
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses((status = 204, description = "Deleted"),
        Refused),
)]
pub async fn delete(
    State(app): State<App>,
    caller: Caller<MonitoringAdmin>,
    Query(query): Query<RevokeQuery>,
    PathId(id): PathId<ChannelId>,
) -> Result<StatusCode, Refused> {
    channels::delete(app.authority(), caller.call, id, query.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}
