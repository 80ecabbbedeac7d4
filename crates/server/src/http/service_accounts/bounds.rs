//! `/service-accounts/{id}/scopes`, `/rate-limits` and `/ip-allowlist`: one part of an account each, at the
//! version of the account.

use axum::extract::State;
use axum::response::Response;
use keywright_api::service_account::{AccountAllowlist, AccountScopes};
use keywright_api::service_account_request::{PutAccountScopes, PutAllowlist, PutRateLimits};
use keywright_api::service_token::RateLimits;
use keywright_authority::RateLimitsChange;
use keywright_authority::service_accounts::{self, Update};
use keywright_core::ServiceAccountId;
use keywright_store::service_accounts::ServiceAccountRow;

use super::update::scopes;
use crate::http::answer::{Refused, object};
use crate::http::bounds::allowlist;
use crate::http::gate::{Caller, ServiceAccountsAdmin, ServiceAccountsRead};
use crate::http::input::{JsonBody, NoQuery, PathId};
use crate::http::{App, view};

fn scopes_of(row: &ServiceAccountRow) -> Response {
    object(&AccountScopes { scopes: view::scopes(&row.scopes) }, row.version)
}

fn limits_of(row: &ServiceAccountRow) -> Response {
    let limits = RateLimits { per_minute: row.limits.per_minute, per_hour: row.limits.per_hour };
    object(&limits, row.version)
}

fn allowlist_of(row: &ServiceAccountRow) -> Response {
    object(&AccountAllowlist { ip_allowlist: view::allowlist(&row.allowlist) }, row.version)
}

/// What the tokens of a service account may do at most.
#[utoipa::path(
    get, path = "/service-accounts/{id}/scopes", tag = "service accounts", operation_id = "get_service_account_scopes",
    params(("id" = uuid::Uuid, Path, description = "The account")),
    responses((status = 200, description = "What the tokens of a service account may do at most", body = AccountScopes),
        Refused),
)]
pub async fn get_scopes(
    State(app): State<App>,
    caller: Caller<ServiceAccountsRead>,
    _: NoQuery,
    PathId(id): PathId<ServiceAccountId>,
) -> Result<Response, Refused> {
    Ok(scopes_of(&service_accounts::get(app.authority(), &caller.call, id).await?))
}

/// Replace what the tokens of a service account may do at most, in force at once.
#[utoipa::path(
    put, path = "/service-accounts/{id}/scopes", tag = "service accounts", operation_id = "replace_service_account_scopes",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = PutAccountScopes,
    responses((status = 200, description = "As it is now", body = AccountScopes),
        Refused),
)]
pub async fn replace_scopes(
    State(app): State<App>,
    caller: Caller<ServiceAccountsAdmin>,
    _: NoQuery,
    PathId(id): PathId<ServiceAccountId>,
    JsonBody(request): JsonBody<PutAccountScopes>,
) -> Result<Response, Refused> {
    let wanted = Update { scopes: Some(scopes(&request.scopes)?), ..Update::default() };
    Ok(scopes_of(&service_accounts::update(app.authority(), caller.call, id, wanted).await?))
}

/// How often the tokens of a service account may be used together.
#[utoipa::path(
    get, path = "/service-accounts/{id}/rate-limits", tag = "service accounts", operation_id = "get_service_account_rate_limits",
    params(("id" = uuid::Uuid, Path, description = "The account")),
    responses((status = 200, description = "How often the tokens of a service account may be used together", body = RateLimits),
        Refused),
)]
pub async fn get_limits(
    State(app): State<App>,
    caller: Caller<ServiceAccountsRead>,
    _: NoQuery,
    PathId(id): PathId<ServiceAccountId>,
) -> Result<Response, Refused> {
    Ok(limits_of(&service_accounts::get(app.authority(), &caller.call, id).await?))
}

/// Replace how often the tokens of a service account may be used together: what is left out is unlimited.
#[utoipa::path(
    put, path = "/service-accounts/{id}/rate-limits", tag = "service accounts", operation_id = "replace_service_account_rate_limits",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = PutRateLimits,
    responses((status = 200, description = "As it is now", body = RateLimits),
        Refused),
)]
pub async fn replace_limits(
    State(app): State<App>,
    caller: Caller<ServiceAccountsAdmin>,
    _: NoQuery,
    PathId(id): PathId<ServiceAccountId>,
    JsonBody(request): JsonBody<PutRateLimits>,
) -> Result<Response, Refused> {
    let wanted = Update {
        limits: Some(RateLimitsChange {
            per_minute: Some(request.per_minute),
            per_hour: Some(request.per_hour),
        }),
        ..Update::default()
    };
    Ok(limits_of(&service_accounts::update(app.authority(), caller.call, id, wanted).await?))
}

/// The networks that the tokens of a service account may be used from.
#[utoipa::path(
    get, path = "/service-accounts/{id}/ip-allowlist", tag = "service accounts", operation_id = "get_service_account_ip_allowlist",
    params(("id" = uuid::Uuid, Path, description = "The account")),
    responses((status = 200, description = "The networks that the tokens of a service account may be used from", body = AccountAllowlist),
        Refused),
)]
pub async fn get_allowlist(
    State(app): State<App>,
    caller: Caller<ServiceAccountsRead>,
    _: NoQuery,
    PathId(id): PathId<ServiceAccountId>,
) -> Result<Response, Refused> {
    Ok(allowlist_of(&service_accounts::get(app.authority(), &caller.call, id).await?))
}

/// Replace the networks that the tokens of a service account may be used from.
#[utoipa::path(
    put, path = "/service-accounts/{id}/ip-allowlist", tag = "service accounts", operation_id = "replace_service_account_ip_allowlist",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = PutAllowlist,
    responses((status = 200, description = "As it is now", body = AccountAllowlist),
        Refused),
)]
pub async fn replace_allowlist(
    State(app): State<App>,
    caller: Caller<ServiceAccountsAdmin>,
    _: NoQuery,
    PathId(id): PathId<ServiceAccountId>,
    JsonBody(request): JsonBody<PutAllowlist>,
) -> Result<Response, Refused> {
    let wanted = Update {
        allowlist: Some(allowlist(&request.ip_allowlist.unwrap_or_default())?),
        ..Update::default()
    };
    Ok(allowlist_of(&service_accounts::update(app.authority(), caller.call, id, wanted).await?))
}
