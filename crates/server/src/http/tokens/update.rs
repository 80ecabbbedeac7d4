//! `PATCH /auth/tokens/{id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::patch::Patch;
use keywright_api::problem::Problem;
use keywright_api::request::FromFields;
use keywright_api::service_token::ServiceToken;
use keywright_api::service_token_request::PatchServiceToken;
use keywright_authority::service_tokens::{self, MetadataChange, Update};
use keywright_core::{CredentialName, ScopeSet, Timestamp};

use super::shown;
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::bounds::{allowlist, limits_change, wish};
use crate::http::gate::{Caller, TokensAdmin};
use crate::http::input::{JsonBytes, NoQuery, PathId, invalid, rules};

/// Change a service token (RFC 7396).
#[utoipa::path(
    patch, path = "/auth/tokens/{id}", tag = "service tokens", operation_id = "update_service_token",
    params(("id" = uuid::Uuid, Path, description = "The token"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body(content((PatchServiceToken = "application/json"), (PatchServiceToken = "application/merge-patch+json"))),
    responses((status = 200, description = "The token as it is now", body = ServiceToken),
        Refused),
)]
pub async fn update(
    State(app): State<App>,
    caller: Caller<TokensAdmin>,
    _: NoQuery,
    PathId(id): PathId,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let wanted = wanted(PatchServiceToken::from_body(&body, &rules(&app))?)?;
    let (row, epochs) = service_tokens::update(app.authority(), caller.call, id, wanted).await?;
    Ok(shown(&app, &row, epochs))
}

/// The change that is asked for.
pub fn wanted(request: PatchServiceToken) -> Result<Update, Problem> {
    let name = request.token_name.as_deref().map(CredentialName::parse).transpose();
    let permissions = request.permissions.or(request.scopes).map(ScopeSet::parse).transpose();
    Ok(Update {
        token_name: name.map_err(|error| invalid("token_name", &error.to_string()))?,
        is_active: request.is_active,
        metadata: match request.metadata {
            Patch::Absent => None,
            Patch::Null => Some(MetadataChange::Clear),
            Patch::Value(patch) => Some(MetadataChange::Merge(patch)),
        },
        expires_at: match request.expires_at {
            Patch::Absent => None,
            Patch::Null => Some(None),
            Patch::Value(time) => Some(Some(
                time.parse::<Timestamp>().map_err(|error| invalid("expires_at", &error.to_string()))?,
            )),
        },
        permissions: permissions
            .map_err(|(at, error)| invalid(&format!("permissions[{at}]"), &error.to_string()))?,
        limits: limits_change(request.rate_limits),
        allowlist: wish(request.ip_allowlist)
            .map(|networks| allowlist(&networks.unwrap_or_default()))
            .transpose()?,
    })
}
