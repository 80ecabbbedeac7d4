//! `POST /service-accounts`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use keywright_api::problem::Problem;
use keywright_api::request::FromFields;
use keywright_api::service_account::ServiceAccount;
use keywright_api::service_account_request::CreateServiceAccount;
use keywright_authority::service_accounts::{self, Create};
use keywright_core::{Metadata, Name, PublisherId, ScopeSet};

use super::update::owner;
use crate::http::answer::{Refused, created};
use crate::http::bounds::{allowlist, rate_limits};
use crate::http::gate::{Caller, ServiceAccountsAdmin, idempotency};
use crate::http::input::{JsonBytes, NoQuery, invalid, rules};
use crate::http::{App, view};

/// Create a service account, of a publisher or of the platform.
#[utoipa::path(
    post, path = "/service-accounts", tag = "service accounts", operation_id = "create_service_account",
    params(("X-Publisher-Id" = Option<uuid::Uuid>, Header, description = "The publisher that a caller of the platform acts for"),
        ("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = CreateServiceAccount,
    responses((status = 201, description = "Created", body = ServiceAccount),
        Refused),
)]
pub async fn create(
    State(app): State<App>,
    mut caller: Caller<ServiceAccountsAdmin>,
    _: NoQuery,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let within = caller.call.within().map(|id| id.to_string()).unwrap_or_default();
    caller.call.idempotency = idempotency(&headers, &format!("POST /service-accounts {within}"), &body)?;
    let wanted = wanted(CreateServiceAccount::from_body(&body, &rules(&app))?)?;
    let made = service_accounts::create(app.authority(), caller.call, wanted).await?;
    let row = &made.object;
    let path = format!("/service-accounts/{}", row.id);
    Ok(created(&view::service_account(row), row.version, &path, made.repeated))
}

fn wanted(request: CreateServiceAccount) -> Result<Create, Problem> {
    Ok(Create {
        publisher: request.publisher_id.map(PublisherId),
        name: Name::parse(&request.name).map_err(|error| invalid("name", &error.to_string()))?,
        description: request.description.unwrap_or_default(),
        service_type: view::stored_service_type(request.service_type),
        owner_email: request.owner_email.as_deref().map(owner).transpose()?,
        scopes: ScopeSet::parse(&request.scopes)
            .map_err(|(at, error)| invalid(&format!("scopes[{at}]"), &error.to_string()))?,
        limits: rate_limits(request.rate_limits),
        allowlist: allowlist(&request.ip_allowlist.unwrap_or_default())?,
        metadata: Metadata::new(request.metadata.unwrap_or_default())
            .map_err(|error| invalid("metadata", &error.to_string()))?,
    })
}
