//! `POST /auth/verify`: the decision about a credential.
//!
//! The one handler behind both ways in: [`answer`] is called by the edge on the thread that read the
//! request, and by the router for the operator's socket and the command line.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use keywright_api::problem::Problem;
use keywright_api::request::FromFields;
use keywright_api::verify::Decision;
use keywright_api::verify_request::{BorrowedVerify, VerifyRequest};
use keywright_core::{
    CredentialId, DenialCode, Grant, PublisherId, Requirements, ScopeSet, Standing, address,
};
use keywright_verify::journal::Writer;
use keywright_verify::{EventKind, Known, RecordCode, RecordRef};

use super::verify_write;
use crate::http::App;
use crate::http::answer::{Refused, denied};
use crate::http::client::{Presented, presented, user_agent};
use crate::http::gate::{
    LocalOperator, Permission, TokensVerify, conflicting, missing, problem_of, requirements, unavailable,
    unrecorded,
};
use crate::http::input::{self, NoQuery, is_json, read_body, rules};
use crate::http::look_up::{Found, Looked, look_up};
use crate::http::outer::Arrived;
use crate::http::shown::{details, shown};

/// The path, for the edge.
pub const PATH: &str = "/api/v1/auth/verify";

/// Who asks, and from where.
pub struct Asked<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// The client's address.
    pub ip_address: Option<IpAddr>,
    /// When the request arrived, on the boot-time clock.
    pub at: i64,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Over the operator's socket, or in the operator's process.
    pub operator: bool,
}

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
    let body = read_body(body).await?;
    check_query(&parts, &app)?;
    let asked = Asked {
        request_id: &arrived.request_id,
        ip_address: arrived.ip_address,
        at: arrived.at,
        headers: &parts.headers,
        operator: parts.extensions.get::<LocalOperator>().is_some(),
    };
    let json = answer(&app, app.writer(), &asked, &body).await?;
    let mut response = (StatusCode::OK, json).into_response();
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
    Ok(response)
}

/// The headers of every decision.
pub const HEADERS: [(http::HeaderName, &str); 2] =
    [(http::header::CONTENT_TYPE, "application/json"), (http::header::CACHE_CONTROL, "no-store")];

/// There are no parameters; a credential in one least of all.
fn check_query(parts: &Parts, app: &App) -> Result<(), Problem> {
    let Some(query) = parts.uri.query() else { return Ok(()) };
    let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    NoQuery::from_query(pairs, &rules(app)).map(drop)
}

/// The facts of the original request, and what is wanted of the credential.
struct Question<'a> {
    wanted: Requirements,
    publisher: Option<PublisherId>,
    ip_address: Option<IpAddr>,
    user_agent: Option<&'a str>,
    method: Option<&'a str>,
    endpoint: Option<&'a str>,
    cloudflare_ray_id: Option<&'a str>,
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
struct Borrowed<'a> {
    token: Option<&'a str>,
    required_scopes: Vec<&'a str>,
    any_scopes: Vec<&'a str>,
    publisher: Option<PublisherId>,
    ip_address: Option<&'a str>,
    user_agent: Option<&'a str>,
    method: Option<&'a str>,
    endpoint: Option<&'a str>,
    cloudflare_ray_id: Option<&'a str>,
}

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
        }
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
    let wanted = Requirements {
        required_scopes: scopes(&request.required_scopes)?,
        any_scopes: scopes(&request.any_scopes)?,
    };
    if let Some(token) = request.token {
        let asking = verification.asker().await?;
        // The asker may have been a miss, which takes its time.
        let verification = Verification { now: app.authority().clock().boot_micros(), ..verification };
        let question = Question {
            wanted,
            publisher: request.publisher.or(asking.and_then(|asker| asker.home)),
            ip_address: request.ip_address.and_then(address::parse),
            user_agent: request.user_agent.map(shown),
            method: request.method.map(shown),
            endpoint: request.endpoint.map(shown),
            cloudflare_ray_id: request.cloudflare_ray_id.map(shown),
        };
        return verification.decide(token.as_bytes(), &question, asking).await;
    }
    let question = Question {
        wanted,
        publisher: request.publisher,
        ip_address: asked.ip_address,
        user_agent: request.user_agent.map(shown).or_else(|| user_agent(asked.headers)),
        method: request.method.map(shown).or(Some("POST")),
        endpoint: request.endpoint.map(shown).or(Some(PATH)),
        cloudflare_ray_id: request.cloudflare_ray_id.map(shown),
    };
    match presented(asked.headers) {
        Presented::Credential(credential) => verification.decide(credential, &question, None).await,
        Presented::Nothing => verification.refuse(RecordCode::MissingCredential, None, missing()).await,
        Presented::Conflicting => {
            verification.refuse(RecordCode::ConflictingCredentials, None, conflicting()).await
        }
    }
}

fn scopes(texts: &[&str]) -> Result<ScopeSet, Problem> {
    if texts.is_empty() {
        return Ok(ScopeSet::default());
    }
    ScopeSet::parse(texts).map_err(|(_, error)| input::invalid("required_scopes", &error.to_string()))
}

/// What is recorded of a decision.
struct Verdict {
    kind: EventKind,
    code: RecordCode,
    details: Option<String>,
}

impl Verdict {
    fn verify(code: RecordCode) -> Self {
        Self { kind: EventKind::Verify, code, details: None }
    }
}

/// Who asks about another credential.
#[derive(Clone, Copy)]
struct Asker {
    id: CredentialId,
    /// The publisher that it belongs to; none at platform level.
    home: Option<PublisherId>,
}

impl Asker {
    /// Whether the asker may learn anything of a credential: within its own publisher only, of what has a part
    /// in it.
    fn may_know_of(self, found: &Found, question: &Question<'_>) -> bool {
        let Some(home) = self.home else { return true };
        let standing = found.known.grant().tenancy().map(|tenancy| tenancy.standing);
        question.publisher == Some(home)
            && !found.elsewhere
            && standing.is_some_and(|standing| standing != Standing::Foreign)
    }
}

struct Verification<'a> {
    app: &'a App,
    writer: &'a Writer,
    asked: &'a Asked<'a>,
    now: i64,
}

impl Verification<'_> {
    /// The caller that asks about another credential: it needs `tokens:verify`. Its own verdict is
    /// recorded only when it is refused.
    async fn asker(&self) -> Result<Option<Asker>, Problem> {
        let credential = match presented(self.asked.headers) {
            Presented::Nothing if self.asked.operator => return Ok(None),
            Presented::Nothing => return self.refuse(RecordCode::MissingCredential, None, missing()).await,
            Presented::Conflicting => {
                return self.refuse(RecordCode::ConflictingCredentials, None, conflicting()).await;
            }
            Presented::Credential(credential) => credential,
        };
        let wanted = requirements(TokensVerify::SCOPE).map_err(|refused| refused.0)?;
        match look_up(self.app, (credential, None), self.asked.ip_address, self.now).await {
            Looked::Denied(code) => self.refuse(code.into(), None, denied(code, &[])).await,
            Looked::Unavailable => self.refuse(RecordCode::Unavailable, None, unavailable()).await,
            Looked::Known(found) => match found.decide(self.app, &wanted, self.asked.ip_address) {
                Ok(()) => Ok(Some(Asker { id: found.known.grant().credential_id, home: found.home })),
                Err(denial) => self.refuse(denial.code.into(), Some(&found.known), problem_of(&denial)).await,
            },
        }
    }

    async fn decide(
        &self,
        credential: &[u8],
        question: &Question<'_>,
        asker: Option<Asker>,
    ) -> Result<Bytes, Problem> {
        let asked_by = asker.as_ref().map(|asker| asker.id);
        let client = question.ip_address.or(self.asked.ip_address);
        match look_up(self.app, (credential, question.publisher), client, self.now).await {
            // What is of no concern to the asker's publisher is as good as unknown (api.md, Acting publisher).
            Looked::Known(found) if asker.is_some_and(|asker| !asker.may_know_of(&found, question)) => {
                self.unknown(DenialCode::NotFound, question, asked_by).await
            }
            Looked::Known(found) => {
                let decision = found.decide(self.app, &question.wanted, question.ip_address);
                let code = decision.as_ref().map_or_else(|denial| denial.code.into(), |()| RecordCode::Valid);
                let details = decision.as_ref().err().and_then(details);
                let verdict = Verdict { kind: EventKind::Verify, code, details };
                self.record(&verdict, Some(&found.known), question, asked_by, found.at).await?;
                Ok(match decision {
                    Ok(()) => verify_write::valid(&found.known, self.asked.request_id),
                    Err(denial) => verify_write::denied(&found.known, &denial, self.asked.request_id),
                })
            }
            Looked::Denied(code) => self.unknown(code, question, asked_by).await,
            Looked::Unavailable => {
                self.record(&Verdict::verify(RecordCode::Unavailable), None, question, asked_by, self.now)
                    .await?;
                Err(unavailable())
            }
        }
    }

    /// Nothing is told of the credential but the code.
    async fn unknown(
        &self,
        code: DenialCode,
        question: &Question<'_>,
        asked_by: Option<CredentialId>,
    ) -> Result<Bytes, Problem> {
        self.record(&Verdict::verify(code.into()), None, question, asked_by, self.now).await?;
        Ok(verify_write::bare(code.as_str(), self.asked.request_id))
    }

    async fn refuse<T>(
        &self,
        code: RecordCode,
        known: Option<&Known>,
        problem: Problem,
    ) -> Result<T, Problem> {
        let question = Question {
            wanted: Requirements::none(),
            publisher: None,
            ip_address: self.asked.ip_address,
            user_agent: user_agent(self.asked.headers),
            method: Some("POST"),
            endpoint: Some(PATH),
            cloudflare_ray_id: None,
        };
        let verdict = Verdict { kind: EventKind::Gate, code, details: None };
        self.record(&verdict, known, &question, None, self.now).await?;
        Err(problem)
    }

    /// No answer without a record.
    async fn record(
        &self,
        verdict: &Verdict,
        known: Option<&Known>,
        question: &Question<'_>,
        asked_by: Option<CredentialId>,
        at: i64,
    ) -> Result<(), Problem> {
        let grant = known.map(Known::grant);
        let record = RecordRef {
            occurred_at: self.app.authority().clock().at(at),
            kind: verdict.kind,
            code: verdict.code,
            credential_id: grant.map(|grant| grant.credential_id),
            token_name: grant.and_then(Grant::own_name),
            principal_kind: grant.map(|grant| grant.principal),
            principal_id: grant.map(Grant::principal_id),
            asked_by,
            ip_address: question.ip_address,
            user_agent: question.user_agent,
            method: question.method,
            endpoint: question.endpoint,
            cloudflare_ray_id: question.cloudflare_ray_id,
            request_id: self.asked.request_id,
            latency_micros: u32::try_from(at - self.asked.at).unwrap_or(u32::MAX),
            stale: known.is_some_and(|known| known.stale),
            error_details: verdict.details.as_deref(),
            publisher_id: grant.and_then(Grant::publisher).map(|id| id.0),
            user_email: None,
            occurrences: 1,
        };
        self.writer.append_durably(&record).await.map_err(|_| unrecorded())
    }
}
