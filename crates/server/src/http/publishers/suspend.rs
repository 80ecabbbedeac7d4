//! `POST /publishers/{id}/suspend` and `POST /publishers/{id}/resume`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::publisher::Publisher;
use keywright_api::publisher_request::ReasonGiven;
use keywright_authority::publishers;
use keywright_core::PublisherId;

use crate::http::answer::{Refused, object};
use crate::http::gate::{Caller, PublishersManage};
use crate::http::input::{JsonBodyOrNone, NoQuery, PathId};
use crate::http::{App, view};

/// Suspend a publisher: nobody acts for it until it is resumed. In force when the call returns.
#[utoipa::path(
    post, path = "/publishers/{id}/suspend", tag = "publishers", operation_id = "suspend_publisher",
    params(("id" = uuid::Uuid, Path, description = "The publisher"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = Option<ReasonGiven>,
    responses((status = 200, description = "The publisher as it is now", body = Publisher),
        Refused),
)]
pub async fn suspend(
    State(app): State<App>,
    caller: Caller<PublishersManage>,
    _: NoQuery,
    PathId(id): PathId<PublisherId>,
    JsonBodyOrNone(request): JsonBodyOrNone<ReasonGiven>,
) -> Result<Response, Refused> {
    let row = publishers::suspend(app.authority(), caller.call, id, request.reason).await?;
    Ok(object(&view::publisher(&row), row.version))
}

/// Resume a suspended publisher: what was valid before is valid again.
#[utoipa::path(
    post, path = "/publishers/{id}/resume", tag = "publishers", operation_id = "resume_publisher",
    params(("id" = uuid::Uuid, Path, description = "The publisher"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body = Option<ReasonGiven>,
    responses((status = 200, description = "The publisher as it is now", body = Publisher),
        Refused),
)]
pub async fn resume(
    State(app): State<App>,
    caller: Caller<PublishersManage>,
    _: NoQuery,
    PathId(id): PathId<PublisherId>,
    JsonBodyOrNone(request): JsonBodyOrNone<ReasonGiven>,
) -> Result<Response, Refused> {
    let row = publishers::resume(app.authority(), caller.call, id, request.reason).await?;
    Ok(object(&view::publisher(&row), row.version))
}
