//! The outermost layer of the router: the request's id, its limits in time, and problems written out.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use keywright_api::problem::Problem;
use keywright_api::problem_code::Refusal;
use keywright_verify::clock::boot_micros;
use tracing::{Instrument, info, info_span};

use super::App;
use super::answer::{Refused, problem_body, problem_headers};
use super::client::{self, REQUEST_ID};

/// What is known of a request before anybody looks at it.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// Its id.
    pub request_id: String,
    /// The client.
    pub ip_address: Option<std::net::IpAddr>,
    /// When it arrived, on the boot-time clock.
    pub at: i64,
}

/// Wraps every request.
pub async fn layer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let request_id = client::request_id(headers).map_or_else(|| app.new_request_id(), str::to_owned);
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let ip_address = client::client_address(peer, headers, &app.settings().trusted_proxies);
    let arrived =
        Arrived { request_id: request_id.clone(), ip_address, at: app.authority().clock().boot_micros() };
    request.extensions_mut().insert(arrived);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let began = boot_micros();
    let span = info_span!("request", %request_id);
    let answering =
        tokio::time::timeout(app.settings().request_timeout, next.run(request)).instrument(span.clone());
    let response = answering.await.unwrap_or_else(|_| {
        let detail = "The request took too long. A change that it asked for may still be carried out.";
        Refused::from(Problem::new(Refusal::Unavailable, detail)).into_response()
    });
    let response = finish(response, &request_id);
    let micros = boot_micros() - began;
    span.in_scope(|| info!(%method, path, status = response.status().as_u16(), micros, "answered"));
    response
}

/// Writes a problem out and puts the request's id on the answer.
pub fn finish(mut response: Response, request_id: &str) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        for (name, value) in problem_headers(&problem) {
            response.headers_mut().insert(name, value);
        }
        *response.body_mut() = Body::from(problem_body(problem, request_id));
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}
