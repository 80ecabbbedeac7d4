//! What a publisher sets for itself, being changed.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use keywright_core::anomalies::{AnomalyKind, AnomalyTuning, Sensitivity};
use keywright_core::publisher::login_domain;
use keywright_core::{PersonalTokenPolicy, PublisherSettings, RateLimits};

use crate::fault::{Fault, FieldFault};
use crate::rate_limits::RateLimitsChange;

/// How long an access token may live, in minutes (operations.md): what a ceiling can be.
const ACCESS_TOKEN_MINUTES: RangeInclusive<u32> = 15..=60;
/// How long a session may live, in days: what a ceiling can be.
const SESSION_DAYS: RangeInclusive<u32> = 1..=90;
/// Most domains that may be named.
const MAX_DOMAINS: usize = 100;
/// How long a personal token may live, in days: what a ceiling can be.
const PERSONAL_TOKEN_DAYS: RangeInclusive<u32> = 1..=36_500;

/// How long a history may be asked for before anything is compared with it, in days.
const HISTORY_DAYS: RangeInclusive<u32> = 7..=90;

/// A change of settings; `None` leaves one as it is, `Some(None)` takes it back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsChange {
    /// The domains whose addresses may log in; none: any.
    pub allowed_login_domains: Option<Vec<String>>,
    /// The longest life of an access token, in minutes.
    pub access_token_max_minutes: Option<Option<u32>>,
    /// The longest life of a session, in days.
    pub session_max_days: Option<Option<u32>>,
    /// The limits of credentials that have none of their own.
    pub default_rate_limits: Option<Option<RateLimitsChange>>,
    /// The limits of all service tokens and personal tokens together.
    pub rate_limits: Option<Option<RateLimitsChange>>,
    /// What is said of personal tokens.
    pub personal_tokens: PersonalTokensChange,
    /// What is said of anomalies of its credentials.
    pub anomalies: AnomaliesChange,
    /// Whether a login needs a second factor.
    pub require_second_factor: Option<bool>,
}

/// A change of what a publisher says of personal tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PersonalTokensChange {
    /// Whether there may be any.
    pub allowed: Option<bool>,
    /// The longest life, in days.
    pub max_days: Option<Option<u32>>,
    /// Whether they are approved before they are used.
    pub require_approval: Option<bool>,
}

/// A change of what a publisher says of anomalies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnomaliesChange {
    /// How little it takes.
    pub sensitivity: Option<Sensitivity>,
    /// Kinds that are not looked for.
    pub off: Option<Vec<AnomalyKind>>,
    /// Days of history before anything is compared with it.
    pub history_days: Option<u32>,
}

impl AnomaliesChange {
    fn applied(&self, to: &AnomalyTuning) -> AnomalyTuning {
        let kinds: BTreeSet<_> = self.off.as_ref().unwrap_or(&to.off).iter().copied().collect();
        AnomalyTuning {
            sensitivity: self.sensitivity.unwrap_or(to.sensitivity),
            off: kinds.into_iter().collect(),
            history_days: self.history_days.unwrap_or(to.history_days),
        }
    }
}

impl PersonalTokensChange {
    fn applied(self, to: PersonalTokenPolicy) -> PersonalTokenPolicy {
        PersonalTokenPolicy {
            allowed: self.allowed.unwrap_or(to.allowed),
            max_days: self.max_days.unwrap_or(to.max_days),
            require_approval: self.require_approval.unwrap_or(to.require_approval),
        }
    }
}

impl SettingsChange {
    /// The settings after the change.
    pub(super) fn applied(&self, to: &PublisherSettings) -> Result<PublisherSettings, Fault> {
        let mut faults = Vec::new();
        let settings = PublisherSettings {
            allowed_login_domains: match &self.allowed_login_domains {
                None => to.allowed_login_domains.clone(),
                Some(domains) => named(domains, &mut faults),
            },
            access_token_max_minutes: self.access_token_max_minutes.unwrap_or(to.access_token_max_minutes),
            session_max_days: self.session_max_days.unwrap_or(to.session_max_days),
            default_rate_limits: limits(self.default_rate_limits, to.default_rate_limits),
            rate_limits: limits(self.rate_limits, to.rate_limits),
            personal_tokens: self.personal_tokens.applied(to.personal_tokens),
            anomalies: self.anomalies.applied(&to.anomalies),
            require_second_factor: self.require_second_factor.unwrap_or(to.require_second_factor),
        };
        let mut within = |field: &str, value: Option<u32>, range: RangeInclusive<u32>| {
            if value.is_some_and(|value| !range.contains(&value)) {
                faults.push(fault(field, format!("must be from {} to {}", range.start(), range.end())));
            }
        };
        within("access_token_max_minutes", settings.access_token_max_minutes, ACCESS_TOKEN_MINUTES);
        within("session_max_days", settings.session_max_days, SESSION_DAYS);
        within("personal_tokens.max_days", settings.personal_tokens.max_days, PERSONAL_TOKEN_DAYS);
        within("anomalies.history_days", Some(settings.anomalies.history_days), HISTORY_DAYS);
        if settings.require_second_factor {
            faults.push(fault("require_second_factor", "there are no second factors yet".to_owned()));
        }
        if faults.is_empty() { Ok(settings) } else { Err(Fault::Invalid(faults)) }
    }
}

#[expect(clippy::option_option, reason = "three wishes")]
fn limits(change: Option<Option<RateLimitsChange>>, to: Option<RateLimits>) -> Option<RateLimits> {
    match change {
        None => to,
        Some(change) => change.map(|change| change.applied(to.unwrap_or_default())),
    }
}

/// The domains in one form, each once.
fn named(domains: &[String], faults: &mut Vec<FieldFault>) -> Vec<String> {
    if domains.len() > MAX_DOMAINS {
        faults.push(fault("allowed_login_domains", format!("has more than {MAX_DOMAINS} entries")));
    }
    let mut named = BTreeSet::new();
    for (index, domain) in domains.iter().enumerate() {
        match login_domain(domain) {
            Ok(domain) => _ = named.insert(domain),
            Err(error) => {
                faults.push(fault(&format!("allowed_login_domains[{index}]"), error.to_string()));
            }
        }
    }
    named.into_iter().collect()
}

fn fault(field: &str, detail: String) -> FieldFault {
    FieldFault { field: field.to_owned(), detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keywright_core::RateLimits;

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let before = PublisherSettings {
            session_max_days: Some(7),
            default_rate_limits: Some(RateLimits { per_minute: Some(60), per_hour: None }),
            ..Default::default()
        };
        assert_eq!(SettingsChange::default().applied(&before).unwrap(), before);
        let change = SettingsChange {
            allowed_login_domains: Some(vec!["Example.COM".to_owned(), "example.com".to_owned()]),
            session_max_days: Some(None),
            default_rate_limits: Some(Some(RateLimitsChange { per_hour: Some(Some(9)), per_minute: None })),
            ..Default::default()
        };
        let after = change.applied(&before).unwrap();
        assert_eq!(after.allowed_login_domains, ["example.com"]);
        assert_eq!(after.session_max_days, None);
        assert_eq!(after.default_rate_limits, Some(RateLimits { per_minute: Some(60), per_hour: Some(9) }));
    }

    #[test]
    fn every_setting_that_cannot_be_is_named() {
        let change = SettingsChange {
            allowed_login_domains: Some(vec!["good.example".to_owned(), "not a domain".to_owned()]),
            access_token_max_minutes: Some(Some(61)),
            session_max_days: Some(Some(0)),
            personal_tokens: PersonalTokensChange { max_days: Some(Some(0)), ..Default::default() },
            require_second_factor: Some(true),
            ..Default::default()
        };
        let Err(Fault::Invalid(faults)) = change.applied(&PublisherSettings::default()) else {
            panic!("it was taken")
        };
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "allowed_login_domains[1]",
                "access_token_max_minutes",
                "session_max_days",
                "personal_tokens.max_days",
                "require_second_factor"
            ]
        );
    }
}
