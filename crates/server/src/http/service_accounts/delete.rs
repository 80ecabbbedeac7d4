//! `DELETE /service-accounts/{id}`.

use axum::extract::State;
use http::StatusCode;
use keywright_api::service_token_request::RevokeQuery;
use keywright_authority::service_accounts;
use keywright_core::ServiceAccountId;

use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, ServiceAccountsAdmin};
use crate::http::input::{PathId, Query};

/// Delete a service account; its tokens are revoked, which is in force when the call returns.
#[utoipa::path(
    delete, path = "/service-accounts/{id}", tag = "service accounts", operation_id = "delete_service_account",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        RevokeQuery,
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses((status = 204, description = "Deleted"),
        Refused),
)]
pub async fn delete(
    State(app): State<App>,
    caller: Caller<ServiceAccountsAdmin>,
    Query(query): Query<RevokeQuery>,
    PathId(id): PathId<ServiceAccountId>,
) -> Result<StatusCode, Refused> {
    service_accounts::delete(app.authority(), caller.call, id, query.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}
