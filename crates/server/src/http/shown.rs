//! What of a request's own texts may be kept: never what looks like a credential.
//!
//! Callers put credentials where they do not belong, into paths and user agents; the log and the events
//! must not become a place to find them in.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keywright_core::secret::{MAILED_PREFIX, PERSONAL_PREFIX, REFRESH_PREFIX, SERVICE_PREFIX};
use keywright_core::{Denial, DenialCode, Scope};
use keywright_verify::{LimitState, Taken};
use serde_json::{Map, Value};

/// As many hexadecimal digits in a row are a secret: those that a shorter run leaves open are too many
/// to be tried, and no id has as many.
const SECRET_DIGITS: usize = 48;

/// The text up to where a secret begins, which is nearly always all of it. That of a JWT (RFC 7519 §3)
/// begins with the base64 of `{"`.
pub(crate) fn shown(text: &str) -> &str {
    if text.len() < SECRET_DIGITS {
        return text;
    }
    let end = digits(text.as_bytes()).into_iter().chain(jwt(text)).min();
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// Of what people write, such as a reason: the text up to where a credential begins. Digits without a prefix of ours
/// stay, as people name images and commits by them.
pub(crate) fn written(text: &str) -> &str {
    let folded = text.to_ascii_lowercase();
    let prefixes = [SERVICE_PREFIX, PERSONAL_PREFIX, REFRESH_PREFIX, MAILED_PREFIX];
    let after = prefixes
        .iter()
        .flat_map(|prefix| folded.match_indices(prefix).map(|(at, _)| at + prefix.len()).collect::<Vec<_>>());
    let is_secret = |at: &usize| hex_digits(&folded[*at..]) >= SECRET_DIGITS;
    let end = after.filter(is_secret).chain(jwt(text)).min();
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// Whether a credential stands in what somebody calls something, or says of it. That is refused, not cut off as by
/// [`written`], and so is only what can hardly be anything else: behind no letter or digit, as `cert_` ends in `rt_`, and a
/// JWT only with its three parts and a header that is JSON.
pub(crate) fn holds_credential(text: &str) -> bool {
    if text.len() < SECRET_DIGITS {
        return false;
    }
    let folded = text.to_ascii_lowercase();
    let prefixes = [SERVICE_PREFIX, PERSONAL_PREFIX, REFRESH_PREFIX, MAILED_PREFIX];
    let mut of_ours = prefixes.iter().flat_map(|prefix| {
        let found = folded.match_indices(prefix).filter(|(at, _)| begins(&folded, *at));
        found.map(|(at, _)| at + prefix.len()).collect::<Vec<_>>()
    });
    of_ours.any(|at| hex_digits(&folded[at..]) >= SECRET_DIGITS)
        || text.match_indices("eyJ").any(|(at, _)| begins(text, at) && begins_with_jwt(&text[at..]))
}

/// Whether something may begin there: no letter or digit stands before it.
fn begins(text: &str, at: usize) -> bool {
    !text.as_bytes()[..at].last().is_some_and(u8::is_ascii_alphanumeric)
}

fn hex_digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_hexdigit).count()
}

/// Whether a text begins with a JWT (RFC 7519 §3).
fn begins_with_jwt(text: &str) -> bool {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
    let mut parts = text[..end.unwrap_or(text.len())].split('.');
    let (Some(header), Some(payload), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let header = BASE64_URL_SAFE_NO_PAD.decode(header);
    !payload.is_empty()
        && header.is_ok_and(|json| serde_json::from_slice::<Map<String, Value>>(&json).is_ok())
}

/// Scopes that an event names; more are only counted.
const MAX_SCOPES: usize = 10;

/// The details of a denial as its event keeps them: the scopes that were missing, or the limit that was used up.
pub(crate) fn details(denial: &Denial, taken: Option<&Taken>) -> Option<String> {
    if let (DenialCode::RateLimited, Some(taken)) = (denial.code, taken) {
        let LimitState { window, limit, .. } = taken.tightest;
        return Some(serde_json::json!({"window": window.as_str(), "limit": limit}).to_string());
    }
    let missing = &denial.missing_scopes;
    let named = missing.iter().map(Scope::as_str).filter(|scope| shown(scope).len() == scope.len());
    (!missing.is_empty()).then(|| {
        let named: Vec<&str> = named.take(MAX_SCOPES).collect();
        serde_json::json!({"missing_scopes": named, "missing": missing.len()}).to_string()
    })
}

/// Where the first run of so many digits begins. It holds one of every so many bytes, so that few are
/// looked at.
fn digits(text: &[u8]) -> Option<usize> {
    let mut at = SECRET_DIGITS - 1;
    while let Some(byte) = text.get(at) {
        if byte.is_ascii_hexdigit() {
            let before = text[..at].iter().rev().take_while(|byte| byte.is_ascii_hexdigit()).count();
            let after = text[at..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            if before + after >= SECRET_DIGITS {
                return Some(at - before);
            }
        }
        at += SECRET_DIGITS;
    }
    None
}

fn jwt(text: &str) -> Option<usize> {
    let of_jwt = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let mut found = text.match_indices("eyJ").map(|(at, _)| at);
    found.find(|at| text.as_bytes()[*at..].iter().take_while(|byte| of_jwt(byte)).count() >= SECRET_DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_ends_where_a_secret_begins() {
        let token = format!("sk_{}", "0123456789abcdef".repeat(4));
        let jwt = format!("eyJhbGciOiJFZERTQSJ9.{}.{}", "a".repeat(30), "b".repeat(30));
        for (text, expected) in [
            (token.clone(), "sk_"),
            (format!("/auth/tokens/{token}/rotate"), "/auth/tokens/sk_"),
            (format!("/works?token={}", token.to_ascii_uppercase()), "/works?token=SK_"),
            (token[..66].to_owned(), "sk_"),
            (format!("é{token}é"), "ésk_"),
            (format!("{jwt} {token}"), ""),
            (format!("agent/1 {jwt}"), "agent/1 "),
        ] {
            assert_eq!(shown(&text), expected);
        }
        for whole in [
            "",
            "/api/v1/auth/tokens/0198c0de-0000-7000-8000-000000000000",
            "/commit/da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
            "eyJ is how they begin",
        ] {
            assert_eq!(shown(whole), whole);
        }
    }

    #[test]
    fn what_people_write_ends_where_a_credential_begins() {
        let digits = "0123456789abcdef".repeat(4);
        for (text, expected) in [
            (format!("leaked: sk_{digits} in a log"), "leaked: sk_"),
            (
                format!("https://example.com/?t=PAT_{}", digits.to_ascii_uppercase()),
                "https://example.com/?t=PAT_",
            ),
            (format!("ä rt_{digits}"), "ä rt_"),
            (format!("mt_{digits} sk_{digits}"), "mt_"),
            (format!("eyJ{digits}.{digits}.{digits}"), ""),
        ] {
            assert_eq!(written(&text), expected);
        }
        let image = format!("rolled out sha256:{digits}");
        for whole in ["", "task_force", "sk_ is how they begin", &image, &digits] {
            assert_eq!(written(whole), whole);
        }
    }

    #[test]
    fn a_name_with_a_credential_in_it_is_told() {
        let digits = "0123456789abcdef".repeat(4);
        let jwt = format!("eyJhbGciOiJFZERTQSJ9.{}.{}", "a".repeat(30), "b".repeat(30));
        for held in [
            format!("sk_{digits}"),
            format!("deploy-sk_{digits}"),
            format!("key pat_{digits}01234567"),
            format!("RT_{}", digits.to_ascii_uppercase()),
            format!("é mt_{digits} é"),
            format!("token_sk_{}", &digits[..48]),
            jwt.clone(),
            format!("Bearer {jwt}!"),
        ] {
            assert!(holds_credential(&held), "{held}");
        }
        for fine in [
            String::new(),
            digits.clone(),
            format!("sha256:{digits}"),
            format!("cert_{digits}"),
            format!("task_{digits}"),
            format!("format_{digits}"),
            format!("sk_{}", &digits[..40]),
            "eyJ-heyJoe-production-eu-west-1.songtrust.api.deploy.2026.and-then-some".to_owned(),
            format!("h{jwt}"),
        ] {
            assert!(!holds_credential(&fine), "{fine}");
        }
    }

    proptest! {
        #[test]
        fn ordinary_names_are_never_refused(
            words in proptest::collection::vec("[a-zA-Z]{1,12}|[à-öα-ω]{1,12}|[0-9a-f]{7,64}|[0-9]{1,10}|v[0-9]{1,3}\\.[0-9]{1,3}", 1..8),
            between in "[-_ ./:@#]",
        ) {
            let name = words.join(&between);
            let secret = ["sk", "pat", "rt", "mt"].iter().any(|prefix| words.iter().any(|word| word.eq_ignore_ascii_case(prefix)));
            prop_assume!(!secret);
            prop_assert!(!holds_credential(&name), "{}", name);
        }

        #[test]
        fn no_name_hides_a_credential(
            before in "(.{0,40}[^0-9a-zA-Z])?", prefix in "sk_|pat_|rt_|mt_|SK_", digits in "[0-9a-fA-F]{48,80}", after in ".{0,40}",
        ) {
            let held = format!("{before}{prefix}{digits}{after}");
            prop_assert!(holds_credential(&held), "{}", held);
        }

        #[test]
        fn no_credential_is_left_in_what_people_write(before in ".{0,60}", digits in "[0-9a-fA-F]{48,80}", after in ".{0,60}") {
            let text = format!("{before}sk_{digits}{after}");
            let kept = written(&text);
            prop_assert!(text.starts_with(kept));
            prop_assert!(kept.len() <= before.len() + 3);
        }

        #[test]
        fn no_run_of_digits_is_left(before in ".{0,100}", digits in "[0-9a-fA-F]{48,130}", after in ".{0,100}") {
            let text = format!("{before}{digits}{after}");
            let kept = shown(&text);
            prop_assert!(text.starts_with(kept));
            prop_assert!(kept.len() <= before.len());
        }

        #[test]
        fn what_has_no_secret_is_kept(text in "([g-zG-Z/ ]|[0-9a-f]{1,40}[^0-9a-fA-F]){0,20}") {
            prop_assume!(!text.contains("eyJ"));
            prop_assert_eq!(shown(&text), text.as_str());
        }
    }
}
