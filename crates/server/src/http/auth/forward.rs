//! `ANY /auth/forward`: the gate for proxies, which hold a request back until they are told about it.
//!
//! The same decision as that of [`verify`](super::verify), told as a status and headers. As there, the one function
//! [`answer`] is called by the edge and by the router.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use keywright_api::forward::ForwardQuery;
use keywright_api::presented::{Presented, presented};
use keywright_api::problem::Problem;
use keywright_api::problem_code::Refusal;
use keywright_api::request::FromFields;
use keywright_core::{DenialCode, Grant, PublisherId, Requirements, ScopeSet, address};
use keywright_verify::journal::Writer;
use keywright_verify::{Known, RecordCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::original::{FORWARDED_FOR, Original, attempted};
use super::verification::{Asked, Question, Told, Verification};
use super::verify::{asked, scopes};
use super::verify_write::principal_name;
use crate::http::answer::{Refused, denied};
use crate::http::client::user_agent;
use crate::http::gate::{conflicting, missing, problem_of, unavailable};
use crate::http::input::{MAX_BODY, read_body, rules};
use crate::http::look_up::Verdict;
use crate::http::outer::Arrived;
use crate::http::shown::shown;
use crate::http::{App, limits};

/// The path, for the edge.
pub const PATH: &str = "/api/v1/auth/forward";

/// What a request that passes takes from the budgets of its credential.
const COST: u32 = 1;
/// Names are escaped as by JavaScript's `encodeURIComponent`, and a little more: all but what RFC 3986 calls
/// unreserved.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const PRINCIPAL_TYPE: HeaderName = HeaderName::from_static("x-auth-principal-type");
const PRINCIPAL_ID: HeaderName = HeaderName::from_static("x-auth-principal-id");
const PRINCIPAL_NAME: HeaderName = HeaderName::from_static("x-auth-principal-name");
const PUBLISHER_ID: HeaderName = HeaderName::from_static("x-auth-publisher-id");
const SCOPES: HeaderName = HeaderName::from_static("x-auth-scopes");
const CREDENTIAL_ID: HeaderName = HeaderName::from_static("x-auth-credential-id");
const TOKEN_TYPE: HeaderName = HeaderName::from_static("x-auth-token-type");
const ROTATION: HeaderName = HeaderName::from_static("x-auth-rotation");

/// Decide on a request that a proxy holds back.
///
/// Any method is answered alike. The credential is the one that the request bears; the request that it is for is
/// told by `X-Forwarded-Method`, `-Uri`, `-Host` and `-For`, or by `X-Original-Method` and `X-Original-URI`, of a
/// proxy in `server.trusted_proxies`; any other peer is refused. What passes is 200 with an empty body, and all of
/// these headers, empty where nothing applies; what does not pass has the status that the endpoints of this API
/// themselves would answer.
#[utoipa::path(
    get, path = "/auth/forward", tag = "verification", operation_id = "forward_auth",
    extensions(("x-any-method" = json!(true))),
    params(
        ForwardQuery,
        ("X-Forwarded-Method" = Option<String>, Header, description = "The original method; or `X-Original-Method`"),
        ("X-Forwarded-Uri" = Option<String>, Header, description = "The original path, with or without its query; or `X-Original-URI`"),
        ("X-Forwarded-Host" = Option<String>, Header, description = "The original host"),
        ("X-Forwarded-For" = Option<String>, Header, description = "The address of the client, the right-most that is not a trusted proxy's"),
    ),
    responses(
        (status = 200, description = "It may pass", headers(
            ("X-Auth-Principal-Type" = String, description = "`service_account`, `service_token`, `user` or `external`"),
            ("X-Auth-Principal-Id" = String, description = "The principal"),
            ("X-Auth-Principal-Name" = String, description = "Its name: percent-encoded UTF-8"),
            ("X-Auth-Publisher-Id" = String, description = "The publisher that was decided for"),
            ("X-Auth-Scopes" = String, description = "What the credential carries, separated by spaces"),
            ("X-Auth-Credential-Id" = String, description = "The credential"),
            ("X-Auth-Token-Type" = String, description = "`service`, `personal`, `user` or `external`"),
            ("X-Auth-Rotation" = String, description = "`superseded; grace_expires_at=…` of a credential that was replaced"),
        )),
        (status = "4XX", description = "It may not pass", body = keywright_api::problem::Document, content_type = "application/problem+json"),
        (status = "5XX", description = "The answer cannot be known or recorded at the moment", body = keywright_api::problem::Document, content_type = "application/problem+json"),
    ),
)]
pub async fn forward(State(app): State<App>, request: Request) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let arrived = parts.extensions.get::<Arrived>().cloned();
    let Some(arrived) = arrived else { return Err(Refused::from(unavailable())) };
    leave_unread(body).await?;
    let asked = asked(&app, &parts, &arrived, PATH);
    let proxy = Proxy {
        peer: parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip()),
        method: &parts.method,
        query: parts.uri.query(),
    };
    let passed = answer(&app, app.writer(), &asked, &proxy).await;
    let mut response = match passed {
        Ok(passed) => passed.into_response(),
        Err(problem) => Refused::from(problem).into_response(),
    };
    if let Some(taken) = asked.taken.into_inner() {
        limits::put(response.headers_mut(), &taken);
    }
    Ok(response)
}

/// Takes a body, at which nobody looks, off a connection that the proxy goes on using.
///
/// # Errors
/// As every body: 413 when it is too large, 408 when it does not arrive.
pub async fn leave_unread<B: http_body::Body<Data = Bytes>>(body: B) -> Result<(), Refused> {
    if body.is_end_stream() { Ok(()) } else { read_body(body, MAX_BODY).await.map(drop) }
}

/// The request of a proxy itself.
pub struct Proxy<'a> {
    /// Who is at the other end of the connection; nobody over the operator's socket.
    pub peer: Option<IpAddr>,
    /// Its method, which says nothing.
    pub method: &'a Method,
    /// What it wants of the credential.
    pub query: Option<&'a str>,
}

/// What the service behind the proxy is told of a request that passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed(HeaderMap);

impl Passed {
    /// All headers of the answer.
    pub fn into_headers(self) -> HeaderMap {
        self.0
    }
}

impl IntoResponse for Passed {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.headers_mut() = self.0;
        response
    }
}

/// Decides and records.
///
/// # Errors
/// The problem to answer instead: a peer that is no trusted proxy, a query or an original request that cannot be
/// understood, a denial, or an answer that cannot be known or recorded.
pub async fn answer(
    app: &App,
    writer: &Writer,
    asked: &Asked<'_>,
    proxy: &Proxy<'_>,
) -> Result<Passed, Problem> {
    let verification = Verification { app, writer, asked, now: app.authority().clock().boot_micros() };
    let trusted = &app.settings().trusted_proxies;
    if !proxy.peer.is_some_and(|peer| trusted.contains(address::canonical(peer))) {
        let own = of_peer(asked, proxy);
        return verification.refuse_of(&own, RecordCode::UntrustedProxy, None, untrusted()).await;
    }
    let wanted = wanted(app, proxy.query)?;
    let original = match Original::read(asked.headers) {
        Ok(original) => original,
        Err(flaw) => {
            let tried = Question {
                ip_address: client(asked),
                method: None,
                endpoint: attempted(asked.headers),
                ..of_peer(asked, proxy)
            };
            let code = RecordCode::InvalidOriginalRequest;
            return verification.refuse_of(&tried, code, None, flaw.problem()).await;
        }
    };
    let question = Question {
        wanted: Cow::Owned(Requirements { required_scopes: wanted.0, any_scopes: ScopeSet::default() }),
        publisher: wanted.1,
        ip_address: client(asked),
        method: Some(shown(original.method)),
        endpoint: Some(shown(original.path)),
        cost: COST,
        ..of_peer(asked, proxy)
    };
    let refuse = |code, problem| verification.refuse_of(&question, code, None, problem);
    match presented(asked.headers) {
        Presented::Credential(credential) => verification.decide(credential, &question, None).await,
        Presented::Nothing => refuse(RecordCode::MissingCredential, missing()).await,
        Presented::Conflicting => refuse(RecordCode::ConflictingCredentials, conflicting()).await,
    }
}

/// What is known of a request of which nothing that was forwarded is believed.
fn of_peer<'a>(asked: &'a Asked<'_>, proxy: &'a Proxy<'_>) -> Question<'a> {
    Question {
        wanted: Cow::default(),
        publisher: None,
        ip_address: asked.ip_address,
        user_agent: user_agent(asked.headers),
        method: Some(shown(proxy.method.as_str())),
        endpoint: Some(asked.path),
        cloudflare_ray_id: None,
        cost: 0,
    }
}

/// The address of the client. A proxy that does not forward it is not the client itself.
fn client(asked: &Asked<'_>) -> Option<IpAddr> {
    asked.ip_address.filter(|_| asked.headers.contains_key(&FORWARDED_FOR))
}

fn wanted(app: &App, query: Option<&str>) -> Result<(ScopeSet, Option<PublisherId>), Problem> {
    let Some(query) = query else { return Ok((ScopeSet::default(), None)) };
    let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
    let query = ForwardQuery::from_query(pairs, &rules(app))?;
    let texts: Vec<_> = query.scope.iter().map(String::as_str).collect();
    Ok((scopes("scope", &texts)?, query.publisher.map(PublisherId)))
}

fn untrusted() -> Problem {
    let detail = "Only proxies in server.trusted_proxies may ask here, and this peer is none of them.";
    Problem::new(Refusal::UntrustedProxy, detail)
}

/// As a status, with the headers for the service behind the proxy.
impl Told for Passed {
    fn known(known: Known, verdict: &Verdict, _: &str) -> Result<Self, Problem> {
        match &verdict.decision {
            Ok(()) => Ok(Self(headers(&known))),
            Err(denial) => Err(problem_of(verdict, denial)),
        }
    }

    fn bare(code: DenialCode, _: &str) -> Result<Self, Problem> {
        Err(denied(code, &[]))
    }
}

/// All of them, every time: what the client itself has sent under these names is replaced.
fn headers(known: &Known) -> HeaderMap {
    let grant = known.grant();
    let scopes: Vec<_> = known.scopes().iter().map(|scope| scope.as_str().to_owned()).collect();
    let mut headers = HeaderMap::with_capacity(12);
    for (name, text) in [
        (PRINCIPAL_TYPE, grant.principal.as_str().to_owned()),
        (PRINCIPAL_ID, grant.principal_id().to_string()),
        (PRINCIPAL_NAME, utf8_percent_encode(principal_name(grant), NAME).to_string()),
        (PUBLISHER_ID, grant.publisher().map(|id| id.to_string()).unwrap_or_default()),
        (SCOPES, scopes.join(" ")),
        (CREDENTIAL_ID, grant.credential_id.to_string()),
        (TOKEN_TYPE, grant.kind.as_str().to_owned()),
        (ROTATION, rotation(grant)),
    ] {
        // None of these texts has a character that a header cannot have.
        let value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        headers.insert(name, value);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers
}

fn rotation(grant: &Grant) -> String {
    match (grant.superseded, grant.grace_expires_at) {
        (false, _) => String::new(),
        (true, None) => "superseded".to_owned(),
        (true, Some(end)) => format!("superseded; grace_expires_at={end}"),
    }
}
