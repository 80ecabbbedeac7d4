//! The key that signs now, unsealed once.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keywright_core::{SigningKeyId, Timestamp};
use keywright_store::{Conn, signing_keys};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::PURPOSE;
use super::pair::Pair;
use super::read::Jwks;
use crate::authority::Authority;
use crate::fault::Fault;

/// What is signed. Each kind names itself in `typ`, so that none passes for another (RFC 8725 §3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An access token (RFC 9068 §2.1).
    AccessToken,
    /// What is told of a token (RFC 9701 §5).
    Introspection,
}

impl Kind {
    const fn media_type(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::Introspection => "token-introspection+jwt",
        }
    }
}

/// A key that signs.
pub(crate) struct Signer {
    id: SigningKeyId,
    pair: Pair,
}

impl Signer {
    /// A token with these claims: a compact JWS (RFC 7515 §7.1).
    pub(crate) fn sign(&self, kind: Kind, claims: &impl Serialize) -> Result<Zeroizing<String>, Fault> {
        let internal = |error: &dyn std::fmt::Display| Fault::Internal(error.to_string());
        let header =
            json!({"typ": kind.media_type(), "alg": self.pair.algorithm(), "kid": self.id}).to_string();
        let payload = serde_json::to_vec(claims).map_err(|error| internal(&error))?;
        let mut token = Zeroizing::new(String::with_capacity((header.len() + payload.len()) * 2 + 700));
        BASE64_URL_SAFE_NO_PAD.encode_string(&header, &mut token);
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(&payload, &mut token);
        let signature = self.pair.sign(token.as_bytes()).map_err(|error| internal(&error))?;
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        Ok(token)
    }
}

/// What this node knows of the keys.
#[derive(Default)]
pub(crate) struct Signers {
    current: Mutex<Option<Arc<Signer>>>,
    pub(super) jwks: Mutex<Option<Arc<Jwks>>>,
}

impl Signers {
    /// Whether a key was there before.
    pub(crate) fn have_signed(&self) -> bool {
        self.current.lock().is_some()
    }
}

/// The key that signs at `now`, as it stands in this transaction; unsealed when it is another than before.
/// `None` before there is one.
///
/// # Errors
/// [`Fault::Internal`] when no configured master key opens it.
pub(crate) async fn signer(
    authority: &Authority,
    conn: Conn<'_>,
    now: Timestamp,
) -> Result<Option<Arc<Signer>>, Fault> {
    let Some(row) = signing_keys::signing(conn, now).await? else { return Ok(None) };
    let known = authority.signers().current.lock().clone();
    if let Some(known) = known.filter(|known| known.id == row.id) {
        return Ok(Some(known));
    }
    let sealed = row.sealed_key.as_deref().unwrap_or_default();
    let der = authority
        .keys()
        .open(PURPOSE, row.id.0.as_bytes(), sealed)
        .map_err(|error| Fault::Internal(format!("signing key {}: {error}", row.id)))?;
    let pair = Pair::from_pkcs8(row.algorithm, &der).map_err(|error| Fault::Internal(error.to_string()))?;
    let signer = Arc::new(Signer { id: row.id, pair });
    *authority.signers().current.lock() = Some(Arc::clone(&signer));
    Ok(Some(signer))
}
