//! `DELETE /publishers/{id}`.

use axum::extract::State;
use http::StatusCode;
use keywright_api::service_token_request::RevokeQuery;
use keywright_authority::publishers;
use keywright_core::PublisherId;

use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Caller, PublishersManage};
use crate::http::input::{PathId, Query};

/// Delete a publisher: its members lose it at once, its name is free. Deleting it again changes nothing.
#[utoipa::path(
    delete, path = "/publishers/{id}", tag = "publishers", operation_id = "delete_publisher",
    params(("id" = uuid::Uuid, Path, description = "The publisher"), RevokeQuery,
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    responses((status = 204, description = "Deleted"),
        Refused),
)]
pub async fn delete(
    State(app): State<App>,
    caller: Caller<PublishersManage>,
    Query(query): Query<RevokeQuery>,
    PathId(id): PathId<PublisherId>,
) -> Result<StatusCode, Refused> {
    publishers::delete(app.authority(), caller.call, id, query.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}
