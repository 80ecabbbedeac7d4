//! `POST /oauth2/introspect`: the decision of `POST /auth/verify`, told by RFC 7662; signed, where that is asked for, by
//! RFC 9701.

use std::borrow::Cow;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use keywright_api::oauth::{Introspection, IntrospectionForm, OAuthError};
use keywright_api::problem::Problem;
use keywright_api::session::AccessTokenType;
use keywright_authority::Fault;
use keywright_authority::introspection::Notary;
use keywright_core::{CredentialKind, DenialCode, Scope, Timestamp, address};
use keywright_verify::Known;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::client::{self, Caller};
use super::refusal::{Refusal, Way};
use super::{Posted, told, verification};
use crate::http::App;
use crate::http::accept::preferred;
use crate::http::answer::{Refused, json_no_store};
use crate::http::auth::verification::{Asker, Question, Told};
use crate::http::auth::verify::Asked;
use crate::http::auth::verify_write::expires_at;
use crate::http::gate::{Permission, TokensVerify, requirements};
use crate::http::look_up::Verdict;

/// The path, as it is recorded.
const PATH: &str = "/oauth2/introspect";
/// The media type of a signed answer (RFC 9701 §5).
const SIGNED: &str = "application/token-introspection+jwt";
/// What a question takes from the budgets of the credential, as a verification does.
const COST: u32 = 1;

/// Look at a token (RFC 7662).
///
/// The same decision as a verification, recorded and counted alike. The caller needs `tokens:verify`. Whatever is
/// wrong with the token, the answer is that it is not active; that the answer cannot be known is 503.
///
/// With `Accept: application/token-introspection+jwt` the same is a JWT for the caller (RFC 9701): `token_introspection`
/// is what there is to tell.
#[utoipa::path(
    post, path = "/oauth2/introspect", tag = "oauth", operation_id = "introspect_token",
    security(("client_secret_basic" = []), ("bearer" = []), ("api_key" = [])),
    request_body(content = IntrospectionForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "What there is to tell of it",
            content((Introspection = "application/json"), (String = "application/token-introspection+jwt"))),
        (status = "4XX", description = "The request was not carried out", body = OAuthError),
        (status = "5XX", description = "The answer cannot be known or recorded at the moment", body = OAuthError)),
)]
pub async fn introspect(State(app): State<App>, request: Request) -> Response {
    let posted = match Posted::read(request).await {
        Ok(posted) => posted,
        Err(refusal) => return refusal.into_response(),
    };
    let asked = posted.asked(&app, PATH);
    let answered = answer(&app, &posted, &asked).await;
    told(answered, asked.taken)
}

async fn answer(app: &App, posted: &Posted, asked: &Asked<'_>) -> Result<Response, Refusal> {
    let wanted = requirements(TokensVerify::SCOPE).map_err(|refused| Refusal::of(&refused.0, Way::Client))?;
    let judging = verification(app, asked);
    let caller = client::caller(&judging, &posted.parameters, &wanted).await?;
    // Who may not ask learns of nothing else that is wrong.
    if caller.is_none() && !asked.operator {
        return Err(client::nobody(&judging).await);
    }
    let token = posted.parameters.required("token")?;
    let asking = caller.as_ref().map(|Caller { found, .. }| Asker::of(found));
    let signed = signed(app, asked.headers, caller.as_ref()).await?;
    let question = Question {
        wanted: Cow::default(),
        publisher: None,
        ip_address: posted.parameters.get("ip_address").and_then(address::parse),
        user_agent: None,
        method: None,
        endpoint: None,
        cloudflare_ray_id: None,
        cost: COST,
    };
    let way = caller.map_or(Way::Client, |caller| caller.way);
    let decided = verification(app, asked).decide(token.as_bytes(), &question.of(asking), asking).await;
    let object: Introspection = decided.map_err(|problem| Refusal::of(&problem, way))?;
    let Some((notary, audience)) = signed else { return Ok(json_no_store(StatusCode::OK, &object)) };
    let jwt = notary.sign(audience, &object, app.authority().now()).map_err(|fault| ours(fault, way))?;
    Ok(([(CONTENT_TYPE, SIGNED), (CACHE_CONTROL, "no-store")], jwt.as_str().to_owned()).into_response())
}

/// Who signs the answer, and for whom, where a signed one is wanted. Before `server.public_url` is set nothing is signed;
/// nor is it for the local operator, whom no `aud` names.
async fn signed<'a>(
    app: &'a App,
    headers: &HeaderMap,
    caller: Option<&Caller>,
) -> Result<Option<(Notary<'a>, Uuid)>, Refusal> {
    let wanted = preferred(headers, |media| match media {
        SIGNED => Some(true),
        _ => is_json(media).then_some(false),
    });
    if wanted != Some(true) {
        return Ok(None);
    }
    if let Some(Caller { found, way }) = caller
        && app.authority().settings().jwt.issuer.is_some()
    {
        let notary = Notary::find(app.authority()).await.map_err(|fault| ours(fault, *way))?;
        return Ok(Some((notary, found.known.grant().principal_id())));
    }
    match preferred(headers, |media| is_json(media).then_some(())) {
        Some(()) => Ok(None),
        None => Err(Refusal::not_acceptable("Nothing is signed here: accept application/json.")),
    }
}

fn is_json(media: &str) -> bool {
    matches!(media, "application/json" | "application/*" | "*/*")
}

fn ours(fault: Fault, way: Way) -> Refusal {
    Refusal::of(&Refused::from(fault).0, way)
}

impl Told for Introspection {
    fn known(known: Known, verdict: &Verdict, _: &str) -> Result<Self, Problem> {
        Ok(if verdict.decision.is_ok() { active(&known) } else { Self::default() })
    }

    fn bare(_: DenialCode, _: &str) -> Result<Self, Problem> {
        Ok(Self::default())
    }
}

fn active(known: &Known) -> Introspection {
    let grant = known.grant();
    let claims: Map<String, Value> = match &known.token {
        Some(token) => serde_json::from_str(&token.claims).unwrap_or_default(),
        None => Map::new(),
    };
    // Of another issuer's token not its claims are kept, but what they came to.
    let external = grant.kind == CredentialKind::External;
    let text = |name: &str| claims.get(name)?.as_str().map(str::to_owned);
    let time = |name: &str| claims.get(name)?.as_i64();
    let account = grant.account().map(|account| account.id.to_string());
    let scopes = known.scopes();
    let scope = scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ");
    let subject = if external { text("subject") } else { None };
    Introspection {
        active: true,
        scope: Some(scope).filter(|scope| !scope.is_empty()),
        client_id: account.or_else(|| text("client_id")),
        username: grant.user().map(|user| user.email.to_string()),
        token_type: Some(AccessTokenType::Bearer),
        exp: end(known).map(Timestamp::as_seconds),
        iat: time("iat"),
        nbf: time("nbf"),
        sub: subject.or_else(|| Some(grant.principal_id().to_string())),
        aud: text("aud"),
        iss: text(if external { "issuer" } else { "iss" }),
        jti: text("jti"),
        credential_id: Some(grant.credential_id.0),
        principal_id: Some(grant.principal_id()),
        principal_type: Some(grant.principal.as_str().to_owned()),
        publisher_id: grant.publisher().map(|id| id.0),
    }
}

/// The end of its life, of the very token, or of its grace, whichever comes first.
fn end(known: &Known) -> Option<Timestamp> {
    expires_at(known).into_iter().chain(known.grant().grace_expires_at).min()
}
