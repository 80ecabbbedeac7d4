//! Who is at the other end: request id, client address, and what they present.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderName};
use keywright_core::address;

use super::shown::shown;
use crate::config::Networks;

/// `X-Request-Id`.
pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static API_KEY: HeaderName = HeaderName::from_static("x-api-key");
static CLOUDFLARE: HeaderName = HeaderName::from_static("cf-access-jwt-assertion");
static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const MAX_REQUEST_ID: usize = 64;

/// The request id that the client chose, if it is one.
pub fn request_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(&REQUEST_ID)?.to_str().ok()?;
    let fits = (1..=MAX_REQUEST_ID).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && shown(id).len() == id.len();
    fits.then_some(id)
}

/// The client's address (verification.md, Client address): the peer's, unless the peer is a trusted
/// proxy; then the right-most forwarded address that is not one itself. `None` when a proxy that is
/// trusted forwarded something that is no address: never a guess.
pub fn client_address(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &Networks) -> Option<IpAddr> {
    let peer = address::canonical(peer?);
    if !trusted.contains(peer) {
        return Some(peer);
    }
    let mut nearest = peer;
    let values: Vec<_> = headers.get_all(&FORWARDED_FOR).iter().collect();
    for value in values.iter().rev() {
        for hop in value.to_str().ok()?.rsplit(',') {
            nearest = address::parse(hop.trim())?;
            if !trusted.contains(nearest) {
                return Some(nearest);
            }
        }
    }
    Some(nearest)
}

/// The user agent, as far as it is text, and no further than where a secret stands in it.
pub fn user_agent(headers: &HeaderMap) -> Option<&str> {
    headers.get(USER_AGENT)?.to_str().ok().map(shown)
}

/// What a request presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    /// Nothing.
    Nothing,
    /// One credential.
    Credential(&'a [u8]),
    /// Different ones.
    Conflicting,
}

/// The credential of `Authorization: Bearer` (RFC 6750 §2.1) or `X-API-Key`; without either, of
/// `Cf-Access-Jwt-Assertion`, which Cloudflare adds to every request. The same one twice is one.
pub fn presented(headers: &HeaderMap) -> Presented<'_> {
    let bearers = headers.get_all(AUTHORIZATION).iter().filter_map(|value| bearer(value.as_bytes()));
    let keys = headers.get_all(&API_KEY).iter().map(http::HeaderValue::as_bytes);
    match one_of(bearers.chain(keys)) {
        Presented::Nothing => one_of(headers.get_all(&CLOUDFLARE).iter().map(http::HeaderValue::as_bytes)),
        presented => presented,
    }
}

fn one_of<'a>(credentials: impl Iterator<Item = &'a [u8]>) -> Presented<'a> {
    let mut found: Option<&[u8]> = None;
    for credential in credentials {
        match found {
            Some(other) if other != credential => return Presented::Conflicting,
            _ => found = Some(credential),
        }
    }
    found.map_or(Presented::Nothing, Presented::Credential)
}

/// The scheme is compared without case (RFC 9110 §11.1). Another scheme presents nothing to us.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return None;
    }
    match rest {
        [] => Some(rest),
        [b' ', credential @ ..] => Some(credential),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LoadInput, load};
    use proptest::prelude::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    fn networks(text: &str) -> Networks {
        let flags = vec![("server.trusted_proxies".to_owned(), text.to_owned())];
        let input = LoadInput { flags, file: None, default_file: None, environment: Vec::new(), dev: true };
        load(&input).config.unwrap().server.trusted_proxies
    }

    fn ip(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn forwarded_addresses_count_from_trusted_peers_only() {
        let trusted = networks("10.0.0.0/8, fd00::/8");
        for (peer, forwarded, client) in [
            ("192.0.2.1", vec!["203.0.113.9"], ip("192.0.2.1")),
            ("10.0.0.1", vec!["203.0.113.9"], ip("203.0.113.9")),
            ("10.0.0.1", vec!["198.51.100.7, 203.0.113.9, 10.0.0.2"], ip("203.0.113.9")),
            ("10.0.0.1", vec!["198.51.100.7", "203.0.113.9", "10.0.0.2"], ip("203.0.113.9")),
            ("::ffff:10.0.0.1", vec!["::ffff:203.0.113.9"], ip("203.0.113.9")),
            ("10.0.0.1", vec!["203.0.113.9, unknown"], None),
            ("10.0.0.1", vec!["203.0.113.9:443"], None),
            ("10.0.0.1", vec![""], None),
            ("10.0.0.1", vec![], ip("10.0.0.1")),
            ("10.0.0.1", vec!["10.0.0.3"], ip("10.0.0.3")),
        ] {
            let pairs: Vec<_> = forwarded.iter().map(|value| ("x-forwarded-for", *value)).collect();
            assert_eq!(
                client_address(peer.parse().ok(), &headers(&pairs), &trusted),
                client,
                "{peer} {forwarded:?}"
            );
        }
    }

    #[test]
    fn two_different_credentials_conflict_and_the_same_twice_is_one() {
        let auth = |value| ("authorization", value);
        let key = |value| ("x-api-key", value);
        let cloudflare = |value| ("cf-access-jwt-assertion", value);
        let cases: [(&[(&'static str, &str)], Presented<'_>); 13] = [
            (&[], Presented::Nothing),
            (&[auth("Bearer a")], Presented::Credential(b"a")),
            (&[auth("bEARER a")], Presented::Credential(b"a")),
            (&[auth("Basic a")], Presented::Nothing),
            (&[auth("Bearer a"), key("a")], Presented::Credential(b"a")),
            (&[auth("Bearer a"), key("b")], Presented::Conflicting),
            (&[auth("Bearer a"), auth("Bearer b")], Presented::Conflicting),
            (&[auth("Bearer")], Presented::Credential(b"")),
            (&[cloudflare("c")], Presented::Credential(b"c")),
            (&[cloudflare("c"), auth("Bearer a")], Presented::Credential(b"a")),
            (&[cloudflare("c"), key("a")], Presented::Credential(b"a")),
            (&[cloudflare("c"), auth("Basic a")], Presented::Credential(b"c")),
            (&[cloudflare("c"), cloudflare("d")], Presented::Conflicting),
        ];
        for (pairs, expected) in cases {
            assert_eq!(presented(&headers(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn only_a_plain_request_id_is_taken() {
        assert_eq!(request_id(&headers(&[("x-request-id", "a.B_9-")])), Some("a.B_9-"));
        for bad in ["", "a b", "a\u{e9}", "a\"", &"a".repeat(65)] {
            assert_eq!(request_id(&headers(&[("x-request-id", bad)])), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn forwarded_headers_never_panic(value in "[ -~]{0,80}", peer: IpAddr) {
            let map = headers(&[("x-forwarded-for", value.as_str())]);
            let _ = client_address(Some(peer), &map, &networks("10.0.0.0/8"));
            prop_assert_eq!(client_address(Some(peer), &map, &Networks::default()), Some(address::canonical(peer)));
        }
    }
}
