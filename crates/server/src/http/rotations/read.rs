//! `GET /rotations` and `/rotations/{id}`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::page::{Page, PageQuery};
use keywright_api::rotation::{Rotation, RotationDetails};
use keywright_api::rotation_request::RotationQuery;
use keywright_authority::rotations;
use keywright_core::{CredentialId, PublisherId, RotationId};
use keywright_store::rotations::ListFilter;

use super::rotation;
use crate::http::answer::{Refused, json_no_store};
use crate::http::cursor::{Cursor, page};
use crate::http::gate::{Caller, MonitoringRead};
use crate::http::input::{NoQuery, PathId, Query};
use crate::http::{App, view};

/// Automated rotations, newest first; within a publisher those of its tokens.
#[utoipa::path(
    get, path = "/rotations", tag = "rotation", operation_id = "list_rotations",
    params(RotationQuery, PageQuery),
    responses((status = 200, description = "A page of rotations", body = Page<Rotation>),
        Refused),
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller<MonitoringRead>,
    Query(query): Query<RotationQuery>,
) -> Result<Response, Refused> {
    let limit = query.page.limit();
    let after = Cursor::after(&query.page)?;
    let filter = ListFilter {
        within: query.publisher_id.map(PublisherId),
        state: query.state.map(view::stored_rotation_state),
        credential: query.credential_id.map(CredentialId),
        after: after.map(|cursor| (cursor.at, RotationId(cursor.id))),
        limit: limit + 1,
    };
    let found = rotations::list(app.authority(), &caller.call, filter).await?;
    let page = page(found, limit, |row| (row.created_at, row.id.0), view::rotation_row);
    Ok(json_no_store(StatusCode::OK, &page))
}

/// One automated rotation: its steps, what the receiver answered, and who still presents the old secret.
#[utoipa::path(
    get, path = "/rotations/{id}", tag = "rotation", operation_id = "get_rotation",
    params(("id" = uuid::Uuid, Path, description = "The rotation")),
    responses((status = 200, description = "The rotation", body = RotationDetails),
        Refused),
)]
pub async fn get(
    State(app): State<App>,
    caller: Caller<MonitoringRead>,
    _: NoQuery,
    PathId(id): PathId<RotationId>,
) -> Result<Response, Refused> {
    Ok(rotation(&rotations::get(app.authority(), &caller.call, id).await?))
}
