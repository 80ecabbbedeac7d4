//! What a publisher sets for itself.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::anomalies::AnomalyTuning;
use crate::email::ascii_domain;
use crate::limits::RateLimits;

/// The settings of a publisher. What is not set leaves what the platform sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PublisherSettings {
    /// The domains whose addresses may log in for it, in lower case; empty: any.
    pub allowed_login_domains: Vec<String>,
    /// The longest life of an access token for it, in minutes.
    pub access_token_max_minutes: Option<u32>,
    /// The longest life of a session that acts for it, in days.
    pub session_max_days: Option<u32>,
    /// The limits of its credentials that have none of their own.
    pub default_rate_limits: Option<RateLimits>,
    /// The limits of all its service tokens and personal tokens together.
    pub rate_limits: Option<RateLimits>,
    /// What it says of personal tokens.
    pub personal_tokens: PersonalTokenPolicy,
    /// What it says of anomalies of its credentials.
    pub anomalies: AnomalyTuning,
    /// Whether a login needs a second factor.
    pub require_second_factor: bool,
}

/// What a publisher says of personal tokens that are used within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PersonalTokenPolicy {
    /// Whether there may be any. Who may make them, roles say.
    pub allowed: bool,
    /// The longest life, in days, counted from the making of a token: also of those that were made before.
    pub max_days: Option<u32>,
    /// Whether somebody who manages users must approve a token before it can be used.
    pub require_approval: bool,
}

impl Default for PersonalTokenPolicy {
    fn default() -> Self {
        Self { allowed: true, max_days: None, require_approval: false }
    }
}

impl PublisherSettings {
    /// Whether the address of a user may log in for the publisher.
    pub fn admits(&self, email: &str) -> bool {
        let domain = email.rsplit_once('@').and_then(|(_, domain)| login_domain(domain).ok());
        let Some(domain) = domain else { return false };
        // A domain of other letters is kept as it was written, an address with its ASCII form (IDNA).
        let same = |allowed: &String| {
            *allowed == domain || ascii_domain(allowed).is_ok_and(|ascii| Ok(ascii) == ascii_domain(&domain))
        };
        self.allowed_login_domains.is_empty() || self.allowed_login_domains.iter().any(same)
    }
}

/// Why a text is no domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a domain such as example.com")]
pub struct DomainError;

/// A domain as it is compared: lower case, one normal form (RFC 1035 §2.3.1, with the letters of RFC 5890
/// U-labels).
///
/// # Errors
/// [`DomainError`] for what is none.
pub fn login_domain(text: &str) -> Result<String, DomainError> {
    let domain: String = text.trim().to_lowercase().nfc().collect();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if domain.len() <= 253 && domain.split('.').all(label) { Ok(domain) } else { Err(DomainError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_domain_is_admitted() {
        let settings =
            PublisherSettings { allowed_login_domains: vec!["example.com".to_owned()], ..Default::default() };
        for (email, admitted) in [
            ("a@example.com", true),
            ("a@EXAMPLE.com", true),
            ("a@sub.example.com", false),
            ("a@example.com.evil.test", false),
            ("\"a@example.com\"@evil.test", false),
            ("example.com", false),
        ] {
            assert_eq!(settings.admits(email), admitted, "{email}");
        }
        assert!(PublisherSettings::default().admits("a@anywhere.test"));
        let settings = PublisherSettings {
            allowed_login_domains: vec!["bücher.test".to_owned()],
            ..Default::default()
        };
        for (email, admitted) in [
            ("a@xn--bcher-kva.test", true),
            ("a@Bücher.test", true),
            ("a@xn--bcher-kva.example", false),
            ("a@bucher.test", false),
        ] {
            assert_eq!(settings.admits(email), admitted, "{email}");
        }
    }

    #[test]
    fn a_domain_has_one_form() {
        for (text, domain) in
            [("Example.COM", "example.com"), (" bu\u{308}cher.test", "bücher.test"), ("intra", "intra")]
        {
            assert_eq!(login_domain(text).as_deref(), Ok(domain));
        }
        for bad in [
            "",
            ".",
            "a..b",
            ".a",
            "a.",
            "-a.b",
            "a-.b",
            "a b",
            "a@b",
            "*.a",
            "a_b.c",
            &"a".repeat(64),
            "a\0",
        ] {
            assert_eq!(login_domain(bad), Err(DomainError), "{bad:?}");
        }
    }

    #[test]
    fn what_is_stored_by_another_version_is_read() {
        let read: PublisherSettings = serde_json::from_str(r#"{"session_max_days": 7, "later": 1}"#).unwrap();
        assert_eq!(read, PublisherSettings { session_max_days: Some(7), ..Default::default() });
    }
}
