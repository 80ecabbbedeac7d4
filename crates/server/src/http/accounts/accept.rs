//! `POST /auth/invitations/accept`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::account::AcceptInvitation;
use keywright_api::user::User;
use keywright_authority::accounts::{self, Accept};
use keywright_core::Name;

use crate::http::answer::{Refused, object};
use crate::http::guest::Guest;
use crate::http::input::{JsonBody, NoQuery, invalid};
use crate::http::{App, view};

/// Accept an invitation, by the link in it: the first password is set.
#[utoipa::path(
    post, path = "/auth/invitations/accept", tag = "accounts", operation_id = "accept_invitation", security(()),
    request_body = AcceptInvitation,
    responses((status = 200, description = "Accepted", body = User),
        Refused),
)]
pub async fn accept(
    State(app): State<App>,
    guest: Guest,
    _: NoQuery,
    JsonBody(request): JsonBody<AcceptInvitation>,
) -> Result<Response, Refused> {
    let name = request.display_name.as_deref().map(Name::parse).transpose();
    let wanted = Accept {
        token: request.token.expose().to_owned().into(),
        password: request.password.expose().to_owned().into(),
        display_name: name.map_err(|error| invalid("display_name", &error.to_string()))?,
    };
    let user = accounts::accept(app.authority(), guest.visitor(), wanted).await?;
    Ok(object(&view::user(&user), user.row.version))
}
