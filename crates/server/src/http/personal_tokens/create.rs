//! `POST /users/me/tokens`.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use keywright_api::patch::Patch;
use keywright_api::personal_token::CreatedPersonalToken;
use keywright_api::personal_token_request::CreatePersonalToken;
use keywright_api::problem::Problem;
use keywright_api::request::FromFields;
use keywright_authority::personal_tokens::{self, Create, Rights};
use keywright_core::ScopeSet;

use super::{minted, name, publishers, rights};
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::bounds::{allowlist, rate_limits};
use crate::http::gate::{Caller, PersonalTokensWrite, idempotency};
use crate::http::input::{JsonBytes, NoQuery, rules};
use crate::http::tokens::create::expiry;

/// Create a personal token for oneself. Its secret is in this answer and in no other.
///
/// It never carries more than its owner may do in a publisher at the moment of a use. Only a user who calls in
/// person makes one: a personal token makes none.
#[utoipa::path(
    post, path = "/users/me/tokens", tag = "personal tokens", operation_id = "create_personal_token",
    params(("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = CreatePersonalToken,
    responses((status = 201, description = "Created", body = CreatedPersonalToken),
        Refused),
)]
pub async fn create(
    State(app): State<App>,
    mut caller: Caller<PersonalTokensWrite>,
    _: NoQuery,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    caller.call.idempotency = idempotency(&headers, "POST /users/me/tokens", &body)?;
    let wanted = wanted(CreatePersonalToken::from_body(&body, &rules(&app))?)?;
    let made = personal_tokens::create(app.authority(), caller.call, wanted).await?;
    Ok(minted(&app, StatusCode::CREATED, &made))
}

fn wanted(request: CreatePersonalToken) -> Result<Create, Problem> {
    let rights = rights(request.scopes.as_deref(), request.inherit_user_permissions)?;
    let expiry = expiry(request.expiry())?;
    let (inherit_user_permissions, scopes) = match rights {
        Some(Rights::Inherited) => (true, ScopeSet::default()),
        Some(Rights::Chosen(scopes)) => (false, scopes),
        None => (false, ScopeSet::default()),
    };
    let ip_allowlist = match request.ip_allowlist {
        Patch::Value(texts) => allowlist(&texts)?,
        Patch::Absent | Patch::Null => allowlist(&[])?,
    };
    Ok(Create {
        name: name(&request.name)?,
        scopes,
        inherit_user_permissions,
        publisher_ids: request.publisher_ids.value().map(publishers),
        rate_limits: rate_limits(request.rate_limits),
        ip_allowlist,
        expiry,
    })
}
