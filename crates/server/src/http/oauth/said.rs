//! How a request says who calls: as a client, by its id and a service token of that account (RFC 6749 §2.3.1), or by a
//! credential. Never in two ways at once.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use keywright_api::presented::{Presented, presented};
use keywright_core::ServiceAccountId;
use percent_encoding::percent_decode;
use zeroize::Zeroizing;

use super::form::Parameters;

/// How a request says who sends it.
pub enum Said<'a> {
    /// Not at all.
    Nothing,
    /// By a credential.
    Bearer(&'a [u8]),
    /// As a client.
    Client(Client),
    /// In more than one way.
    Twice,
}

/// A client, as it says. Its secret is printed by nothing.
pub struct Client {
    /// Its id; one that is none is nobody's.
    pub id: Option<ServiceAccountId>,
    /// What it has for a secret, of whatever form.
    pub secret: Zeroizing<String>,
}

impl<'a> Said<'a> {
    /// Reads headers and form.
    pub fn read(headers: &'a HeaderMap, parameters: &Parameters) -> Self {
        let values = || headers.get_all(AUTHORIZATION).iter().map(http::HeaderValue::as_bytes);
        let mut basics = values().filter_map(|value| after_scheme(value, b"basic"));
        let (basic, another) = (basics.next(), basics.next().is_some());
        let posted = parameters.get("client_secret");
        // What Cloudflare adds to every request says nothing here.
        let bears = headers.contains_key("x-api-key")
            || values().any(|value| after_scheme(value, b"bearer").is_some());
        if basic.is_none() && posted.is_none() {
            return match presented(headers) {
                _ if !bears => Self::Nothing,
                Presented::Nothing => Self::Nothing,
                Presented::Conflicting => Self::Twice,
                Presented::Credential(credential) => Self::Bearer(credential),
            };
        }
        let id = parameters.get("client_id");
        match (basic, posted) {
            _ if another || bears => Self::Twice,
            (Some(_), Some(_)) => Self::Twice,
            (Some(encoded), None) => {
                let client = of_basic(encoded);
                // An id that stands in the form as well must be the same.
                let same = id.is_none_or(|id| id.parse().ok() == client.id);
                if same { Self::Client(client) } else { Self::Twice }
            }
            (None, posted) => Self::Client(Client {
                id: id.and_then(|id| id.parse().ok()),
                secret: Zeroizing::new(posted.unwrap_or_default().to_owned()),
            }),
        }
    }
}

/// What stands behind a scheme, which is compared without case (RFC 9110 §11.1).
fn after_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (named, rest) = value.split_at_checked(scheme.len())?;
    match rest {
        _ if !named.eq_ignore_ascii_case(scheme) => None,
        [] => Some(rest),
        [b' ', rest @ ..] => Some(rest),
        _ => None,
    }
}

/// Id and secret, each encoded as in a form, joined by a colon, in base64. What is not that is nobody's.
fn of_basic(encoded: &[u8]) -> Client {
    let decoded = BASE64_STANDARD.decode(encoded.trim_ascii()).map(Zeroizing::new);
    let pair = decoded.ok().and_then(|decoded| {
        let at = decoded.iter().position(|byte| *byte == b':')?;
        Some((of_form(&decoded[..at])?, of_form(&decoded[at + 1..])?))
    });
    match pair {
        Some((id, secret)) => Client { id: id.parse().ok(), secret },
        None => Client { id: None, secret: Zeroizing::default() },
    }
}

fn of_form(part: &[u8]) -> Option<Zeroizing<String>> {
    let spaced: Vec<u8> = part.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let spaced = Zeroizing::new(spaced);
    let bytes = Zeroizing::new(percent_decode(&spaced).collect::<Vec<u8>>());
    std::str::from_utf8(&bytes).ok().map(|text| Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "0198c0de-0000-7000-8000-000000000000";

    fn said(headers: &[(&'static str, &str)], form: &str) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let parameters = Parameters::read(form.as_bytes()).unwrap_or_else(|_| unreachable!());
        match Said::read(&map, &parameters) {
            Said::Nothing => "nothing".to_owned(),
            Said::Bearer(credential) => format!("bearer {}", String::from_utf8_lossy(credential)),
            Said::Client(client) => {
                format!("{} {}", client.id.map(|id| id.to_string()).unwrap_or_default(), *client.secret)
            }
            Said::Twice => "twice".to_owned(),
        }
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(text))
    }

    #[test]
    fn a_client_says_who_it_is_in_one_way() {
        let good = basic(&format!("{ID}:sk_a"));
        let encoded = basic(&format!("{}:sk%5Fa", ID.replace('-', "%2D")));
        let [posted, named, client] =
            [format!("client_id={ID}&client_secret=sk_a"), format!("client_id={ID}"), format!("{ID} sk_a")];
        let (good, encoded) = (good.as_str(), encoded.as_str());
        let (posted, named, client) = (posted.as_str(), named.as_str(), client.as_str());
        let auth = |value| ("authorization", value);
        for (headers, form, expected) in [
            (vec![], "", "nothing"),
            (vec![auth(good)], "", client),
            (vec![auth(encoded)], "", client),
            (vec![auth(good)], named, client),
            (vec![auth(good)], "client_id=another", "twice"),
            (vec![auth(good)], posted, "twice"),
            (vec![auth(good), auth("Bearer x")], "", "twice"),
            (vec![auth(good), auth(good)], "", "twice"),
            (vec![auth(good), ("x-api-key", "sk_a")], "", "twice"),
            (vec![auth(good), ("cf-access-jwt-assertion", "x")], "", client),
            (vec![("cf-access-jwt-assertion", "x")], "", "nothing"),
            (vec![auth("Digest x"), ("cf-access-jwt-assertion", "x")], "", "nothing"),
            (vec![], posted, client),
            (vec![auth("Bearer x")], posted, "twice"),
            (vec![], "client_secret=sk_a", " sk_a"),
            (vec![], named, "nothing"),
            (vec![auth("Bearer x")], "", "bearer x"),
            (vec![auth("Bearer x"), ("x-api-key", "y")], "", "twice"),
            (vec![auth("Digest x")], "", "nothing"),
            (vec![auth("Basic")], "", " "),
            (vec![auth("bAsIc ????")], "", " "),
        ] {
            assert_eq!(said(&headers, form), expected, "{headers:?} {form}");
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_behind_the_scheme_is_read(encoded in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = of_basic(&encoded);
            let _ = of_basic(BASE64_STANDARD.encode(&encoded).as_bytes());
        }
    }
}
