//! What a request presents: the same at the authority's doors and at those of a service behind the client.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

static API_KEY: HeaderName = HeaderName::from_static("x-api-key");
static CLOUDFLARE: HeaderName = HeaderName::from_static("cf-access-jwt-assertion");

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
/// `Cf-Access-Jwt-Assertion`, which Cloudflare adds to every request. The same one twice is one; different ones
/// conflict, since who is asked and who acts might take different ones.
pub fn presented(headers: &HeaderMap) -> Presented<'_> {
    let bearers = headers.get_all(AUTHORIZATION).iter().filter_map(|value| bearer(value.as_bytes()));
    let keys = headers.get_all(&API_KEY).iter().map(HeaderValue::as_bytes);
    match one_of(bearers.chain(keys)) {
        Presented::Nothing => one_of(headers.get_all(&CLOUDFLARE).iter().map(HeaderValue::as_bytes)),
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
    use proptest::prelude::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
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

    proptest! {
        #[test]
        fn what_is_taken_stood_in_a_header(values in proptest::collection::vec("[ -~]{0,20}", 0..4)) {
            let pairs: Vec<_> = values.iter().map(|value| ("authorization", value.as_str())).collect();
            if let Presented::Credential(taken) = presented(&headers(&pairs)) {
                prop_assert!(values.iter().any(|value| value.trim().as_bytes().ends_with(taken)));
            }
        }
    }
}
