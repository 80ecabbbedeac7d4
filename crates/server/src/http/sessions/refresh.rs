//! `POST /auth/refresh`.

use axum::extract::State;
use axum::response::Response;
use keywright_api::session::{LoggedIn, Refresh};
use keywright_authority::sessions;
use keywright_verify::EventKind;
use zeroize::Zeroizing;

use super::logged_in;
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::guest::Guest;
use crate::http::input::{JsonBody, NoQuery};

/// Use a refresh token: it gives an access token and the refresh token that follows it.
///
/// Each is used once. The one used last, sent again within ten seconds, gives the same successor; any other
/// that was used before ends the session.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "sessions", operation_id = "refresh_session", security(()),
    request_body = Refresh,
    responses((status = 200, description = "Refreshed", body = LoggedIn),
        Refused),
)]
pub async fn refresh(
    State(app): State<App>,
    guest: Guest,
    _: NoQuery,
    JsonBody(request): JsonBody<Refresh>,
) -> Result<Response, Refused> {
    let presented = Zeroizing::new(request.refresh_token.expose().to_owned());
    let attempt = sessions::refresh(app.authority(), guest.visitor(), presented).await;
    let tokens = guest.record(&app, EventKind::Refresh, attempt).await?;
    Ok(logged_in(&tokens))
}
