//! `/auth/tokens`: service tokens.

pub mod blast_radius;
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
use keywright_core::{Epochs, PlainToken};
use keywright_store::service_tokens::ServiceTokenRow;

use super::answer::{json_no_store, object};
use super::{App, etag, view};

/// A token as it was when it was made, also when the answer is repeated, with its secret.
pub(super) fn as_made(app: &App, row: &ServiceTokenRow, secret: Option<&PlainToken>) -> CreatedServiceToken {
    let epochs = Epochs { service: row.epoch, ..Epochs::default() };
    CreatedServiceToken {
        token: secret.map(|secret| Secret::new(secret.reveal())),
        object: view::service_token(row, epochs, app.authority().now()),
    }
}

/// A token at its version.
pub(super) fn shown(app: &App, row: &ServiceTokenRow, epochs: Epochs) -> Response {
    object(&view::service_token(row, epochs, app.authority().now()), row.version)
}

/// The answer that shows a secret, once; `collection` is the path that tokens are made at.
pub(super) fn minted(app: &App, status: StatusCode, minted: &Minted, collection: &str) -> Response {
    let body = as_made(app, &minted.token, minted.secret.as_ref());
    let mut response = json_no_store(status, &body);
    etag::put(&mut response, minted.token.version);
    let location = format!("{}{collection}/{}", super::BASE, minted.token.id);
    if let (StatusCode::CREATED, Ok(value)) = (status, HeaderValue::from_str(&location)) {
        response.headers_mut().insert(LOCATION, value);
    }
    if minted.repeated {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}
