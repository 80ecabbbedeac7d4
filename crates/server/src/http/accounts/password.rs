//! `POST /auth/password/…`.

use axum::extract::State;
use http::StatusCode;
use keywright_api::account::{AskForLink, ChangePassword, ConfirmPasswordReset};
use keywright_api::request::FromFields;
use keywright_authority::accounts;
use keywright_core::EmailAddress;

use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Anyone, Caller};
use crate::http::guest::Guest;
use crate::http::input::{JsonBytes, NoQuery, invalid, rules};

/// Change one's own password; one's other sessions end.
#[utoipa::path(
    post, path = "/auth/password/change", tag = "accounts", operation_id = "change_password",
    request_body = ChangePassword,
    responses((status = 204, description = "Changed"),
        (status = "4XX", description = "Refused", body = keywright_api::problem::Document, content_type = "application/problem+json"),
        (status = "5XX", description = "Not carried out, or its outcome is unknown", body = keywright_api::problem::Document, content_type = "application/problem+json")),
)]
pub async fn change(
    State(app): State<App>,
    caller: Caller<Anyone>,
    _: NoQuery,
    JsonBytes(body): JsonBytes,
) -> Result<StatusCode, Refused> {
    let request = ChangePassword::from_body(&body, &rules(&app))?;
    let (current, new) = (request.current_password.expose(), request.new_password.expose());
    accounts::change_password(app.authority(), caller.call, current, new).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask for a link to set a new password. Whether the address has an account is not told.
#[utoipa::path(
    post, path = "/auth/password/reset", tag = "accounts", operation_id = "ask_for_password_reset", security(()),
    request_body = AskForLink,
    responses((status = 202, description = "If the address has an account, a link was sent there"),
        (status = "4XX", description = "Refused", body = keywright_api::problem::Document, content_type = "application/problem+json"),
        (status = "5XX", description = "Not carried out, or its outcome is unknown", body = keywright_api::problem::Document, content_type = "application/problem+json")),
)]
pub async fn reset(
    State(app): State<App>,
    guest: Guest,
    _: NoQuery,
    JsonBytes(body): JsonBytes,
) -> Result<StatusCode, Refused> {
    let request = AskForLink::from_body(&body, &rules(&app))?;
    let email = EmailAddress::parse(&request.email).map_err(|error| invalid("email", &error.to_string()))?;
    accounts::request_reset(app.authority(), guest.visitor(), email)?;
    Ok(StatusCode::ACCEPTED)
}

/// Set a new password by a link; all sessions end.
#[utoipa::path(
    post, path = "/auth/password/reset/confirm", tag = "accounts", operation_id = "confirm_password_reset", security(()),
    request_body = ConfirmPasswordReset,
    responses((status = 204, description = "Set"),
        (status = "4XX", description = "Refused", body = keywright_api::problem::Document, content_type = "application/problem+json"),
        (status = "5XX", description = "Not carried out, or its outcome is unknown", body = keywright_api::problem::Document, content_type = "application/problem+json")),
)]
pub async fn confirm(
    State(app): State<App>,
    guest: Guest,
    _: NoQuery,
    JsonBytes(body): JsonBytes,
) -> Result<StatusCode, Refused> {
    let request = ConfirmPasswordReset::from_body(&body, &rules(&app))?;
    let (token, new) = (request.token.expose(), request.new_password.expose());
    accounts::confirm_reset(app.authority(), guest.visitor(), token, new).await?;
    Ok(StatusCode::NO_CONTENT)
}
