//! `GET /service-accounts/{id}/security-events`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::event::SecurityEvent;
use keywright_api::event_query::EventQuery;
use keywright_api::page::{Page, PageQuery};
use keywright_authority::service_accounts;
use keywright_core::ServiceAccountId;

use crate::http::App;
use crate::http::answer::Refused;
use crate::http::audit::security_events::{filter, page};
use crate::http::gate::{Caller, ServiceAccountsRead};
use crate::http::input::{PathId, Query};

/// What was done to a service account and to its tokens.
#[utoipa::path(
    get, path = "/service-accounts/{id}/security-events", tag = "service accounts", operation_id = "list_service_account_security_events",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        EventQuery, PageQuery),
    responses((status = 200, description = "A page of events", body = Page<SecurityEvent>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<ServiceAccountsRead>,
    Query(query): Query<EventQuery>,
    PathId(id): PathId<ServiceAccountId>,
) -> Result<Response, Refused> {
    let limit = query.page.limit();
    let filter = filter(query, limit + 1)?;
    let rows = service_accounts::events(app.authority(), &caller.call, id, filter).await?;
    Ok(page(rows, limit))
}
