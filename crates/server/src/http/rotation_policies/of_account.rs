//! `GET` and `PUT /service-accounts/{id}/rotation-policy`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::rotation::{AccountRotationPolicy, ChangedAccountRotationPolicy};
use keywright_api::rotation_request::PutAccountRotationPolicy;
use keywright_authority::rotation_policies;
use keywright_core::ServiceAccountId;
use keywright_store::rotation_policies::PolicyRow;

use super::{delivery_of, secret_of, terms};
use crate::http::answer::{Refused, object};
use crate::http::gate::{Caller, ServiceAccountsAdmin, ServiceAccountsRead};
use crate::http::input::{JsonBody, NoQuery, PathId};
use crate::http::{App, view};

fn of_account(row: Option<&PolicyRow>) -> Response {
    object(&view::account_policy(row), row.map_or(0, |row| row.version))
}

/// What the policy on a service account says; all of it null where there is none.
#[utoipa::path(
    get, path = "/service-accounts/{id}/rotation-policy", tag = "rotation", operation_id = "get_service_account_rotation_policy",
    params(("id" = uuid::Uuid, Path, description = "The account")),
    responses((status = 200, description = "What it says", body = AccountRotationPolicy),
        Refused),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller<ServiceAccountsRead>,
    _: NoQuery,
    PathId(id): PathId<ServiceAccountId>,
) -> Result<Response, Refused> {
    let row = rotation_policies::of_account(app.authority(), &caller.call, id).await?;
    Ok(of_account(row.as_ref()))
}

/// Say all of the policy on a service account anew: what is left out is left to the next policy.
#[utoipa::path(
    put, path = "/service-accounts/{id}/rotation-policy", tag = "rotation", operation_id = "replace_service_account_rotation_policy",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = PutAccountRotationPolicy,
    responses((status = 200, description = "What it says now", body = ChangedAccountRotationPolicy),
        Refused),
)]
pub async fn replace(
    State(app): State<App>,
    caller: Caller<ServiceAccountsAdmin>,
    _: NoQuery,
    PathId(id): PathId<ServiceAccountId>,
    JsonBody(request): JsonBody<PutAccountRotationPolicy>,
) -> Result<Response, Refused> {
    let asked = request.terms();
    let (terms, delivery) = (terms(&asked), delivery_of(asked.delivery)?);
    let made = rotation_policies::put_of_account(app.authority(), caller.call, id, terms, delivery).await?;
    let answer = ChangedAccountRotationPolicy {
        secret: secret_of(&made),
        object: view::account_policy(Some(&made.token)),
    };
    Ok(object(&answer, made.token.version))
}
