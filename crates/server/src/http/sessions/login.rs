//! `POST /auth/login`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::session::{LogIn, LoggedIn};
use keywright_authority::sessions::{self, Login};
use keywright_core::{PlainPassword, PublisherId};
use keywright_verify::EventKind;

use super::logged_in;
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::guest::Guest;
use crate::http::input::{JsonBody, NoQuery};

/// Log in with an address and a password.
///
/// Whether there is such an account is not told: a wrong address and a wrong password are answered alike.
#[utoipa::path(
    post, path = "/auth/login", tag = "sessions", operation_id = "log_in", security(()),
    request_body = LogIn,
    responses((status = 200, description = "Logged in", body = LoggedIn),
        Refused),
)]
pub async fn login(
    State(app): State<App>,
    guest: Guest,
    _: NoQuery,
    JsonBody(request): JsonBody<LogIn>,
) -> Result<Response, Refused> {
    let wanted = Login {
        email: request.email,
        password: PlainPassword::presented(request.password.expose()),
        publisher: request.publisher_id.map(PublisherId),
    };
    let attempt = sessions::login(app.authority(), guest.visitor(), wanted).await;
    let tokens = guest.record(&app, EventKind::Login, attempt).await?;
    Ok(logged_in(&tokens))
}
