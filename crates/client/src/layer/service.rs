//! A service behind the gate.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::OriginalUri;
use bytes::Bytes;
use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body_util::{Either, Full};
use keywright_api::presented::{Presented, presented};
use keywright_api::problem::Problem;
use keywright_api::problem_code::Refusal;
use keywright_api::verify::{DenialCode, RateLimit};
use keywright_core::Requirements;
use tower::{Layer, Service};

use super::{Gate, KeywrightLayer, Question, Undecided, Verdict};
use crate::entropy;
use crate::error::ClientError;
use crate::principal::Principal;
use crate::refusal;
use crate::transport::REQUEST_ID;

/// Longer than any credential; also what the authority would be asked by stays below its limits.
const MAX_CREDENTIAL: usize = 8 * 1024;
/// What is passed on of a user agent, and of a path, in bytes: the authority keeps no more of them.
const MAX_FACT: usize = 1_024;
/// The longest id of a request.
const MAX_REQUEST_ID: usize = 64;

impl<S> Layer<S> for KeywrightLayer {
    type Service = KeywrightService<S>;

    fn layer(&self, inner: S) -> KeywrightService<S> {
        KeywrightService { inner, layer: self.clone() }
    }
}

/// A service behind a [`KeywrightLayer`].
#[derive(Clone, Debug)]
pub struct KeywrightService<S> {
    inner: S,
    layer: KeywrightLayer,
}

/// Marks requests that took from the limits of their credential already.
#[derive(Clone, Copy, Debug)]
struct Counted;

impl<S, B, R> Service<Request<B>> for KeywrightService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<Either<Full<Bytes>, R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready is taken, and a clone that is not left in its place.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let KeywrightLayer { gate, wanted } = self.layer.clone();
        let (mut parts, body) = request.into_parts();
        Box::pin(async move {
            let (principal, limit) = match gate.judge(&wanted, &parts).await {
                Ok(passed) => passed,
                Err(problem) => {
                    let grpc = refusal::is_grpc(&parts.headers);
                    return Ok(refusal::answer(&problem, grpc).map(Either::Left));
                }
            };
            parts.extensions.insert(Counted);
            parts.extensions.insert(principal);
            let mut response = inner.call(Request::from_parts(parts, body)).await?.map(Either::Right);
            if let Some(limit) = limit {
                refusal::put_limit(response.headers_mut(), &limit);
            }
            Ok(response)
        })
    }
}

impl Gate {
    /// Who a request speaks for, or the problem to answer in its stead.
    async fn judge(
        self: Arc<Self>,
        wanted: &Requirements,
        parts: &Parts,
    ) -> Result<(Principal, Option<RateLimit>), Problem> {
        let request_id = request_id(&parts.headers);
        let told = |problem: Problem| problem.for_request(request_id.clone());
        let credential = match presented(&parts.headers) {
            Presented::Nothing => return Err(told(refusal::missing())),
            Presented::Conflicting => return Err(told(refusal::conflicting())),
            // Nothing so long is a credential; asking would only carry it about.
            Presented::Credential(credential) if credential.len() > MAX_CREDENTIAL => {
                let problem = Problem::new(DenialCode::Malformed, "The credential was not accepted.");
                return Err(told(problem));
            }
            Presented::Credential(credential) => String::from_utf8_lossy(credential),
        };
        let counted = parts.extensions.get::<Counted>().is_some();
        let question = Question {
            token: &credential,
            wanted,
            publisher_id: (self.publisher_of)(parts),
            ip_address: (self.address_of)(parts),
            user_agent: text(&parts.headers, &USER_AGENT),
            method: parts.method.as_str(),
            endpoint: endpoint(parts),
            cloudflare_ray_id: text(&parts.headers, &http::HeaderName::from_static("cf-ray")),
            cost: if counted { 0 } else { self.cost },
            request_id: &request_id,
        };
        let decided = tokio::time::timeout(self.timeout, self.decider.decide(question)).await;
        match decided.unwrap_or(Err(Undecided::Client(ClientError::TimedOut))) {
            Ok(Verdict::Valid(principal, limit)) => Ok((principal, limit)),
            Ok(Verdict::Denied(denial)) => Err(told(refusal::denied(&denial))),
            Err(fault) => {
                (self.on_fault)(&fault);
                Err(told(undecided(&fault)))
            }
        }
    }
}

/// Whatever the authority refuses us is no fault of the request: it is answered 503.
fn undecided(fault: &Undecided) -> Problem {
    let journal = match fault {
        Undecided::Unrecorded(_) => true,
        Undecided::Client(ClientError::Problem(problem)) => {
            problem.known_code() == Some(Refusal::JournalUnavailable.into())
        }
        Undecided::Client(_) | Undecided::Unavailable => false,
    };
    let wait = match fault {
        Undecided::Client(error) => error.retry_after_seconds(),
        Undecided::Unrecorded(_) | Undecided::Unavailable => None,
    };
    refusal::undecided(journal, wait)
}

/// The id that the request brought, if it is one, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| {
        (1..=MAX_REQUEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    });
    given.map_or_else(entropy::request_id, str::to_owned)
}

/// The path that was asked for, also within a nested router.
fn endpoint(parts: &Parts) -> &str {
    let path = parts.extensions.get::<OriginalUri>().map_or(parts.uri.path(), |original| original.0.path());
    cut(path)
}

fn text<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(cut)
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_FACT)]
}
