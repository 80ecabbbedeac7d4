//! `POST /auth/switch-publisher`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::request::FromFields;
use keywright_api::secret::Secret;
use keywright_api::session::{AccessTokenType, SwitchPublisher, Switched};
use keywright_authority::sessions;
use keywright_core::PublisherId;

use super::{seconds_until, user};
use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Anyone, Caller};
use crate::http::input::{JsonBytes, NoQuery, rules};

/// Act for another of the user's publishers, in the same session.
///
/// What was given before stays good until its end; refreshes give access tokens for the new one.
#[utoipa::path(
    post, path = "/auth/switch-publisher", tag = "sessions", operation_id = "switch_publisher",
    request_body = SwitchPublisher,
    responses((status = 200, description = "An access token for it", body = Switched),
        Refused),
)]
pub async fn switch(
    State(app): State<App>,
    caller: Caller<Anyone>,
    _: NoQuery,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Refused> {
    let request = SwitchPublisher::from_body(&body, &rules(&app))?;
    let publisher = request.publisher_id.map(PublisherId);
    let tokens = sessions::switch(app.authority(), caller.call, publisher).await?;
    let body = Switched {
        access_token: Secret::new(tokens.access_token.reveal()),
        token_type: AccessTokenType::Bearer,
        expires_in: seconds_until(tokens.now, tokens.access_token.expires_at),
        session_id: tokens.session.id.0,
        user: user(&tokens.user),
        publisher_id: tokens.session.publisher_id.map(|id| id.0),
    };
    Ok(json_no_store(StatusCode::OK, &body))
}
