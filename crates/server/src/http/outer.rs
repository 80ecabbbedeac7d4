//! The outermost layer of the router: the request's id, its limits in time, and problems written out.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method};
use keywright_api::problem::Problem;
use keywright_api::problem_code::Refusal;
use keywright_core::{Bearing, PrincipalKind};
use keywright_verify::clock::boot_micros;
use keywright_verify::{EventKind, RecordRef, Taken};
use tracing::{Instrument, debug, info, info_span};

use super::App;
use super::answer::{LateDenial, Refused, problem_body, problem_headers};
use super::auth::{forward, verify};
use super::client::{self, REQUEST_ID, user_agent};
use super::gate::unrecorded;
use super::limits;
use super::metrics;
use super::shown::shown;
use crate::metrics::Requests;
use crate::telemetry::trace;

/// What is known of a request before anybody looks at it.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// Its id.
    pub request_id: String,
    /// The client.
    pub ip_address: Option<std::net::IpAddr>,
    /// The whole path, the base path included; no further than where a secret stands in it.
    pub path: String,
    /// When it arrived, on the boot-time clock.
    pub at: i64,
    /// Whom the gate let in.
    pub let_in: Arc<OnceLock<Bearing>>,
    /// What became of the budgets of its credential.
    pub taken: Arc<OnceLock<Taken>>,
}

/// Wraps every request.
pub async fn layer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let request_id = client::request_id(headers).map_or_else(|| app.new_request_id(), str::to_owned);
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let ip_address = client::client_address(peer, headers, &app.settings().trusted_proxies);
    let arrived = Arrived {
        request_id: request_id.clone(),
        ip_address,
        path: shown(request.uri().path()).to_owned(),
        at: app.authority().clock().boot_micros(),
        let_in: Arc::default(),
        taken: Arc::default(),
    };
    request.extensions_mut().insert(arrived.clone());
    let facts = Facts {
        method: request.method().clone(),
        user_agent: user_agent(request.headers()).map(str::to_owned),
    };
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let began = boot_micros();
    let span = info_span!("request", %request_id);
    let template = matched.as_ref().map(MatchedPath::as_str);
    let route = app.requests().route(template);
    let traced = trace::request(Requests::method(&facts.method), route, &request_id, request.headers());
    // The trace's span within: it is the one that a change takes along into a task of its own.
    let answering = tokio::time::timeout(app.settings().request_timeout, next.run(request))
        .instrument(traced.clone())
        .instrument(span);
    let response = answering.await.unwrap_or_else(|_| {
        let detail = "The request took too long. A change that it asked for may still be carried out.";
        Refused::from(Problem::new(Refusal::Unavailable, detail)).into_response()
    });
    let response = match response.extensions().get::<LateDenial>() {
        Some(LateDenial(code)) if !record(&app, *code, &arrived, &facts).await => {
            Refused::from(unrecorded()).into_response()
        }
        _ => response,
    };
    let mut response = finish(response, &request_id);
    if let Some(taken) = arrived.taken.get() {
        limits::put(response.headers_mut(), taken);
    }
    trace::answered(&traced, response.status().as_u16());
    let micros = boot_micros() - began;
    app.requests().answered(&facts.method, template, response.status(), micros);
    tell(&app, template, &arrived, &facts.method, &response, micros);
    response
}

/// One line for each request. Probes, scrapes and verifications come so often that they are told only to
/// those who want to know everything.
fn tell(
    app: &App,
    template: Option<&str>,
    arrived: &Arrived,
    method: &Method,
    response: &Response,
    micros: i64,
) {
    let (request_id, path) = (arrived.request_id.as_str(), arrived.path.as_str());
    let (method, route) = (shown(method.as_str()), app.requests().route(template));
    let status = response.status().as_u16();
    let often = matches!(template, Some(metrics::PATH | verify::PATH | forward::PATH))
        || template.is_some_and(|template| template.starts_with("/healthz/"));
    if often && status < 400 {
        debug!(request_id, method, route, path, status, micros, "answered");
    } else {
        info!(request_id, method, route, path, status, micros, "answered");
    }
}

/// What is kept of a request while a handler has it.
struct Facts {
    method: Method,
    user_agent: Option<String>,
}

/// Records a denial that came after the gate; false when it cannot be recorded.
async fn record(app: &App, code: keywright_core::DenialCode, arrived: &Arrived, facts: &Facts) -> bool {
    let let_in = arrived.let_in.get();
    let elapsed = app.authority().clock().boot_micros() - arrived.at;
    let record = RecordRef {
        occurred_at: app.authority().now(),
        kind: EventKind::Gate,
        code: code.into(),
        credential_id: let_in.map(|bearing| bearing.credential_id),
        token_name: let_in.and_then(|bearing| bearing.own_name()),
        principal_kind: let_in.and_then(|bearing| PrincipalKind::parse(bearing.principal.kind.as_str())),
        principal_id: let_in.and_then(|bearing| bearing.principal.id),
        asked_by: None,
        ip_address: arrived.ip_address,
        user_agent: facts.user_agent.as_deref(),
        method: Some(shown(facts.method.as_str())),
        endpoint: Some(&arrived.path),
        cloudflare_ray_id: None,
        request_id: &arrived.request_id,
        latency_micros: u32::try_from(elapsed).unwrap_or(u32::MAX),
        stale: false,
        error_details: None,
        publisher_id: let_in.and_then(|bearing| bearing.wanted.publisher()).map(|id| id.0),
        user_email: None,
        occurrences: 1,
    };
    app.writer().append_durably(&record).await.is_ok()
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
        response.headers_mut().insert(&REQUEST_ID, value);
    }
    response
}
