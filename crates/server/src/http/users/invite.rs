//! `POST /users`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use keywright_api::problem::Problem;
use keywright_api::request::FromFields;
use keywright_api::user::{InviteUser, InvitedUser, PlatformRole};
use keywright_authority::users::{self, Invite, RoleRef};
use keywright_core::{BuiltInRole, Name, PublisherId};

use super::link;
use crate::http::answer::{Refused, created};
use crate::http::gate::{Caller, UsersAdmin, idempotency};
use crate::http::input::{JsonBytes, NoQuery, email_address, invalid, rules};
use crate::http::{App, view};

/// Invite somebody, to a publisher or to the platform.
///
/// An address that has an account already is given a membership more. Its owner is told by mail; the answer is
/// that of a new address.
#[utoipa::path(
    post, path = "/users", tag = "users", operation_id = "invite_user",
    params(("Idempotency-Key" = Option<String>, Header, description = "16 to 128 visible ASCII characters; repeats give the first answer again for 24 hours"),
        ("X-Publisher-Id" = Option<uuid::Uuid>, Header, description = "The publisher that a caller of the platform acts for")),
    request_body = InviteUser,
    responses((status = 201, description = "Invited", body = InvitedUser),
        Refused),
)]
pub async fn invite(
    State(app): State<App>,
    mut caller: Caller<UsersAdmin>,
    _: NoQuery,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let within = caller.call.within().map(|id| id.to_string()).unwrap_or_default();
    caller.call.idempotency = idempotency(&headers, &format!("POST /users {within}"), &body)?;
    let wanted = wanted(&InviteUser::from_body(&body, &rules(&app))?)?;
    let invited = users::invite(app.authority(), caller.call, wanted).await?;
    let answer = InvitedUser { user: view::user(&invited.user), invitation: invited.link.as_ref().map(link) };
    let row = &invited.user.row;
    Ok(created(&answer, row.version, &format!("/users/{}", row.id), invited.repeated))
}

fn wanted(request: &InviteUser) -> Result<Invite, Problem> {
    let name = request.display_name.as_deref().map(Name::parse).transpose();
    Ok(Invite {
        email: email_address("email", &request.email)?,
        display_name: name.map_err(|error| invalid("display_name", &error.to_string()))?,
        locale: request.locale.map(view::spoken),
        publisher: request.publisher_id.map(PublisherId),
        role: request.role.as_deref().map(|role| match role.parse() {
            Ok(id) => RoleRef::Id(id),
            Err(_) => RoleRef::Name(role.to_owned()),
        }),
        platform_role: request.platform_role.map(|role| match role {
            PlatformRole::PlatformAdmin => BuiltInRole::PlatformAdmin,
        }),
        password: request.password.as_ref().map(|password| password.expose().to_owned().into()),
        show_link: request.show_link.unwrap_or(false),
    })
}
