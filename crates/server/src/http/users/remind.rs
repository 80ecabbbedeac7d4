//! `POST /users/{id}/invite`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::request::FromFields;
use keywright_api::user::{InviteAgain, InvitedUser};
use keywright_authority::users;
use keywright_core::UserId;

use super::link;
use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Caller, UsersAdmin};
use crate::http::input::{JsonBytes, NoQuery, PathId, rules};
use crate::http::{App, etag, view};

/// Send an invitation again; the link in the older one is void.
#[utoipa::path(
    post, path = "/users/{id}/invite", tag = "users", operation_id = "invite_user_again",
    params(("id" = uuid::Uuid, Path, description = "The user")),
    request_body = Option<InviteAgain>,
    responses((status = 200, description = "Invited again", body = InvitedUser),
        Refused),
)]
pub async fn remind(
    State(app): State<App>,
    caller: Caller<UsersAdmin>,
    _: NoQuery,
    PathId(id): PathId<UserId>,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let request = InviteAgain::from_body_or_empty(&body, &rules(&app))?;
    let show_link = request.show_link.unwrap_or(false);
    let (user, shown) = users::remind(app.authority(), caller.call, id, show_link).await?;
    let answer = InvitedUser { user: view::user(&user), invitation: shown.as_ref().map(link) };
    let mut response = json_no_store(StatusCode::OK, &answer);
    etag::put(&mut response, user.row.version);
    Ok(response)
}
