//! `GET /service-accounts/{id}/tokens` and `GET /service-accounts/{id}/tokens/{token_id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::page::{Page, PageQuery};
use keywright_api::service_token::ServiceToken;
use keywright_api::service_token_request::AccountTokenQuery;
use keywright_authority::service_tokens::{self, Target};
use keywright_core::{CredentialId, ServiceAccountId};

use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, ServiceAccountsRead};
use crate::http::input::{NoQuery, PathId, PathIds, Query};
use crate::http::tokens::list::{filter, page};
use crate::http::tokens::shown;

/// Tokens of a service account, newest first.
#[utoipa::path(
    get, path = "/service-accounts/{id}/tokens", tag = "service accounts", operation_id = "list_service_account_tokens",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        AccountTokenQuery, PageQuery),
    responses((status = 200, description = "A page of tokens", body = Page<ServiceToken>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<ServiceAccountsRead>,
    Query(query): Query<AccountTokenQuery>,
    PathId(id): PathId<ServiceAccountId>,
) -> Result<Response, Refused> {
    let now = app.authority().now();
    let (limit, filter) = filter(query.into(), now)?;
    let found = service_tokens::list_of_account(app.authority(), &caller.call, id, filter).await?;
    Ok(page(found, limit, now))
}

/// One token of a service account.
#[utoipa::path(
    get, path = "/service-accounts/{id}/tokens/{token_id}", tag = "service accounts", operation_id = "get_service_account_token",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        ("token_id" = uuid::Uuid, Path, description = "The token")),
    responses((status = 200, description = "The token", body = ServiceToken),
        Refused),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller<ServiceAccountsRead>,
    _: NoQuery,
    PathIds(account, token): PathIds<ServiceAccountId, CredentialId>,
) -> Result<Response, Refused> {
    let target = Target::OfAccount(account, token);
    let (row, epochs) = service_tokens::get(app.authority(), &caller.call, target).await?;
    Ok(shown(&app, &row, epochs))
}
