//! `POST /oauth2/token`: access tokens of service accounts, and of sessions by their refresh tokens.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::PRAGMA;
use http::{HeaderValue, StatusCode};
use keywright_api::oauth::{OAuthError, OAuthErrorCode, TokenForm, TokenGiven};
use keywright_api::problem::Problem;
use keywright_api::secret::Secret;
use keywright_api::session::AccessTokenType;
use keywright_authority::Fault;
use keywright_authority::client_credentials::{self, Made};
use keywright_authority::sessions::{self, AccessToken};
use keywright_core::{Scope, ScopeSet, Timestamp};
use keywright_verify::{EventKind, RecordCode};
use zeroize::Zeroizing;

use super::client::{self, Caller};
use super::refusal::{Refusal, Way};
use super::{Posted, told, verification};
use crate::http::App;
use crate::http::answer::{Refused, json_no_store};
use crate::http::auth::verification::Verification;
use crate::http::auth::verify::Asked;
use crate::http::guest::Guest;
use crate::http::sessions::seconds_until;

/// The path, as it is recorded.
const PATH: &str = "/oauth2/token";

/// Give a token (RFC 6749).
///
/// `client_credentials`: the id of a service account and one of its service tokens give an access token that lives at
/// most 15 minutes, carries no more than the service token, and ends with it. `refresh_token`: as a refresh does,
/// without a client, as sessions have none.
#[utoipa::path(
    post, path = "/oauth2/token", tag = "oauth", operation_id = "request_token",
    security(("client_secret_basic" = []), ()),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token", body = TokenGiven),
        (status = "4XX", description = "Refused", body = OAuthError),
        (status = "5XX", description = "Not carried out, or its outcome is unknown", body = OAuthError)),
)]
pub async fn token(State(app): State<App>, guest: Guest, request: Request) -> Response {
    let posted = match Posted::read(request).await {
        Ok(posted) => posted,
        Err(refusal) => return refusal.into_response(),
    };
    let asked = posted.asked(&app, PATH);
    let given = match posted.parameters.required("grant_type") {
        Ok("client_credentials") => by_client(&app, &posted, &asked).await,
        Ok("refresh_token") => by_refresh(&app, &guest, &posted).await,
        Ok(_) => Err(Refusal::new(
            OAuthErrorCode::UnsupportedGrantType,
            "Tokens are given for client_credentials and refresh_token.",
        )),
        Err(refusal) => Err(refusal),
    };
    let given = given.map(|given| json_no_store(StatusCode::OK, &given));
    let mut response = told(given, asked.taken);
    // RFC 6749 §5.1 wants it beside Cache-Control.
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

async fn by_client(app: &App, posted: &Posted, asked: &Asked<'_>) -> Result<TokenGiven, Refusal> {
    if app.authority().settings().jwt.issuer.is_none() {
        return Err(Refusal::new(
            OAuthErrorCode::UnsupportedGrantType,
            "Nothing is signed before server.public_url says under which address clients reach this server.",
        ));
    }
    let verification = verification(app, asked);
    let caller = client::client(&verification, &posted.parameters).await?;
    let scopes = asked_scopes(posted.parameters.get("scope"))?;
    let bearing = caller.found.bearing(asked.ip_address);
    match client_credentials::make(app.authority(), &bearing, scopes).await {
        Ok(made) => {
            let used = verification.used(&caller.found).await;
            used.map_err(|problem| Refusal::of(&problem, Way::Client))?;
            Ok(given(&made))
        }
        Err(fault) => Err(refused(&verification, &caller, fault).await),
    }
}

fn given(Made { access_token, scopes, now }: &Made) -> TokenGiven {
    let scope = scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ");
    let scope = Some(scope).filter(|scope| !scope.is_empty());
    TokenGiven { scope, ..shown(access_token, *now) }
}

fn shown(access_token: &AccessToken, now: Timestamp) -> TokenGiven {
    TokenGiven {
        access_token: Secret::new(access_token.reveal()),
        token_type: AccessTokenType::Bearer,
        expires_in: seconds_until(now, access_token.expires_at),
        refresh_token: None,
        scope: None,
    }
}

/// What is asked for; all there is when nothing is said.
fn asked_scopes(text: Option<&str>) -> Result<Option<ScopeSet>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    let words = text.split(' ').filter(|word| !word.is_empty());
    ScopeSet::parse(words).map(Some).map_err(|_| beyond("The scope is none that a token can have."))
}

fn beyond(description: &'static str) -> Refusal {
    Refusal::new(OAuthErrorCode::InvalidScope, description)
}

/// What came of it after the client was accepted; the refusal is recorded.
async fn refused(verification: &Verification<'_>, caller: &Caller, fault: Fault) -> Refusal {
    let known = Some(&caller.found.known);
    let code = match &fault {
        Fault::ScopeExceedsGrantor { .. } => Some(RecordCode::InsufficientScope),
        Fault::Denied(denial) => Some(denial.code.into()),
        _ => None,
    };
    let beyond_it = matches!(fault, Fault::ScopeExceedsGrantor { .. });
    let problem = Refused::from(fault).0;
    let problem = match code {
        Some(code) => verification.refusal(code, known, problem).await,
        None => problem,
    };
    if beyond_it && problem.status != 503 {
        return beyond("The client's service token does not carry all of that scope.");
    }
    Refusal::of(&problem, Way::Client)
}

async fn by_refresh(app: &App, guest: &Guest, posted: &Posted) -> Result<TokenGiven, Refusal> {
    if client::is_said(&posted.parts.headers, &posted.parameters) {
        return Err(Refusal::bad_request("A session has no client: say nothing of who calls."));
    }
    if posted.parameters.get("scope").is_some() {
        return Err(beyond("What a session may do follows from its user: leave the scope out."));
    }
    let presented = Zeroizing::new(posted.parameters.required("refresh_token")?.to_owned());
    let attempt = sessions::refresh(app.authority(), guest.visitor(), presented).await;
    let refreshed = guest.record(app, EventKind::Refresh, attempt).await;
    let tokens = refreshed.map_err(|refused| of_refresh(&refused.0))?;
    let refresh_token = tokens.refresh_token.as_ref().map(|token| Secret::new(token.reveal()));
    Ok(TokenGiven { refresh_token, ..shown(&tokens.access_token, tokens.now) })
}

fn of_refresh(problem: &Problem) -> Refusal {
    match problem.status {
        400..=403 => Refusal::new(
            OAuthErrorCode::InvalidGrant,
            "The refresh token is not accepted: it is unknown, was used before, or its session has ended.",
        ),
        _ => Refusal::of(problem, Way::Client),
    }
}
