//! The claims of a JWT (RFC 7519 §4), the registered ones strictly typed.

use keywright_core::{LEEWAY_SECONDS, Timestamp};
use serde_json::{Map, Number, Value};

use super::json;

/// Longest `iss`, `sub`, `jti` or member of `aud`, in bytes.
const MAX_TEXT: usize = 2048;
/// Most members of `aud`.
const MAX_AUDIENCES: usize = 100;
/// The first second that is not in the year 9999 any more.
const END_OF_TIME: i64 = 253_402_300_800;

/// The payload is no set of claims: no strict JSON object, or a registered claim of a wrong type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// Not a JSON object with each member once.
    #[error("not a JSON object with each member once")]
    Form,
    /// A registered claim that has not the type or range that it must have.
    #[error("the claim {0} is not what it must be")]
    Claim(&'static str),
    /// `exp` is missing: a token that never ends is not accepted.
    #[error("the claim exp is missing")]
    Endless,
}

/// Why claims that can be read are not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// `iss` is another.
    #[error("another issuer")]
    Issuer,
    /// `aud` names none of those expected.
    #[error("another audience")]
    Audience,
    /// `nbf` is in the future.
    #[error("not valid yet")]
    NotYet,
    /// `exp` is past.
    #[error("expired")]
    Expired,
}

/// What is expected of a token.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a, A: AsRef<str>> {
    /// Exactly this `iss`.
    pub issuer: &'a str,
    /// One of these in `aud`.
    pub audiences: &'a [A],
}

/// The claims of a token whose signature was verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// `iss`.
    pub issuer: Option<Box<str>>,
    /// `sub`.
    pub subject: Option<Box<str>>,
    /// `aud`, one or many.
    pub audiences: Box<[Box<str>]>,
    /// `jti`.
    pub id: Option<Box<str>>,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `nbf`.
    pub not_before: Option<Timestamp>,
    /// `iat`.
    pub issued_at: Option<Timestamp>,
    /// All of them, the above included.
    pub all: Map<String, Value>,
}

impl Claims {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`ClaimsError`]; all of it is `malformed`.
    pub fn parse(payload: &[u8]) -> Result<Self, ClaimsError> {
        let all = json::object(payload).map_err(|_| ClaimsError::Form)?;
        Ok(Self {
            issuer: text(&all, "iss")?,
            subject: text(&all, "sub")?,
            audiences: audiences(&all)?,
            id: text(&all, "jti")?,
            expires_at: time(&all, "exp")?.ok_or(ClaimsError::Endless)?,
            not_before: time(&all, "nbf")?,
            issued_at: time(&all, "iat")?,
            all,
        })
    }

    /// The end of the token, the leeway included.
    pub fn ends_at(&self) -> Timestamp {
        self.expires_at.plus_seconds(LEEWAY_SECONDS)
    }

    /// Whether the token is from whom, for whom and of the time that is expected.
    ///
    /// # Errors
    /// The first [`Refused`] that applies.
    pub fn check<A: AsRef<str>>(&self, expected: &Expected<'_, A>, now: Timestamp) -> Result<(), Refused> {
        if self.issuer.as_deref() != Some(expected.issuer) {
            return Err(Refused::Issuer);
        }
        let meant = |audience: &A| self.audiences.iter().any(|named| **named == *audience.as_ref());
        if !expected.audiences.iter().any(meant) {
            return Err(Refused::Audience);
        }
        if self.not_before.is_some_and(|begin| now.plus_seconds(LEEWAY_SECONDS) < begin) {
            return Err(Refused::NotYet);
        }
        if now.has_reached(Some(self.ends_at())) { Err(Refused::Expired) } else { Ok(()) }
    }

    /// The text of a claim, if it is one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name)?.as_str()
    }
}

fn text(all: &Map<String, Value>, name: &'static str) -> Result<Option<Box<str>>, ClaimsError> {
    match all.get(name) {
        None => Ok(None),
        Some(value) => short(value).map(Some).ok_or(ClaimsError::Claim(name)),
    }
}

fn short(value: &Value) -> Option<Box<str>> {
    value.as_str().filter(|text| text.len() <= MAX_TEXT).map(Into::into)
}

fn audiences(all: &Map<String, Value>) -> Result<Box<[Box<str>]>, ClaimsError> {
    let read = match all.get("aud") {
        None => Some(Box::default()),
        Some(Value::Array(list)) if list.len() <= MAX_AUDIENCES => list.iter().map(short).collect(),
        Some(one) => short(one).map(|one| [one].into()),
    };
    read.ok_or(ClaimsError::Claim("aud"))
}

/// A `NumericDate` (RFC 7519 §2): seconds since the epoch, a fraction allowed, within the years 1970 to 9999.
fn time(all: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, ClaimsError> {
    match all.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => micros(number).map(Some).ok_or(ClaimsError::Claim(name)),
        Some(_) => Err(ClaimsError::Claim(name)),
    }
}

fn micros(seconds: &Number) -> Option<Timestamp> {
    if let Some(whole) = seconds.as_i64() {
        return (0..END_OF_TIME).contains(&whole).then(|| Timestamp::EPOCH.plus_seconds(whole));
    }
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
    let within = seconds.as_f64().filter(|seconds| (0.0..END_OF_TIME as f64).contains(seconds))?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "within range, and the rest of a microsecond is cut off"
    )]
    Some(Timestamp::from_micros((within * 1e6) as i64))
}
