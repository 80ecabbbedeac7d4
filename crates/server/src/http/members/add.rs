//! `POST /publishers/{id}/members`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use keywright_api::member::{AddMember, Member};
use keywright_api::request::FromFields;
use keywright_authority::memberships::{self, Add};
use keywright_core::{PublisherId, RoleId, UserId};

use crate::http::answer::{Refused, created};
use crate::http::gate::{Caller, UsersAdmin, idempotency};
use crate::http::input::{JsonBytes, NoQuery, PathId, rules};
use crate::http::{App, view};

/// Add a user to a publisher. Who is not known within it is invited instead.
#[utoipa::path(
    post, path = "/publishers/{id}/members", tag = "publishers", operation_id = "add_member",
    params(("id" = uuid::Uuid, Path, description = "The publisher"),
        ("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours")),
    request_body = AddMember,
    responses((status = 201, description = "Added", body = Member),
        Refused),
)]
pub async fn add(
    State(app): State<App>,
    mut caller: Caller<UsersAdmin>,
    _: NoQuery,
    PathId(id): PathId<PublisherId>,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    caller.call.idempotency = idempotency(&headers, &format!("POST /publishers/{id}/members"), &body)?;
    let request = AddMember::from_body(&body, &rules(&app))?;
    let wanted = Add { user: UserId(request.user_id), role: RoleId(request.role_id) };
    let made = memberships::add(app.authority(), caller.call, id, wanted).await?;
    let row = &made.object;
    let path = format!("/publishers/{id}/members/{}", row.user_id);
    Ok(created(&view::member(row), row.version, &path, made.repeated))
}
