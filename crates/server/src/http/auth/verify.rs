//! `POST /auth/verify`: the decision about a credential.
//!
//! The one handler behind both ways in: [`answer`] is called by the edge on the thread that read the
//! request, and by the router for the operator's socket and the command line.

use std::borrow::Cow;
use std::sync::OnceLock;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use keywright_api::presented::{Presented, presented};
use keywright_api::problem::Problem;
use keywright_api::request::FromFields;
use keywright_api::verify::Decision;
use keywright_api::verify_request::{BorrowedVerify, VerifyRequest};
use keywright_core::{PublisherId, Requirements, ScopeSet, address};
use keywright_verify::journal::Writer;
use keywright_verify::{RecordCode, Taken};

pub use super::verification::Asked;
use super::verification::{Question, Verification};
use crate::http::answer::Refused;
use crate::http::client::user_agent;
use crate::http::gate::{LocalOperator, conflicting, missing, unavailable};
use crate::http::input::{self, MAX_BODY, NoQuery, is_json, read_body, rules};
use crate::http::outer::Arrived;
use crate::http::shown::shown;
use crate::http::{App, limits};

/// The path, for the edge.
pub const PATH: &str = "/api/v1/auth/verify";

/// Decide on a credential.
///
/// Without `token` in the body the decision is about the credential that the request itself bears, and
/// no permission is needed. With `token` the caller needs `tokens:verify`. Every decision is recorded
/// before it is answered.
#[utoipa::path(
    post, path = "/auth/verify", tag = "verification", operation_id = "verify",
    request_body(content = Option<VerifyRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "The decision", body = Decision),
        (status = "4XX", description = "The request was not carried out", body = keywright_api::problem::Document, content_type = "application/problem+json"),
        (status = "5XX", description = "The answer cannot be known or recorded at the moment", body = keywright_api::problem::Document, content_type = "application/problem+json"),
    ),
)]
pub async fn verify(State(app): State<App>, request: Request) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let arrived = parts.extensions.get::<Arrived>().cloned();
    let Some(arrived) = arrived else { return Err(Refused::from(unavailable())) };
    let body = read_body(body, MAX_BODY).await?;
    check_query(&parts, &app)?;
    let asked = asked(&app, &parts, &arrived, PATH);
    let decided = answer(&app, app.writer(), &asked, &body).await;
    Ok(respond(decided, asked.taken))
}

/// Who asks by a request that came to the router.
pub(in crate::http) fn asked<'a>(
    app: &'a App,
    parts: &'a Parts,
    arrived: &'a Arrived,
    path: &'a str,
) -> Asked<'a> {
    Asked {
        request_id: &arrived.request_id,
        ip_address: arrived.ip_address,
        at: arrived.at,
        headers: &parts.headers,
        path,
        operator: parts.extensions.get::<LocalOperator>().is_some(),
        limiter: app.limiter(),
        taken: OnceLock::new(),
    }
}

/// The router's answer to it.
pub(super) fn respond(decided: Result<Bytes, Problem>, taken: OnceLock<Taken>) -> Response {
    let mut response = match decided {
        Ok(json) => {
            let mut response = (StatusCode::OK, json).into_response();
            for (name, value) in HEADERS {
                response.headers_mut().insert(name, http::HeaderValue::from_static(value));
            }
            response
        }
        Err(problem) => Refused::from(problem).into_response(),
    };
    if let Some(taken) = taken.into_inner() {
        limits::put(response.headers_mut(), &taken);
    }
    response
}

/// The headers of every decision.
pub const HEADERS: [(http::HeaderName, &str); 2] =
    [(http::header::CONTENT_TYPE, "application/json"), (http::header::CACHE_CONTROL, "no-store")];

/// There are no parameters; a credential in one least of all.
pub(super) fn check_query(parts: &Parts, app: &App) -> Result<(), Problem> {
    let Some(query) = parts.uri.query() else { return Ok(()) };
    let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    NoQuery::from_query(pairs, &rules(app)).map(drop)
}

/// Decides, records, and writes the answer.
///
/// # Errors
/// The problem to answer instead: the caller's own refusal, a bad body, or an answer that cannot be
/// known or recorded.
pub async fn answer(app: &App, writer: &Writer, asked: &Asked<'_>, body: &[u8]) -> Result<Bytes, Problem> {
    if !body.is_empty() {
        let content_type = asked.headers.get(http::header::CONTENT_TYPE);
        if !is_json(content_type.map(http::HeaderValue::as_bytes)) {
            return Err(input::not_json());
        }
        let rules = rules(app);
        if let Some(request) = BorrowedVerify::read(body, &rules) {
            return with_body(app, writer, asked, &Borrowed::from(&request)).await;
        }
        let request = VerifyRequest::from_body(body, &rules)?;
        return with_body(app, writer, asked, &Borrowed::from(&request)).await;
    }
    let request = Borrowed::default();
    with_body(app, writer, asked, &request).await
}

/// A request, wherever its texts lie.
#[derive(Default)]
pub(super) struct Borrowed<'a> {
    token: Option<&'a str>,
    required_scopes: Vec<&'a str>,
    any_scopes: Vec<&'a str>,
    publisher: Option<PublisherId>,
    ip_address: Option<&'a str>,
    user_agent: Option<&'a str>,
    method: Option<&'a str>,
    endpoint: Option<&'a str>,
    cloudflare_ray_id: Option<&'a str>,
    cost: Option<u32>,
    /// Whether to tell what a cache may keep of the answer.
    cacheable: bool,
}

/// What a verification takes from the budgets of the credential, unless it says otherwise.
const COST: u32 = 1;

impl<'a> From<&'a BorrowedVerify<'a>> for Borrowed<'a> {
    fn from(request: &'a BorrowedVerify<'a>) -> Self {
        Self {
            token: request.token,
            required_scopes: request.required_scopes.clone().unwrap_or_default(),
            any_scopes: request.any_scopes.clone().unwrap_or_default(),
            publisher: request.publisher_id.and_then(|id| id.parse().ok()),
            ip_address: request.ip_address,
            user_agent: request.user_agent,
            method: request.method,
            endpoint: request.endpoint,
            cloudflare_ray_id: request.cloudflare_ray_id,
            cost: request.cost,
            // Whoever asks for that is read by the other way.
            cacheable: false,
        }
    }
}

impl<'a> From<&'a VerifyRequest> for Borrowed<'a> {
    fn from(request: &'a VerifyRequest) -> Self {
        Self {
            token: request.token.as_ref().map(keywright_api::secret::Secret::expose),
            required_scopes: request.required_scopes.iter().map(String::as_str).collect(),
            any_scopes: request.any_scopes.iter().flatten().map(String::as_str).collect(),
            publisher: request.publisher_id.map(PublisherId),
            ip_address: request.ip_address.as_deref(),
            user_agent: request.user_agent.as_deref(),
            method: request.method.as_deref(),
            endpoint: request.endpoint.as_deref(),
            cloudflare_ray_id: request.cloudflare_ray_id.as_deref(),
            cost: request.cost,
            cacheable: request.cacheable.unwrap_or(false),
        }
    }
}

impl<'a> Borrowed<'a> {
    /// What is asked about another credential.
    pub(super) fn question(&self) -> Result<Question<'a>, Problem> {
        Ok(Question {
            wanted: Cow::Owned(self.wanted()?),
            publisher: self.publisher,
            ip_address: self.ip_address.and_then(address::parse),
            user_agent: self.user_agent.map(shown),
            method: self.method.map(shown),
            endpoint: self.endpoint.map(shown),
            cloudflare_ray_id: self.cloudflare_ray_id.map(shown),
            cost: self.cost.unwrap_or(COST),
        })
    }

    /// What is asked about the credential that the request itself bears.
    pub(super) fn own_question<'b>(&self, asked: &'b Asked<'_>) -> Result<Question<'b>, Problem>
    where
        'a: 'b,
    {
        Ok(Question {
            wanted: Cow::Owned(self.wanted()?),
            publisher: self.publisher,
            ip_address: asked.ip_address,
            user_agent: self.user_agent.map(shown).or_else(|| user_agent(asked.headers)),
            method: self.method.map(shown).or(Some("POST")),
            endpoint: self.endpoint.map(shown).or(Some(asked.path)),
            cloudflare_ray_id: self.cloudflare_ray_id.map(shown),
            cost: self.cost.unwrap_or(COST),
        })
    }

    fn wanted(&self) -> Result<Requirements, Problem> {
        Ok(Requirements {
            required_scopes: scopes("required_scopes", &self.required_scopes)?,
            any_scopes: scopes("any_scopes", &self.any_scopes)?,
        })
    }
}

async fn with_body(
    app: &App,
    writer: &Writer,
    asked: &Asked<'_>,
    request: &Borrowed<'_>,
) -> Result<Bytes, Problem> {
    // One reading of the clock serves a decision that hits the cache; the body has arrived by now.
    let verification = Verification { app, writer, asked, now: app.authority().clock().boot_micros() };
    if let Some(token) = request.token {
        let question = request.question()?;
        let asking = verification.asker().await?;
        // The asker may have been a miss, which takes its time.
        let verification = Verification { now: app.authority().clock().boot_micros(), ..verification };
        let question = question.of(asking);
        if request.cacheable {
            // Boxed, so that the future of any other verification stays small.
            return Box::pin(verification.decide_keepable(token.as_bytes(), &question, asking)).await;
        }
        return verification.decide(token.as_bytes(), &question, asking).await;
    }
    let question = request.own_question(asked)?;
    match presented(asked.headers) {
        Presented::Credential(credential) => verification.decide(credential, &question, None).await,
        Presented::Nothing => verification.refuse(RecordCode::MissingCredential, None, missing()).await,
        Presented::Conflicting => {
            verification.refuse(RecordCode::ConflictingCredentials, None, conflicting()).await
        }
    }
}

/// The scopes of a field.
pub(super) fn scopes(field: &str, texts: &[&str]) -> Result<ScopeSet, Problem> {
    if texts.is_empty() {
        return Ok(ScopeSet::default());
    }
    ScopeSet::parse(texts).map_err(|(_, error)| input::invalid(field, &error.to_string()))
}
