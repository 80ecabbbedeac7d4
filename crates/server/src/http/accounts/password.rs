//! `POST /auth/password/…`.

use axum::extract::State;
use http::StatusCode;
use keywright_api::account::{AskForLink, ChangePassword, ConfirmPasswordReset};
use keywright_authority::accounts;

use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Anyone, Caller};
use crate::http::guest::Guest;
use crate::http::input::{JsonBody, NoQuery, email_address};

/// Change one's own password; one's other sessions end.
#[utoipa::path(
    post, path = "/auth/password/change", tag = "accounts", operation_id = "change_password",
    request_body = ChangePassword,
    responses((status = 204, description = "Changed"),
        Refused),
)]
pub async fn change(
    State(app): State<App>,
    caller: Caller<Anyone>,
    _: NoQuery,
    JsonBody(request): JsonBody<ChangePassword>,
) -> Result<StatusCode, Refused> {
    let (current, new) = (request.current_password.expose(), request.new_password.expose());
    accounts::change_password(app.authority(), caller.call, current, new).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask for a link to set a new password. Whether the address has an account is not told.
#[utoipa::path(
    post, path = "/auth/password/reset", tag = "accounts", operation_id = "ask_for_password_reset", security(()),
    request_body = AskForLink,
    responses((status = 202, description = "If the address has an account, a link was sent there"),
        Refused),
)]
pub async fn reset(
    State(app): State<App>,
    guest: Guest,
    _: NoQuery,
    JsonBody(request): JsonBody<AskForLink>,
) -> Result<StatusCode, Refused> {
    let email = email_address("email", &request.email)?;
    accounts::request_reset(app.authority(), guest.visitor(), email)?;
    Ok(StatusCode::ACCEPTED)
}

/// Set a new password by a link; all sessions end.
#[utoipa::path(
    post, path = "/auth/password/reset/confirm", tag = "accounts", operation_id = "confirm_password_reset", security(()),
    request_body = ConfirmPasswordReset,
    responses((status = 204, description = "Set"),
        Refused),
)]
pub async fn confirm(
    State(app): State<App>,
    guest: Guest,
    _: NoQuery,
    JsonBody(request): JsonBody<ConfirmPasswordReset>,
) -> Result<StatusCode, Refused> {
    let (token, new) = (request.token.expose(), request.new_password.expose());
    accounts::confirm_reset(app.authority(), guest.visitor(), token, new).await?;
    Ok(StatusCode::NO_CONTENT)
}
