//! `POST /oauth2/revoke`: ends a token (RFC 7009).
//!
//! Who has a token in the hand could use it, and may end it: of a client that says who it is only what is its own,
//! or what it could revoke by the API as well. Whatever else is presented changes nothing, and is answered alike.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CACHE_CONTROL;
use keywright_api::oauth::{OAuthError, OAuthErrorCode, RevocationForm};
use keywright_authority::revocation::{self, Held};
use keywright_authority::service_tokens::{self, Target};
use keywright_authority::{Call, Fault, personal_tokens};
use keywright_core::secret::sort_refresh;
use keywright_core::{Actor, DenialCode, Facts, Requirements, Wanted};
use zeroize::Zeroizing;

use super::client::{self, Caller};
use super::refusal::{Refusal, Way};
use super::{Posted, told, verification};
use crate::http::App;
use crate::http::answer::Refused;
use crate::http::auth::verification::Verification;
use crate::http::auth::verify::Asked;
use crate::http::client::user_agent;
use crate::http::gate::unavailable;
use crate::http::guest::Guest;
use crate::http::look_up::{Found, Looked, look_up};

/// The path, as it is recorded.
const PATH: &str = "/oauth2/revoke";

/// End a token (RFC 7009): in force when the call returns.
///
/// A service token or a personal token is revoked; of a refresh token or a user's access token the session ends. What
/// is unknown, has ended, or is not the caller's to end changes nothing, and is answered alike.
#[utoipa::path(
    post, path = "/oauth2/revoke", tag = "oauth", operation_id = "revoke_token",
    security(("client_secret_basic" = []), ("bearer" = []), ("api_key" = []), ()),
    request_body(content = RevocationForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "It is not accepted, or it was never the caller's to end"),
        (status = "4XX", description = "The request was not carried out", body = OAuthError),
        (status = "5XX", description = "Not carried out, or its outcome is unknown", body = OAuthError)),
)]
pub async fn revoke(State(app): State<App>, guest: Guest, request: Request) -> Response {
    let posted = match Posted::read(request).await {
        Ok(posted) => posted,
        Err(refusal) => return refusal.into_response(),
    };
    let asked = posted.asked(&app, PATH);
    let answered = answer(&app, &guest, &posted, &asked).await;
    let done = |()| (StatusCode::OK, [(CACHE_CONTROL, "no-store")]).into_response();
    told(answered.map(done), asked.taken)
}

async fn answer(app: &App, guest: &Guest, posted: &Posted, asked: &Asked<'_>) -> Result<(), Refusal> {
    let verification = verification(app, asked);
    let caller = client::caller(&verification, &posted.parameters, &Requirements::none()).await?;
    let way = caller.as_ref().map_or(Way::Client, |caller| caller.way);
    let token = posted.parameters.required("token")?;
    let principal = caller.as_ref().map(|caller| caller.found.known.grant().principal_id());
    let ours = |fault: Fault| Refusal::of(&Refused::from(fault).0, way);
    if sort_refresh(token.as_bytes()).is_some() {
        let presented = Zeroizing::new(token.to_owned());
        let ended = revocation::end_by_refresh(app.authority(), guest.visitor(), presented, principal);
        return ended.await.map_err(ours);
    }
    let now = app.authority().clock().boot_micros();
    let found = match look_up(app, (token.as_bytes(), None), asked.ip_address, now).await {
        Looked::Known(found) => found,
        Looked::Denied(_) => return Ok(()),
        Looked::Unavailable => return Err(Refusal::of(&unavailable(), way)),
    };
    let Some(held) = held(app, &found)? else { return Ok(()) };
    match caller {
        Some(caller) if principal != Some(found.known.grant().principal_id()) => {
            by_right(&verification, &caller, held).await
        }
        _ => revocation::end(app.authority(), guest.visitor(), held).await.map_err(ours),
    }
}

/// What is held; nothing of what has ended.
fn held(app: &App, found: &Found) -> Result<Option<Held>, Refusal> {
    let grant = found.known.grant();
    let facts = Facts::at(app.authority().clock().at(found.at));
    let code = found.known.admit(facts).err().map(|denial| denial.code);
    if matches!(code, Some(DenialCode::Revoked | DenialCode::Expired)) {
        return Ok(None);
    }
    Ok(match &found.wanted {
        Wanted::Token { .. } => Some(Held::Service(grant.credential_id, grant.principal_ref())),
        Wanted::Personal { .. } => grant.user().map(|user| Held::Personal(grant.credential_id, user.id)),
        Wanted::Session { id, .. } => Some(Held::Session(*id)),
        Wanted::TokenAccess { .. } => {
            return Err(unsupported("It ends by itself, and with the service token that it was made from."));
        }
        Wanted::External { .. } => return Err(unsupported("It is another issuer's: that one ends it.")),
    })
}

fn unsupported(description: &'static str) -> Refusal {
    Refusal::new(OAuthErrorCode::UnsupportedTokenType, description)
}

/// What is another's ends by the rights of the caller, as at the API, or not at all. Of a user's sessions those ends
/// are by the user.
async fn by_right(verification: &Verification<'_>, caller: &Caller, held: Held) -> Result<(), Refusal> {
    let authority = verification.app.authority();
    let call = call(verification.asked, &caller.found);
    let ended = match held {
        Held::Service(id, _) => service_tokens::revoke(authority, call, Target::Id(id), None).await.map(drop),
        Held::Personal(id, user) => {
            personal_tokens::revoke_of_user(authority, call, user, id, None).await.map(drop)
        }
        Held::Session(_) => return Ok(()),
    };
    match ended {
        Ok(()) | Err(Fault::NotFound) => Ok(()),
        Err(Fault::Denied(denial)) if denial.code == DenialCode::InsufficientScope => Ok(()),
        Err(fault) => {
            let code = if let Fault::Denied(denial) = &fault { Some(denial.code) } else { None };
            let problem = Refused::from(fault).0;
            let problem = match code {
                // Accepted a moment ago, and not any more.
                Some(code) => verification.refusal(code.into(), Some(&caller.found.known), problem).await,
                None => problem,
            };
            Err(Refusal::of(&problem, caller.way))
        }
    }
}

/// The call of whoever was let in.
fn call(asked: &Asked<'_>, found: &Found) -> Call {
    Call {
        actor: Actor::Bearer(Box::new(found.bearing(asked.ip_address))),
        permissions: found.known.scopes().into_owned(),
        publisher: found.known.grant().publisher(),
        request_id: asked.request_id.to_owned(),
        ip_address: asked.ip_address,
        user_agent: user_agent(asked.headers).map(str::to_owned),
        idempotency: None,
        if_version: None,
        confirm: false,
    }
}
