//! `POST /auth/email/…`.

use axum::extract::State;
use http::StatusCode;
use keywright_api::account::{AskForLink, ChangeEmail, UseLink};
use keywright_authority::accounts;

use crate::http::App;
use crate::http::answer::Refused;
use crate::http::gate::{Anyone, Caller};
use crate::http::guest::Guest;
use crate::http::input::{JsonBody, NoQuery, email_address};

/// Confirm an address by a link.
#[utoipa::path(
    post, path = "/auth/email/verify", tag = "accounts", operation_id = "verify_email", security(()),
    request_body = UseLink,
    responses((status = 204, description = "Confirmed"),
        Refused),
)]
pub async fn verify(
    State(app): State<App>,
    guest: Guest,
    _: NoQuery,
    JsonBody(request): JsonBody<UseLink>,
) -> Result<StatusCode, Refused> {
    accounts::verify_email(app.authority(), guest.visitor(), request.token.expose()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask for a link to confirm an address. Whether it has an account is not told.
#[utoipa::path(
    post, path = "/auth/email/verify/resend", tag = "accounts", operation_id = "ask_for_email_verification", security(()),
    request_body = AskForLink,
    responses((status = 202, description = "If the address has an account and is not confirmed, a link was sent there"),
        Refused),
)]
pub async fn resend(
    State(app): State<App>,
    guest: Guest,
    _: NoQuery,
    JsonBody(request): JsonBody<AskForLink>,
) -> Result<StatusCode, Refused> {
    let email = email_address("email", &request.email)?;
    accounts::request_verification(app.authority(), guest.visitor(), email)?;
    Ok(StatusCode::ACCEPTED)
}

/// Ask to change one's own address, with the password once more. The new one is sent a link, the old one a
/// notice.
#[utoipa::path(
    post, path = "/auth/email/change", tag = "accounts", operation_id = "ask_for_email_change",
    request_body = ChangeEmail,
    responses((status = 202, description = "If nobody else has the address, a link was sent there"),
        Refused),
)]
pub async fn change(
    State(app): State<App>,
    caller: Caller<Anyone>,
    _: NoQuery,
    JsonBody(request): JsonBody<ChangeEmail>,
) -> Result<StatusCode, Refused> {
    let email = email_address("new_email", &request.new_email)?;
    accounts::request_email_change(app.authority(), caller.call, email, request.password.expose()).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Make the new address the account's, by the link that went there; all sessions end.
#[utoipa::path(
    post, path = "/auth/email/change/confirm", tag = "accounts", operation_id = "confirm_email_change", security(()),
    request_body = UseLink,
    responses((status = 204, description = "Changed"),
        Refused),
)]
pub async fn confirm(
    State(app): State<App>,
    guest: Guest,
    _: NoQuery,
    JsonBody(request): JsonBody<UseLink>,
) -> Result<StatusCode, Refused> {
    accounts::confirm_email_change(app.authority(), guest.visitor(), request.token.expose()).await?;
    Ok(StatusCode::NO_CONTENT)
}
