//! `/users/{id}/tokens`: what administrators see of the personal tokens of users.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::page::{Page, PageQuery};
use keywright_api::personal_token::{PersonalToken, PersonalTokensRevoked};
use keywright_api::personal_token_request::PersonalTokenQuery;
use keywright_api::publisher_request::ReasonGiven;
use keywright_api::request::FromFields;
use keywright_api::service_token_request::RevokeQuery;
use keywright_authority::personal_tokens;
use keywright_core::{CredentialId, UserId};

use super::list::{filter, listed};
use super::shown;
use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Caller, UsersAdmin, UsersRead};
use crate::http::input::{JsonBytes, NoQuery, PathId, PathIds, Query, rules};

/// The personal tokens of a user, newest first; within a publisher those that are for it.
#[utoipa::path(
    get, path = "/users/{id}/tokens", tag = "personal tokens", operation_id = "list_user_tokens",
    params(("id" = uuid::Uuid, Path, description = "The user"), PersonalTokenQuery, PageQuery),
    responses((status = 200, description = "A page of tokens", body = Page<PersonalToken>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<UsersRead>,
    Query(query): Query<PersonalTokenQuery>,
    PathId(id): PathId<UserId>,
) -> Result<Response, Refused> {
    let (now, limit) = (app.authority().now(), query.page.limit());
    let filter = filter(query, now)?;
    let found = personal_tokens::list_of_user(app.authority(), &caller.call, id, filter).await?;
    Ok(listed(found, limit, now))
}

/// A personal token of a user; within a publisher one that is for it.
#[utoipa::path(
    get, path = "/users/{id}/tokens/{token_id}", tag = "personal tokens", operation_id = "get_user_token",
    params(("id" = uuid::Uuid, Path, description = "The user"),
        ("token_id" = uuid::Uuid, Path, description = "The token")),
    responses((status = 200, description = "The token", body = PersonalToken),
        Refused),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller<UsersRead>,
    _: NoQuery,
    PathIds(user, id): PathIds<UserId, CredentialId>,
) -> Result<Response, Refused> {
    Ok(shown(&app, &personal_tokens::get_of_user(app.authority(), &caller.call, user, id).await?))
}

/// Revoke a personal token of a user; doing it again changes nothing. In force when the call returns.
///
/// Within a publisher a token that is for others too is taken out of that publisher, and lives on elsewhere.
#[utoipa::path(
    delete, path = "/users/{id}/tokens/{token_id}", tag = "personal tokens", operation_id = "revoke_user_token",
    params(("id" = uuid::Uuid, Path, description = "The user"),
        ("token_id" = uuid::Uuid, Path, description = "The token"), RevokeQuery,
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses((status = 204, description = "Revoked, or of no use in the publisher any more"),
        Refused),
)]
pub async fn revoke(
    State(app): State<App>,
    caller: Caller<UsersAdmin>,
    Query(query): Query<RevokeQuery>,
    PathIds(user, id): PathIds<UserId, CredentialId>,
) -> Result<StatusCode, Refused> {
    personal_tokens::revoke_of_user(app.authority(), caller.call, user, id, query.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Approve a personal token of a user, and what it is rotated to, within the publisher that the caller acts for.
#[utoipa::path(
    post, path = "/users/{id}/tokens/{token_id}/approve", tag = "personal tokens", operation_id = "approve_user_token",
    params(("id" = uuid::Uuid, Path, description = "The user"),
        ("token_id" = uuid::Uuid, Path, description = "The token"),
        ("X-Publisher-Id" = Option<uuid::Uuid>, Header, description = "The publisher, for callers who belong to none"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses((status = 200, description = "The token as it is now", body = PersonalToken),
        Refused),
)]
pub async fn approve(
    State(app): State<App>,
    caller: Caller<UsersAdmin>,
    _: NoQuery,
    PathIds(user, id): PathIds<UserId, CredentialId>,
) -> Result<Response, Refused> {
    Ok(shown(&app, &personal_tokens::approve_of_user(app.authority(), caller.call, user, id).await?))
}

/// Revoke all personal tokens of a user, at once; within a publisher, whatever they can be used for there.
#[utoipa::path(
    post, path = "/users/{id}/tokens/revoke-all", tag = "personal tokens", operation_id = "revoke_user_tokens",
    params(("id" = uuid::Uuid, Path, description = "The user")),
    request_body = Option<ReasonGiven>,
    responses((status = 200, description = "Revoked", body = PersonalTokensRevoked),
        Refused),
)]
pub async fn revoke_all(
    State(app): State<App>,
    caller: Caller<UsersAdmin>,
    _: NoQuery,
    PathId(user): PathId<UserId>,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let request = ReasonGiven::from_body_or_empty(&body, &rules(&app))?;
    let revoked =
        personal_tokens::revoke_all_of_user(app.authority(), caller.call, user, request.reason).await?;
    Ok(json_no_store(StatusCode::OK, &PersonalTokensRevoked { revoked }))
}
