//! JWTs of other issuers: Cloudflare Access, and whichever OIDC issuer is configured.

use std::sync::Arc;

use keywright_core::{Claimed, DenialCode, ExternalIdentity, Mapping, Timestamp, Wanted};
use serde_json::json;

use super::issuer_keys::IssuerKeys;
use super::mapping::{Mapped, MappingRules};
use super::{Proof, Read, Unread};
use crate::jwt::{Algorithm, Claims, Compact, Expected, Refused};
use crate::verifier::VerifiedToken;

/// The media types that a token about somebody may have; most issuers name none. What is made for another
/// purpose (a logout, an event) has another (RFC 8725 §3.11).
const TYPES: [&str; 2] = ["JWT", "at+jwt"];

/// An issuer whose word counts, and for what.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// `iss`, exactly.
    pub issuer: Box<str>,
    /// One of these must be in `aud`.
    pub audiences: Box<[Box<str>]>,
    /// How it may sign.
    pub algorithms: Box<[Algorithm]>,
    /// Where its keys are; `None`: where its discovery document says.
    pub jwks_url: Option<Box<str>>,
    /// Who its identities are here.
    pub rules: MappingRules,
}

/// By which keys of which issuer a token was verified.
#[derive(Debug)]
pub(super) struct ExternalProof {
    keys: Arc<IssuerKeys>,
    generation: u64,
}

impl ExternalProof {
    pub(super) fn holds(&self, boot_micros: i64) -> bool {
        self.keys.proves(self.generation, boot_micros)
    }
}

/// Verifies a token that says that it is of this issuer.
pub(super) async fn read(
    keys: &Arc<IssuerKeys>,
    compact: &Compact<'_>,
    claims: Claims,
    now: impl Fn() -> Timestamp,
) -> Result<Read, Unread> {
    let issuer = &keys.issuer;
    let typed = compact.typ.is_none() || TYPES.iter().any(|typ| compact.has_type(typ));
    if !typed || !issuer.algorithms.contains(&compact.algorithm) {
        return Err(DenialCode::Malformed.into());
    }
    let kid = compact.kid.as_deref().ok_or(DenialCode::NotFound)?;
    let known = keys.find(kid).await?;
    let key = known.set.get(kid).ok_or(DenialCode::NotFound)?;
    compact.verify(key).map_err(|_| DenialCode::NotFound)?;
    let expected = Expected { issuer: &issuer.issuer, audiences: &issuer.audiences };
    match claims.check(&expected, now()) {
        Ok(()) | Err(Refused::Expired) => {}
        Err(_) => return Err(DenialCode::NotFound.into()),
    }
    let mapped = issuer.rules.map(&claims).ok_or(DenialCode::NotFound)?;
    let proof = ExternalProof { keys: Arc::clone(keys), generation: known.generation };
    Ok(identified(issuer, mapped, claims.expires_at, Proof::External(proof)))
}

fn identified(issuer: &Issuer, mapped: Mapped, expires_at: Timestamp, proof: Proof) -> Read {
    let context = json!({"issuer": issuer.issuer, "subject": mapped.subject, "email": mapped.email});
    let claimed = Claimed { expires_at: Some(expires_at), scopes: None };
    let home = match &mapped.mapping {
        Mapping::User { publishers: Some(publishers), .. } if publishers.len() == 1 => Some(publishers[0]),
        Mapping::User { .. } => None,
        Mapping::Principal { publisher, .. } => *publisher,
    };
    let Mapped { subject, mapping, .. } = mapped;
    let identity = Arc::new(ExternalIdentity { issuer: issuer.issuer.clone(), subject, mapping });
    let wanted = Wanted::External { identity, publisher: home };
    Read::new(VerifiedToken { claimed, claims: context.to_string().into() }, wanted, home, proof)
}
