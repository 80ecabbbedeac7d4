//! Access tokens of our own: RFC 9068; those of users with the payload of the reference.

use keywright_core::{Claimed, CredentialId, DenialCode, Epochs, PublisherId, ScopeSet, SessionId, Wanted};
use serde_json::Value;

use super::ring::{Found, KeyRing};
use super::{Proof, Read, Unread};
use crate::jwt::{Claims, Compact, Expected, Refused};
use crate::source::KeySource;
use crate::verifier::VerifiedToken;

/// The media type of an access token (RFC 9068 §2.1): nothing else that we sign has it.
const ACCESS_TOKEN: &str = "at+jwt";

/// What our own access tokens say of where they come from and whom they are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnIssuer {
    /// `iss`.
    pub issuer: Box<str>,
    /// In `aud`.
    pub audience: Box<str>,
}

impl OwnIssuer {
    /// Verifies a token that says that it is ours.
    pub(super) async fn read<S: KeySource>(
        &self,
        compact: &Compact<'_>,
        claims: Claims,
        ring: &KeyRing<S>,
        epochs: Epochs,
    ) -> Result<Read, Unread> {
        let found = ring.find(key_of(compact)?, epochs.keys).await?;
        signed_by(compact, &found)?;
        let expected = Expected { issuer: &self.issuer, audiences: &[&*self.audience] };
        match claims.check(&expected, ring.now()) {
            // That it has expired is told of a credential that is known, after whether it was revoked.
            Ok(()) | Err(Refused::Expired) => {}
            Err(_) => return Err(DenialCode::NotFound.into()),
        }
        let (wanted, home, token) = access(claims).ok_or(DenialCode::Malformed)?;
        Ok(Read::new(token, wanted, home, Proof::Own(found.into())))
    }
}

/// The name of the key that an access token says it was signed by; what has not its type is none.
fn key_of<'a>(compact: &'a Compact<'_>) -> Result<&'a str, DenialCode> {
    if !compact.has_type(ACCESS_TOKEN) {
        return Err(DenialCode::Malformed);
    }
    compact.kid.as_deref().ok_or(DenialCode::NotFound)
}

fn signed_by(compact: &Compact<'_>, found: &Found) -> Result<(), DenialCode> {
    compact.verify(&found.key().key).map(drop).map_err(|_| DenialCode::NotFound)
}

/// What an access token was made from and may end with it, if a key of ours signed it, under whichever address that was.
/// A session ends whenever the token was made: its user logs in again. A service token ends only while the token is good,
/// since a partner that relies on it would fall silent for what nobody can use.
pub(super) async fn made_from<S: KeySource>(
    compact: &Compact<'_>,
    claims: Claims,
    ring: &KeyRing<S>,
    epochs: Epochs,
) -> Result<Wanted, Unread> {
    let found = ring.find_any(key_of(compact)?, epochs.keys).await?;
    signed_by(compact, &found)?;
    let ends_at = claims.ends_at();
    let (wanted, ..) = access(claims).ok_or(DenialCode::Malformed)?;
    if matches!(wanted, Wanted::TokenAccess { .. }) && ring.now().has_reached(Some(ends_at)) {
        return Err(DenialCode::Expired.into());
    }
    Ok(wanted)
}

/// What the store is asked for, the publisher that the token is for, and what the token says.
type Access = (Wanted, Option<PublisherId>, VerifiedToken);

/// What an access token says.
fn access(claims: Claims) -> Option<Access> {
    match claims.text("type")? {
        "user" => of_session(claims),
        "service" => of_service_token(claims),
        _ => None,
    }
}

fn of_session(claims: Claims) -> Option<Access> {
    let id: SessionId = claims.text("session_id")?.parse().ok()?;
    let home: Option<PublisherId> = match claims.all.get("publisher_id") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => Some(id.parse().ok()?),
        Some(_) => return None,
    };
    let permissions: Option<Vec<_>> =
        claims.all.get("permissions")?.as_array()?.iter().map(Value::as_str).collect();
    let scopes = ScopeSet::parse(permissions?).ok()?;
    Some((Wanted::Session { id, publisher: home }, home, claiming(claims, scopes)))
}

/// Of a service account, by `client_credentials`: which publisher it belongs to is asked of the store, with all
/// else about the service token that it was made from.
fn of_service_token(claims: Claims) -> Option<Access> {
    let id: CredentialId = claims.text("credential_id")?.parse().ok()?;
    let scopes = match claims.all.get("scope") {
        None => ScopeSet::default(),
        Some(scope) => ScopeSet::parse(scope.as_str()?.split(' ')).ok()?,
    };
    Some((Wanted::TokenAccess { id, publisher: None }, None, claiming(claims, scopes)))
}

fn claiming(claims: Claims, scopes: ScopeSet) -> VerifiedToken {
    let claimed = Claimed { expires_at: Some(claims.expires_at), scopes: Some(scopes) };
    VerifiedToken { claimed, claims: Value::Object(claims.all).to_string().into() }
}
