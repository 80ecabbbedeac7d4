//! The compact serialization of a JWS (RFC 7515 §7.1): three parts of base64url, of which the signature covers
//! the first two as they stand.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::json;
use super::jwk::{Algorithm, PublicKey};

/// Longest `kid`, `typ` or `alg` that is looked at, in bytes.
const MAX_HEADER_TEXT: usize = 255;

/// Why a text is no JWS that is looked at, or its signature not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Not three parts of base64url without padding or stray bits, or the header no strict JSON object.
    #[error("not a compact JWS")]
    Form,
    /// `alg` is `none`, an HMAC, or another that is not known here.
    #[error("an algorithm that is not accepted")]
    Algorithm,
    /// `crit` or `b64`: the token asks for an extension, and none is implemented.
    #[error("an extension that is not accepted")]
    Extension,
    /// The algorithm is not the key's, or the signature not of these bytes by this key.
    #[error("the signature is not of this key")]
    Signature,
}

/// A JWS taken apart. **Nothing in it is true until [`Compact::verify`] said so.**
pub struct Compact<'a> {
    /// What the signature covers.
    signed: &'a [u8],
    payload: &'a [u8],
    signature: Vec<u8>,
    /// The algorithm that the header names. The key decides; this must only agree.
    pub algorithm: Algorithm,
    /// The key that it says it was signed with: an opaque text.
    pub kid: Option<Box<str>>,
    /// The type of the token.
    pub typ: Option<Box<str>>,
}

impl fmt::Debug for Compact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compact(redacted)")
    }
}

impl<'a> Compact<'a> {
    /// Takes a token apart. `jku`, `x5u`, `jwk`, `x5c` and unknown members of the header are passed over.
    ///
    /// # Errors
    /// What is wrong with its form; all of it is `malformed`.
    pub fn parse(token: &'a [u8]) -> Result<Self, JwsError> {
        let second = token.iter().rposition(|b| *b == b'.').ok_or(JwsError::Form)?;
        let first = token[..second].iter().position(|b| *b == b'.').ok_or(JwsError::Form)?;
        let (header, payload, signature) = (&token[..first], &token[first + 1..second], &token[second + 1..]);
        let header = json::object(&decode(header)?).map_err(|_| JwsError::Form)?;
        if header.contains_key("crit") || header.contains_key("b64") {
            return Err(JwsError::Extension);
        }
        let algorithm = text(&header, "alg")?.ok_or(JwsError::Form)?;
        Ok(Self {
            signed: &token[..second],
            payload,
            signature: decode(signature)?,
            algorithm: Algorithm::parse(&algorithm).ok_or(JwsError::Algorithm)?,
            kid: text(&header, "kid")?,
            typ: text(&header, "typ")?,
        })
    }

    /// Whether `typ` is this media type, however it is written (RFC 7515 §4.1.9).
    pub fn has_type(&self, wanted: &str) -> bool {
        self.typ.as_deref().is_some_and(|typ| {
            let short = typ.get(..12).filter(|prefix| prefix.eq_ignore_ascii_case("application/"));
            typ[short.map_or(0, str::len)..].eq_ignore_ascii_case(wanted)
        })
    }

    /// The payload as it came. **Anybody may have written it**: it tells which keys to try, and nothing else.
    ///
    /// # Errors
    /// [`JwsError::Form`] of what is no base64url.
    pub fn unverified_payload(&self) -> Result<Vec<u8>, JwsError> {
        decode(self.payload)
    }

    /// The payload, if the signature over it is this key's, by the algorithm of the key.
    ///
    /// # Errors
    /// [`JwsError::Signature`]; [`JwsError::Form`] of a payload that is no base64url.
    pub fn verify(&self, key: &PublicKey) -> Result<Vec<u8>, JwsError> {
        if self.algorithm != key.algorithm() || !key.verifies(self.signed, &self.signature) {
            return Err(JwsError::Signature);
        }
        decode(self.payload)
    }
}

/// The text of a member, where it is there.
fn text(header: &Map<String, Value>, name: &str) -> Result<Option<Box<str>>, JwsError> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if (1..=MAX_HEADER_TEXT).contains(&text.len()) => {
            Ok(Some(text.as_str().into()))
        }
        Some(_) => Err(JwsError::Form),
    }
}

/// Without padding, and without bits that say nothing: each value has one spelling (RFC 4648 §3.5).
fn decode(part: &[u8]) -> Result<Vec<u8>, JwsError> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Form)
}
