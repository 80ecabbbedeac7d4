//! `PUT` and `PATCH /users/me/tokens/{id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::json;
use keywright_api::patch::Patch;
use keywright_api::personal_token::PersonalToken;
use keywright_api::personal_token_request::{PatchPersonalToken, ReplacePersonalToken};
use keywright_api::problem::Problem;
use keywright_api::request::{Fields, FromFields};
use keywright_authority::Fault;
use keywright_authority::personal_tokens::{self, Update};
use keywright_core::Allowlist;

use super::{end, name, publishers, rights, shown};
use crate::http::answer::Refused;
use crate::http::bounds::{self, allowlist, limits_change, wish};
use crate::http::gate::{Anyone, Caller};
use crate::http::input::{JsonBytes, NoQuery, PathId, rules, without_unchanged};
use crate::http::{App, view};

/// Change one of the caller's own personal tokens (RFC 7396).
///
/// What widens it needs what making it would need, and is approved anew where a publisher asks for that.
#[utoipa::path(
    patch, path = "/users/me/tokens/{id}", tag = "personal tokens", operation_id = "update_personal_token",
    params(("id" = uuid::Uuid, Path, description = "The token"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body(content((PatchPersonalToken = "application/json"), (PatchPersonalToken = "application/merge-patch+json"))),
    responses((status = 200, description = "The token as it is now", body = PersonalToken),
        Refused),
)]
pub async fn update(
    State(app): State<App>,
    caller: Caller<Anyone>,
    _: NoQuery,
    PathId(id): PathId,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let wanted = merged(PatchPersonalToken::from_body(&body, &rules(&app))?)?;
    Ok(shown(&app, &personal_tokens::update(app.authority(), caller.call, id, wanted).await?))
}

/// Replace what may be set of one of the caller's own personal tokens.
///
/// What widens it needs what making it would need, and is approved anew where a publisher asks for that.
#[utoipa::path(
    put, path = "/users/me/tokens/{id}", tag = "personal tokens", operation_id = "replace_personal_token",
    params(("id" = uuid::Uuid, Path, description = "The token"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = ReplacePersonalToken,
    responses((status = 200, description = "The token as it is now", body = PersonalToken),
        Refused),
)]
pub async fn replace(
    State(app): State<App>,
    caller: Caller<Anyone>,
    _: NoQuery,
    PathId(id): PathId,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let (now, epochs) = personal_tokens::get(app.authority(), &caller.call, id).await?;
    // What was read before is told apart from what may not be set.
    if caller.call.if_version.as_ref().is_some_and(|expected| !expected.contains(&now.row.version)) {
        return Err(Fault::PreconditionFailed.into());
    }
    let shown_now = view::personal_token(&now, epochs, app.authority().now());
    let members = without_unchanged(
        json::parse_body(&body).map_err(Problem::from)?,
        &shown_now,
        &ReplacePersonalToken::READ_ONLY,
    );
    let request = ReplacePersonalToken::from_fields(Fields::of_body(members, &rules(&app)));
    let wanted = replaced(request.map_err(Problem::from)?)?;
    Ok(shown(&app, &personal_tokens::update(app.authority(), caller.call, id, wanted).await?))
}

fn merged(request: PatchPersonalToken) -> Result<Update, Problem> {
    Ok(Update {
        name: request.name.as_deref().map(name).transpose()?,
        rights: rights(request.scopes.as_deref(), request.inherit_user_permissions)?,
        publisher_ids: wish(request.publisher_ids.map(publishers)),
        expires_at: end(request.expires_at)?,
        rate_limits: limits_change(request.rate_limits).map(Some),
        ip_allowlist: match request.ip_allowlist {
            Patch::Absent => None,
            Patch::Null => Some(Allowlist::default()),
            Patch::Value(texts) => Some(allowlist(&texts)?),
        },
        is_active: request.is_active,
    })
}

/// What is left out is as by default.
fn replaced(request: ReplacePersonalToken) -> Result<Update, Problem> {
    Ok(Update {
        name: Some(name(&request.name)?),
        rights: rights(request.scopes.as_deref(), request.inherit_user_permissions)?,
        publisher_ids: Some(request.publisher_ids.value().map(publishers)),
        expires_at: end(request.expires_at)?,
        rate_limits: Some(Some(bounds::replaced(request.rate_limits))),
        ip_allowlist: Some(match request.ip_allowlist.value() {
            Some(texts) => allowlist(&texts)?,
            None => Allowlist::default(),
        }),
        is_active: Some(request.is_active.unwrap_or(true)),
    })
}
