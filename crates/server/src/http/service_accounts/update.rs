//! `PATCH` and `PUT /service-accounts/{id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::json::parse_body;
use keywright_api::patch::Patch;
use keywright_api::problem::Problem;
use keywright_api::request::{Fields, FromFields};
use keywright_api::service_account::ServiceAccount;
use keywright_api::service_account_request::{PatchServiceAccount, PutServiceAccount};
use keywright_authority::service_accounts::{self, Update};
use keywright_authority::service_tokens::MetadataChange;
use keywright_core::{EmailAddress, Metadata, Name, ScopeSet, ServiceAccountId};

use super::account;
use crate::http::answer::Refused;
use crate::http::bounds::{allowlist, limits_change, replaced, wish};
use crate::http::gate::{Caller, ServiceAccountsAdmin};
use crate::http::input::{
    JsonBody, JsonBytes, NoQuery, PathId, email_address, invalid, rules, without_unchanged,
};
use crate::http::{App, view};

/// What `PUT` does not set, and takes as long as it stays as it is.
const READ_ONLY: [&str; 8] = [
    "id",
    "publisher_id",
    "status",
    "disabled_at",
    "disabled_reason",
    "created_by",
    "created_at",
    "updated_at",
];

/// Change a service account (RFC 7396), and with it at once what its tokens may do.
#[utoipa::path(
    patch, path = "/service-accounts/{id}", tag = "service accounts", operation_id = "update_service_account",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body(content((PatchServiceAccount = "application/json"), (PatchServiceAccount = "application/merge-patch+json"))),
    responses((status = 200, description = "The account as it is now", body = ServiceAccount),
        Refused),
)]
pub async fn update(
    State(app): State<App>,
    caller: Caller<ServiceAccountsAdmin>,
    _: NoQuery,
    PathId(id): PathId<ServiceAccountId>,
    JsonBody(request): JsonBody<PatchServiceAccount>,
) -> Result<Response, Refused> {
    let wanted = merged(request)?;
    Ok(account(&service_accounts::update(app.authority(), caller.call, id, wanted).await?))
}

/// Replace what can be set of a service account: what is left out is as by default.
#[utoipa::path(
    put, path = "/service-accounts/{id}", tag = "service accounts", operation_id = "replace_service_account",
    params(("id" = uuid::Uuid, Path, description = "The account"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = PutServiceAccount,
    responses((status = 200, description = "The account as it is now", body = ServiceAccount),
        Refused),
)]
pub async fn replace(
    State(app): State<App>,
    caller: Caller<ServiceAccountsAdmin>,
    _: NoQuery,
    PathId(id): PathId<ServiceAccountId>,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let now = service_accounts::get(app.authority(), &caller.call, id).await?;
    let members = without_unchanged(
        parse_body(&body).map_err(Problem::from)?,
        &view::service_account(&now),
        &READ_ONLY,
    );
    let request =
        PutServiceAccount::from_fields(Fields::of_body(members, &rules(&app))).map_err(Problem::from)?;
    let row = service_accounts::update(app.authority(), caller.call, id, whole(request)?).await?;
    Ok(account(&row))
}

fn merged(request: PatchServiceAccount) -> Result<Update, Problem> {
    Ok(Update {
        name: request.name.as_deref().map(name).transpose()?,
        description: request.description,
        service_type: request.service_type.map(view::stored_service_type),
        owner_email: wish(request.owner_email)
            .map(|address| address.as_deref().map(owner).transpose())
            .transpose()?,
        scopes: request.scopes.as_deref().map(scopes).transpose()?,
        limits: limits_change(request.rate_limits),
        allowlist: wish(request.ip_allowlist)
            .map(|networks| allowlist(&networks.unwrap_or_default()))
            .transpose()?,
        metadata: match request.metadata {
            Patch::Absent => None,
            Patch::Null => Some(MetadataChange::Clear),
            Patch::Value(patch) => Some(MetadataChange::Merge(patch)),
        },
    })
}

fn whole(request: PutServiceAccount) -> Result<Update, Problem> {
    let metadata = Metadata::new(request.metadata.unwrap_or_default());
    Ok(Update {
        name: Some(name(&request.name)?),
        description: Some(request.description.unwrap_or_default()),
        service_type: Some(view::stored_service_type(request.service_type)),
        owner_email: Some(request.owner_email.as_deref().map(owner).transpose()?),
        scopes: Some(scopes(&request.scopes)?),
        limits: Some(replaced(request.rate_limits)),
        allowlist: Some(allowlist(&request.ip_allowlist.unwrap_or_default())?),
        metadata: Some(MetadataChange::Replace(
            metadata.map_err(|error| invalid("metadata", &error.to_string()))?,
        )),
    })
}

fn name(text: &str) -> Result<Name, Problem> {
    Name::parse(text).map_err(|error| invalid("name", &error.to_string()))
}

pub(super) fn owner(text: &str) -> Result<EmailAddress, Problem> {
    email_address("owner_email", text)
}

pub(super) fn scopes(texts: &[String]) -> Result<ScopeSet, Problem> {
    ScopeSet::parse(texts).map_err(|(at, error)| invalid(&format!("scopes[{at}]"), &error.to_string()))
}
