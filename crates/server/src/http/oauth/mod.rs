//! The doors in OAuth's form, outside the base path: forms in, errors by RFC 6749 §5.2 out, and behind them the very
//! decisions and use cases that the API has. No page of another origin is let in: there is no CORS.

mod client;
pub mod form;
pub mod introspect;
pub mod metadata;
mod refusal;
pub mod revoke;
pub mod said;
pub mod token;

use std::sync::OnceLock;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use keywright_verify::Taken;

use self::form::Parameters;
use self::refusal::{Refusal, Way};
use super::auth::verification::Verification;
use super::auth::verify::{Asked, asked};
use super::input::{MAX_BODY, is_form, read_body};
use super::outer::Arrived;
use super::{App, limits};

/// A request, read and not judged.
struct Posted {
    parts: Parts,
    arrived: Arrived,
    parameters: Parameters,
}

impl Posted {
    async fn read(request: Request) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let arrived = parts.extensions.get::<Arrived>().cloned();
        let arrived = arrived.ok_or_else(|| Refusal::ours("The request came past the outer layer."))?;
        let body = read_body(body, MAX_BODY).await.map_err(|refused| Refusal::of(&refused.0, Way::Client))?;
        if !is_form(parts.headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes)) {
            return Err(Refusal::bad_request("Send a form: Content-Type application/x-www-form-urlencoded."));
        }
        let parameters = Parameters::read(&body)
            .map_err(|_| Refusal::bad_request("A parameter stands there more than once."))?;
        Ok(Self { parts, arrived, parameters })
    }

    /// Who asks.
    fn asked<'a>(&'a self, app: &'a App, path: &'a str) -> Asked<'a> {
        asked(app, &self.parts, &self.arrived, path)
    }
}

/// What decides, at this moment.
fn verification<'a>(app: &'a App, asked: &'a Asked<'a>) -> Verification<'a> {
    Verification { app, writer: app.writer(), asked, now: app.authority().clock().boot_micros() }
}

/// The answer, with what is left of the caller's budgets.
fn told(answered: Result<Response, Refusal>, taken: OnceLock<Taken>) -> Response {
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    if let Some(taken) = taken.into_inner() {
        limits::put(response.headers_mut(), &taken);
    }
    response
}
