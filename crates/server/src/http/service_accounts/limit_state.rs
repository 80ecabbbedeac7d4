//! `GET /service-accounts/{id}/limit-state`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::verify::AccountLimitStates;
use keywright_authority::limits as use_cases;
use keywright_core::ServiceAccountId;

use crate::http::answer::Refused;
use crate::http::gate::{Caller, ServiceAccountsRead};
use crate::http::input::{NoQuery, PathId};
use crate::http::{App, limits};

/// How much of the limits of a service account is left, for all of its tokens together. Asking takes nothing of them.
#[utoipa::path(
    get, path = "/service-accounts/{id}/limit-state", tag = "service accounts",
    operation_id = "get_service_account_limit_state",
    params(("id" = uuid::Uuid, Path, description = "The account")),
    responses((status = 200, description = "What is left", body = AccountLimitStates),
        Refused),
)]
pub async fn limit_state(
    State(app): State<App>,
    caller: Caller<ServiceAccountsRead>,
    _: NoQuery,
    PathId(id): PathId<ServiceAccountId>,
) -> Result<Response, Refused> {
    let budgets = use_cases::of_account(app.authority(), &caller.call, id).await?;
    Ok(limits::states_of_account(&app, id, &budgets).await)
}
