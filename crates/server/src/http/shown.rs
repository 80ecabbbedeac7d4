//! What of a request's own texts may be kept: never what looks like a credential.
//!
//! Callers put credentials where they do not belong, into paths and user agents; the log and the events
//! must not become a place to find them in.

use keywright_core::secret::{MAILED_PREFIX, PERSONAL_PREFIX, REFRESH_PREFIX, SERVICE_PREFIX};
use keywright_core::{Denial, DenialCode, Scope};
use keywright_verify::{LimitState, Taken};

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
    let is_secret = |at: &usize| {
        folded.as_bytes()[*at..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count() >= SECRET_DIGITS
    };
    let end = after.filter(is_secret).chain(jwt(text)).min();
    end.and_then(|end| text.get(..end)).unwrap_or(text)
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

    proptest! {
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
