//! Who is at the other end: request id, client address, user agent.

use std::net::IpAddr;

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName};
use keywright_core::address;

use super::shown::shown;
use crate::config::Networks;

/// `X-Request-Id`.
pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
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
        let input = LoadInput { flags, dev: true, ..LoadInput::default() };
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
