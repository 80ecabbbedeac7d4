//! `POST /auth/tokens`.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use keywright_api::problem::Problem;
use keywright_api::request::FromFields;
use keywright_api::service_token::CreatedServiceToken;
use keywright_api::service_token_request::{CreateServiceToken, Expiry as WireExpiry};
use keywright_authority::service_tokens::{self, Create, Expiry, Holder};
use keywright_core::{CredentialName, Metadata, ScopeSet, ServiceAccountId};

use super::minted;
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::bounds::{allowlist, rate_limits};
use crate::http::gate::{Caller, TokensAdmin, idempotency};
use crate::http::input::{JsonBytes, NoQuery, invalid, rules};

/// Create a service token. Its secret is in this answer and in no other.
#[utoipa::path(
    post, path = "/auth/tokens", tag = "service tokens", operation_id = "create_service_token",
    params(("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = CreateServiceToken,
    responses((status = 201, description = "Created", body = CreatedServiceToken),
        Refused),
)]
pub async fn create(
    State(app): State<App>,
    mut caller: Caller<TokensAdmin>,
    _: NoQuery,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    caller.call.idempotency = idempotency(&headers, "POST /auth/tokens", &body)?;
    let request = CreateServiceToken::from_body(&body, &rules(&app))?;
    let account = request.service_account_id.map(ServiceAccountId);
    let wanted = wanted(&request, account.map_or(Holder::Nobody, Holder::Named))?;
    let made = service_tokens::create(app.authority(), caller.call, wanted).await?;
    Ok(minted(&app, StatusCode::CREATED, &made, "/auth/tokens"))
}

/// The token that is asked for.
pub fn wanted(request: &CreateServiceToken, holder: Holder) -> Result<Create, Problem> {
    let permissions = request.permissions.as_ref().map(ScopeSet::parse).transpose();
    Ok(Create {
        holder,
        token_name: CredentialName::parse(&request.token_name)
            .map_err(|error| invalid("token_name", &error.to_string()))?,
        permissions: permissions
            .map_err(|(at, error)| invalid(&format!("permissions[{at}]"), &error.to_string()))?,
        limits: rate_limits(request.rate_limits),
        allowlist: allowlist(request.ip_allowlist.as_deref().unwrap_or_default())?,
        metadata: Metadata::new(request.metadata.clone().unwrap_or_default())
            .map_err(|error| invalid("metadata", &error.to_string()))?,
        expiry: expiry(request.expiry())?,
    })
}

/// The end of a life, as it is asked for.
pub fn expiry(wanted: WireExpiry<'_>) -> Result<Expiry, Problem> {
    Ok(match wanted {
        WireExpiry::Default => Expiry::Default,
        WireExpiry::Never => Expiry::Never,
        WireExpiry::InDays(days) => Expiry::InDays(days),
        WireExpiry::At(time) => {
            Expiry::At(time.parse().map_err(|error: keywright_core::time::TimestampError| {
                invalid("expires_at", &error.to_string())
            })?)
        }
    })
}
