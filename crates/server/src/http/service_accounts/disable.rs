//! `POST /service-accounts/{id}/disable` and `/enable`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::publisher_request::ReasonGiven;
use keywright_api::service_account::ServiceAccount;
use keywright_authority::service_accounts;
use keywright_core::ServiceAccountId;

use super::account;
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, ServiceAccountsAdmin};
use crate::http::input::{JsonBodyOrNone, NoQuery, PathId};

/// Switch a service account off: none of its tokens is accepted, which is in force when the call returns.
#[utoipa::path(
    post, path = "/service-accounts/{id}/disable", tag = "service accounts", operation_id = "disable_service_account",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = Option<ReasonGiven>,
    responses((status = 200, description = "The account as it is now", body = ServiceAccount),
        Refused),
)]
pub async fn disable(
    State(app): State<App>,
    caller: Caller<ServiceAccountsAdmin>,
    _: NoQuery,
    PathId(id): PathId<ServiceAccountId>,
    JsonBodyOrNone(ReasonGiven { reason }): JsonBodyOrNone<ReasonGiven>,
) -> Result<Response, Refused> {
    Ok(account(&service_accounts::disable(app.authority(), caller.call, id, reason).await?))
}

/// Switch a service account on again; its tokens work as before.
#[utoipa::path(
    post, path = "/service-accounts/{id}/enable", tag = "service accounts", operation_id = "enable_service_account",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = Option<ReasonGiven>,
    responses((status = 200, description = "The account as it is now", body = ServiceAccount),
        Refused),
)]
pub async fn enable(
    State(app): State<App>,
    caller: Caller<ServiceAccountsAdmin>,
    _: NoQuery,
    PathId(id): PathId<ServiceAccountId>,
    JsonBodyOrNone(ReasonGiven { reason }): JsonBodyOrNone<ReasonGiven>,
) -> Result<Response, Refused> {
    Ok(account(&service_accounts::enable(app.authority(), caller.call, id, reason).await?))
}
