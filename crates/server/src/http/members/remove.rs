//! `DELETE /publishers/{id}/members/{user_id}`.

use axum::extract::State;
use http::StatusCode;
use keywright_api::service_token_request::RevokeQuery;
use keywright_authority::memberships;
use keywright_core::{PublisherId, UserId};

use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, UsersAdmin};
use crate::http::input::{PathIds, Query};

/// Remove a member from a publisher, which the user loses at once. Who is no member stays none.
#[utoipa::path(
    delete, path = "/publishers/{id}/members/{user_id}", tag = "publishers", operation_id = "remove_member",
    params(("id" = uuid::Uuid, Path, description = "The publisher"),
        ("user_id" = uuid::Uuid, Path, description = "The user"), RevokeQuery,
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses((status = 204, description = "Removed"),
        Refused),
)]
pub async fn remove(
    State(app): State<App>,
    caller: Caller<UsersAdmin>,
    Query(query): Query<RevokeQuery>,
    PathIds(publisher, user): PathIds<PublisherId, UserId>,
) -> Result<StatusCode, Refused> {
    memberships::remove(app.authority(), caller.call, publisher, user, query.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}
