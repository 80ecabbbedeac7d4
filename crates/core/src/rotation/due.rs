//! When a token is to be rotated: the earliest of the rules.

use serde::{Deserialize, Serialize};

use super::Effective;
use crate::time::Timestamp;

/// What the moment depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// When the token was made.
    pub created_at: Timestamp,
    /// The end of its life.
    pub expires_at: Option<Timestamp>,
    /// How often it was accepted within the last 30 days.
    pub recent_uses: u64,
}

/// Why a token is to be rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// It has reached its age.
    MaxAge,
    /// Its life ends soon.
    BeforeExpiry,
    /// It is used much and has reached the age for that.
    HighUsage,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::MaxAge, Self::BeforeExpiry, Self::HighUsage];

    /// The text in the store and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MaxAge => "max_age",
            Self::BeforeExpiry => "before_expiry",
            Self::HighUsage => "high_usage",
        }
    }

    /// Reads [`Rule::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == text)
    }
}

/// When a token is to be rotated, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The moment.
    pub at: Timestamp,
    /// The rule that gives it.
    pub rule: Rule,
}

/// When a token is to be rotated under a policy; `None` when that is not enabled.
///
/// What is to happen before the end of a life never happens in its first half: a token that lives shorter than
/// `rotate_before_expiry_days` would be due as soon as it was made, and so would each that replaces it.
pub fn due(policy: &Effective, life: &Life) -> Option<Due> {
    if !policy.enabled.value {
        return None;
    }
    let days = |days: u32| i64::from(days);
    let aged = Due { at: life.created_at.plus_days(days(policy.max_age_days.value)), rule: Rule::MaxAge };
    let ending = life.expires_at.map(|end| {
        let half = life.created_at.plus_micros(end.micros_since(life.created_at).max(0) / 2);
        let at = end.plus_days(-days(policy.rotate_before_expiry_days.value)).max(half);
        Due { at, rule: Rule::BeforeExpiry }
    });
    let used = (life.recent_uses >= u64::from(policy.high_usage_threshold.value)).then(|| Due {
        at: life.created_at.plus_days(days(policy.high_usage_max_age_days.value)),
        rule: Rule::HighUsage,
    });
    [Some(aged), ending, used].into_iter().flatten().min_by_key(|due| due.at)
}

#[cfg(test)]
mod tests {
    use super::super::policy::{Level, Policy, effective};
    use super::*;
    use proptest::prelude::*;

    const DAY: i64 = 86_400_000_000;

    fn at(days: i64) -> Timestamp {
        Timestamp::from_micros(20_000 * DAY + days * DAY)
    }

    fn of(policy: &Policy) -> Effective {
        effective(&[(Level::Platform, policy)], 1_000)
    }

    fn life(expires_in: Option<i64>, recent_uses: u64) -> Life {
        Life { created_at: at(0), expires_at: expires_in.map(at), recent_uses }
    }

    #[test]
    fn the_earliest_rule_wins() {
        let policy = of(&Policy::default());
        for (life, day, rule) in [
            (life(None, 0), 90, Rule::MaxAge),
            (life(None, 999), 90, Rule::MaxAge),
            (life(None, 1_000), 30, Rule::HighUsage),
            (life(Some(90), 0), 76, Rule::BeforeExpiry),
            (life(Some(90), 1_000), 30, Rule::HighUsage),
            (life(Some(1_000), 0), 90, Rule::MaxAge),
            // Shorter than twice the time before its end: at half of its life.
            (life(Some(20), 5_000), 10, Rule::BeforeExpiry),
        ] {
            assert_eq!(due(&policy, &life), Some(Due { at: at(day), rule }), "{life:?}");
        }
        let off = of(&Policy { enabled: Some(false), ..Policy::default() });
        assert_eq!(due(&off, &life(Some(1), 1_000_000)), None);
    }

    proptest! {
        #[test]
        fn nothing_is_due_before_each_rule_that_could_make_it_so(
            age in 1u32..400, before in 0u32..400, threshold in 1u32..10, busy_age in 1u32..400,
            expires in proptest::option::of(1i64..500), uses in 0u64..20,
        ) {
            let policy = of(&Policy {
                max_age_days: Some(age), rotate_before_expiry_days: Some(before),
                high_usage_threshold: Some(threshold), high_usage_max_age_days: Some(busy_age),
                ..Policy::default()
            });
            let life = life(expires, uses);
            let found = due(&policy, &life).unwrap();
            prop_assert!(found.at <= at(i64::from(age)));
            prop_assert!(found.at > life.created_at);
            if let Some(end) = life.expires_at {
                prop_assert!(found.at <= end);
            }
            if uses >= u64::from(threshold) {
                prop_assert!(found.at <= at(i64::from(busy_age)));
            }
            // It is one of them.
            let half = expires.map(|days| life.created_at.plus_micros(days * DAY / 2));
            let ending = life.expires_at.map(|end| end.plus_days(-i64::from(before)).max(half.unwrap()));
            let moments = [Some(at(i64::from(age))), ending, Some(at(i64::from(busy_age)))];
            prop_assert!(moments.contains(&Some(found.at)));
            // More use and an earlier end never put it off.
            let more = due(&policy, &Life { recent_uses: uses + 1, ..life }).unwrap();
            prop_assert!(more.at <= found.at);
        }
    }
}
