//! `DELETE /roles/{id}`.

use axum::extract::State;
use http::StatusCode;
use keywright_api::service_token_request::RevokeQuery;
use keywright_authority::roles;
use keywright_core::RoleId;

use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, UsersAdmin};
use crate::http::input::{PathId, Query};

/// Delete a role that nobody holds. Deleting it again changes nothing.
#[utoipa::path(
    delete, path = "/roles/{id}", tag = "roles", operation_id = "delete_role",
    params(("id" = uuid::Uuid, Path, description = "The role"), RevokeQuery,
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses((status = 204, description = "Deleted"),
        Refused),
)]
pub async fn delete(
    State(app): State<App>,
    caller: Caller<UsersAdmin>,
    Query(query): Query<RevokeQuery>,
    PathId(id): PathId<RoleId>,
) -> Result<StatusCode, Refused> {
    roles::delete(app.authority(), caller.call, id, query.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}
