//! `PATCH /publishers/{id}/members/{user_id}`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::member::{Member, PatchMember};
use keywright_authority::memberships;
use keywright_core::{PublisherId, RoleId, UserId};

use crate::http::answer::{Refused, object};
use crate::http::gate::{Caller, UsersAdmin};
use crate::http::input::{JsonBody, NoQuery, PathIds};
use crate::http::{App, view};

/// Change a membership (RFC 7396): give the member another role, in force when the call returns.
#[utoipa::path(
    patch, path = "/publishers/{id}/members/{user_id}", tag = "publishers", operation_id = "update_member",
    params(("id" = uuid::Uuid, Path, description = "The publisher"),
        ("user_id" = uuid::Uuid, Path, description = "The user"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version to change")),
    request_body(content((PatchMember = "application/json"), (PatchMember = "application/merge-patch+json"))),
    responses((status = 200, description = "The member as it is now", body = Member),
        Refused),
)]
pub async fn update(
    State(app): State<App>,
    caller: Caller<UsersAdmin>,
    _: NoQuery,
    PathIds(publisher, user): PathIds<PublisherId, UserId>,
    JsonBody(request): JsonBody<PatchMember>,
) -> Result<Response, Refused> {
    let role = request.role_id.map(RoleId);
    let row = memberships::update(app.authority(), caller.call, publisher, user, role).await?;
    Ok(object(&view::member(&row), row.version))
}
