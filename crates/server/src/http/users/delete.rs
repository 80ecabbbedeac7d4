//! `DELETE /users/{id}`.

use axum::extract::State;
use http::StatusCode;
use keywright_api::service_token_request::RevokeQuery;
use keywright_authority::users;
use keywright_core::UserId;

use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, UsersAdmin};
use crate::http::input::{PathId, Query};

/// Delete a user: the person is erased, the id stays in what was recorded.
#[utoipa::path(
    delete, path = "/users/{id}", tag = "users", operation_id = "delete_user",
    params(("id" = uuid::Uuid, Path, description = "The user"), RevokeQuery,
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses((status = 204, description = "Deleted"),
        Refused),
)]
pub async fn delete(
    State(app): State<App>,
    caller: Caller<UsersAdmin>,
    Query(query): Query<RevokeQuery>,
    PathId(id): PathId<UserId>,
) -> Result<StatusCode, Refused> {
    users::delete(app.authority(), caller.call, id, query.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}
