//! `/auth/tokens`: service tokens.

pub mod cleanup;
pub mod create;
pub mod get;
pub mod limit_state;
pub mod list;
pub mod locations;
pub mod revoke;
pub mod rotate;
pub mod security_events;
pub mod update;

use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use keywright_api::secret::Secret;
use keywright_api::service_token::CreatedServiceToken;
use keywright_authority::idempotency::Minted;
use keywright_core::Epochs;

use super::answer::json_no_store;
use super::{App, etag, view};

/// The answer that shows a secret, once.
fn minted(app: &App, status: StatusCode, minted: &Minted) -> Response {
    // It is shown as it was when it was made, also when the answer is repeated.
    let epochs = Epochs { service: minted.token.epoch, ..Epochs::default() };
    let body = CreatedServiceToken {
        token: minted.secret.as_ref().map(|secret| Secret::new(secret.reveal())),
        object: view::service_token(&minted.token, epochs, app.authority().now()),
    };
    let mut response = json_no_store(status, &body);
    etag::put(&mut response, minted.token.version);
    let location = format!("{}/auth/tokens/{}", super::BASE, minted.token.id);
    if let (StatusCode::CREATED, Ok(value)) = (status, HeaderValue::from_str(&location)) {
        response.headers_mut().insert(LOCATION, value);
    }
    if minted.repeated {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}
