//! `DELETE /event-subscriptions/{id}`.

use axum::extract::State;
use http::StatusCode;
use keywright_api::service_token_request::RevokeQuery;
use keywright_authority::notifications::subscriptions;
use keywright_core::SubscriptionId;

use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, MonitoringAdmin};
use crate::http::input::{PathId, Query};

/// Delete a subscription, and give up what waits for it. Deleting it again changes nothing.
#[utoipa::path(
    delete, path = "/event-subscriptions/{id}", tag = "event subscriptions", operation_id = "delete_event_subscription",
    params(("id" = uuid::Uuid, Path, description = "The subscription"), RevokeQuery,
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses((status = 204, description = "Deleted"),
        Refused),
)]
pub async fn delete(
    State(app): State<App>,
    caller: Caller<MonitoringAdmin>,
    Query(query): Query<RevokeQuery>,
    PathId(id): PathId<SubscriptionId>,
) -> Result<StatusCode, Refused> {
    subscriptions::delete(app.authority(), caller.call, id, query.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}
