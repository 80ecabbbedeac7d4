//! `GET /publishers/{id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::publisher::Publisher;
use keywright_authority::publishers;
use keywright_core::PublisherId;

use crate::http::answer::{Refused, object};
use crate::http::gate::{Caller, PublishersAdmin};
use crate::http::input::{NoQuery, PathId};
use crate::http::{App, view};

/// One publisher.
#[utoipa::path(
    get, path = "/publishers/{id}", tag = "publishers", operation_id = "get_publisher",
    params(("id" = uuid::Uuid, Path, description = "The publisher")),
    responses((status = 200, description = "The publisher", body = Publisher),
        Refused),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller<PublishersAdmin>,
    _: NoQuery,
    PathId(id): PathId<PublisherId>,
) -> Result<Response, Refused> {
    let row = publishers::get(app.authority(), &caller.call, id).await?;
    Ok(object(&view::publisher(&row), row.version))
}
