//! Access tokens of service accounts, by `client_credentials` (RFC 6749 §4.4): each is made from one service token,
//! speaks for the same account, carries no more, and is decided on by what is so with that token
//! (docs/decisions/0025). Nothing is stored.

use keywright_core::id::EventId;
use keywright_core::{
    Bearing, CredentialId, DenialCode, Facts, Grant, PublisherId, Requirements, Scope, ScopeSet,
    ServiceAccountId, Timestamp, Wanted, decide,
};
use keywright_store::grants;
use serde::Serialize;

use crate::authority::Authority;
use crate::entropy;
use crate::fault::Fault;
use crate::sessions::{AccessToken, ready, signing};
use crate::signing_keys::Kind;

/// The longest life of an access token of a service account, in seconds.
pub const LIFE_SECONDS: i64 = 15 * 60;

/// RFC 9068 §2.2, and which service token it was made from.
#[derive(Serialize)]
struct Claims<'a> {
    sub: ServiceAccountId,
    r#type: &'static str,
    client_id: ServiceAccountId,
    credential_id: CredentialId,
    publisher_id: Option<PublisherId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    exp: i64,
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    jti: String,
}

/// An access token of a service account.
#[derive(Debug)]
pub struct Made {
    /// The token.
    pub access_token: AccessToken,
    /// What it carries.
    pub scopes: ScopeSet,
    /// When it was made.
    pub now: Timestamp,
}

/// Makes an access token from the service token that `bearing` speaks of, which is read again: for all that it
/// carries now, or for what is `asked` of it.
///
/// # Errors
/// [`Fault::Denied`] when the service token is not accepted, or is no account's; [`Fault::ScopeExceedsGrantor`] when
/// more is asked than it carries; [`Fault::NotConfigured`] without `server.public_url`.
pub async fn make(authority: &Authority, bearing: &Bearing, asked: Option<ScopeSet>) -> Result<Made, Fault> {
    let nobodys = || Fault::Denied(DenialCode::NotFound.into());
    ready(authority).await?;
    let mut reader = authority.store().read().await?;
    let Wanted::Token { .. } = bearing.wanted else { return Err(nobodys()) };
    let loaded = grants::load(reader.conn(), &bearing.wanted).await?.ok_or_else(nobodys)?;
    let (grant, now) = (&loaded.grant, authority.now());
    let facts = Facts { now, address: bearing.address };
    decide(grant, None, loaded.epochs, &Requirements::none(), facts)?;
    let account = grant.account().ok_or_else(nobodys)?;
    let scopes = narrowed(grant, asked)?;
    let scope = scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ");
    let ((iss, aud), signer) = signing(authority, reader.conn(), now).await?;
    let expires_at = end(grant, now);
    let claims = Claims {
        sub: account.id,
        r#type: "service",
        client_id: account.id,
        credential_id: grant.credential_id,
        publisher_id: account.publisher,
        scope: Some(scope.as_str()).filter(|scope| !scope.is_empty()),
        exp: expires_at.as_seconds(),
        iss,
        aud,
        iat: now.as_seconds(),
        jti: EventId::generate(now, entropy::id()).to_string(),
    };
    let access_token = AccessToken::new(signer.sign(Kind::AccessToken, &claims)?, expires_at);
    Ok(Made { access_token, scopes, now })
}

/// What is asked, if the service token carries all of it.
fn narrowed(grant: &Grant, asked: Option<ScopeSet>) -> Result<ScopeSet, Fault> {
    let Some(asked) = asked else { return Ok(grant.scopes.clone()) };
    let missing: Vec<_> = grant.scopes.missing(&asked).into_iter().cloned().collect();
    if missing.is_empty() {
        return Ok(asked);
    }
    Err(Fault::ScopeExceedsGrantor {
        missing: ScopeSet::new(missing).unwrap_or_default(),
        detail: "the service token does not carry all of it".to_owned(),
    })
}

/// In a quarter of an hour, and never past the end of the service token or of its grace.
fn end(grant: &Grant, now: Timestamp) -> Timestamp {
    let ends = [grant.expires_at, grant.grace_expires_at];
    ends.into_iter().flatten().fold(now.plus_seconds(LIFE_SECONDS), Timestamp::min)
}
