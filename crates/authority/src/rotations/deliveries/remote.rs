//! What deliveries over HTTPS share: a call with the key that lets it in, and what of its answer is kept.

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Method;
use serde_json::Value;

use super::Outcome;
use crate::authority::Authority;
use crate::connector::{Answer, Outgoing, Target};

/// Bytes of an answer that are read.
const MOST_BYTES: usize = 64 * 1024;

/// A call that belongs to a delivery.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) target: &'a Target,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Vec<u8>,
    /// Whether the new secret is in it, sealed or not.
    pub(super) carries: bool,
}

impl<'a> Call<'a> {
    /// Asks for something that the delivery goes by.
    pub(super) const fn asking(target: &'a Target, headers: Vec<(HeaderName, String)>) -> Self {
        Self { method: Method::GET, target, headers, body: Vec::new(), carries: false }
    }

    /// Brings the new secret.
    pub(super) fn carrying(
        method: Method,
        target: &'a Target,
        headers: Vec<(HeaderName, String)>,
        body: &Value,
    ) -> Self {
        Self { method, target, headers, body: body.to_string().into_bytes(), carries: true }
    }
}

/// What keeps a delivery from going on.
pub(super) type Stop = Outcome;

/// Nothing of the secret has left.
pub(super) fn not_sent(why: impl Into<String>) -> Stop {
    Outcome::NotSent(why.into())
}

/// Makes a call; any answer is an answer.
pub(super) async fn send(authority: &Authority, call: Call<'_>) -> Result<Answer, Stop> {
    let mut headers = HeaderMap::new();
    for (name, value) in call.headers {
        let Ok(mut value) = HeaderValue::from_str(&value) else {
            return Err(not_sent("what lets the delivery in is no header"));
        };
        let plain = [ACCEPT, CONTENT_TYPE].contains(&name);
        value.set_sensitive(!plain);
        headers.insert(name, value);
    }
    let carries = call.carries;
    let outgoing = Outgoing {
        method: call.method,
        target: call.target,
        headers,
        body: call.body,
        most_bytes: MOST_BYTES,
    };
    authority.connector().send(outgoing).await.map_err(|failure| {
        if failure.nothing_sent || !carries {
            Outcome::NotSent(failure.reason)
        } else {
            Outcome::Unknown(failure.reason)
        }
    })
}

/// What became of the call that carried the secret. Only a success says that it was taken, and nothing says that it
/// was not: a redirect or a refusal comes from somebody who has read it.
pub(super) async fn bring(authority: &Authority, call: Call<'_>) -> Outcome {
    match send(authority, call).await {
        Ok(answer) if answer.is_success() => Outcome::Delivered(format!("answered {}", answer.status)),
        Ok(answer) => Outcome::Unknown(format!("answered {}", answer.status)),
        Err(stop) => stop,
    }
}

/// An address as it may be called.
pub(super) fn target(authority: &Authority, url: &str) -> Result<Target, Stop> {
    authority.connector().target(url).map_err(|error| not_sent(format!("the address {error}")))
}

/// An address below one that was configured.
pub(super) fn below(authority: &Authority, base: &str, segments: &[&str]) -> Result<Target, Stop> {
    let wrong = || not_sent("the address is none");
    // A segment that means another place would be left out of the path, or climb in it.
    if segments.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
        return Err(wrong());
    }
    let mut url = url::Url::parse(base).map_err(|_| wrong())?;
    url.set_query(None);
    url.set_fragment(None);
    // Each segment stays one, whatever is in it.
    url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend(segments);
    target(authority, url.as_str())
}

/// Whether it is an address below which others can be called.
pub(super) fn is_base(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| url.query().is_none() && url.fragment().is_none())
}

pub(super) fn bearer(key: &str) -> (HeaderName, String) {
    (AUTHORIZATION, format!("Bearer {key}"))
}

pub(super) fn content(kind: &str) -> (HeaderName, String) {
    (CONTENT_TYPE, kind.to_owned())
}

/// The body of an answer; null when it is no JSON.
pub(super) fn read(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}
