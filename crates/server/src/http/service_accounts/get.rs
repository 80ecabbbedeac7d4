//! `GET /service-accounts/{id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::service_account::ServiceAccount;
use keywright_authority::service_accounts;
use keywright_core::ServiceAccountId;

use super::account;
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, ServiceAccountsRead};
use crate::http::input::{NoQuery, PathId};

/// One service account.
#[utoipa::path(
    get, path = "/service-accounts/{id}", tag = "service accounts", operation_id = "get_service_account",
    params(("id" = uuid::Uuid, Path, description = "The account")),
    responses((status = 200, description = "The account", body = ServiceAccount),
        Refused),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller<ServiceAccountsRead>,
    _: NoQuery,
    PathId(id): PathId<ServiceAccountId>,
) -> Result<Response, Refused> {
    Ok(account(&service_accounts::get(app.authority(), &caller.call, id).await?))
}
