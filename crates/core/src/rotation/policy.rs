//! What policies say, and what of it holds for a token: the nearest policy that says something about a field wins,
//! field by field.

use serde::{Deserialize, Serialize};

use super::Delivery;
use crate::id::MaintenanceWindowId;

/// The bounds of a number, and what it is when no policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The least.
    pub least: u32,
    /// The most.
    pub most: u32,
    /// When no policy says.
    pub default: u32,
}

/// The age at which a token is replaced, in days.
pub const MAX_AGE_DAYS: Bound = Bound { least: 1, most: 3_650, default: 90 };
/// How long before its end a token is replaced, in days.
pub const ROTATE_BEFORE_EXPIRY_DAYS: Bound = Bound { least: 0, most: 365, default: 14 };
/// Uses within 30 days from which on a token is replaced at [`HIGH_USAGE_MAX_AGE_DAYS`]. The default is configured.
pub const HIGH_USAGE_THRESHOLD: Bound = Bound { least: 1, most: 1_000_000_000, default: 1_000 };
/// The age at which a token that is used much is replaced, in days.
pub const HIGH_USAGE_MAX_AGE_DAYS: Bound = Bound { least: 1, most: 3_650, default: 30 };
/// How long the old one lives on after the new one was confirmed, in seconds.
pub const GRACE_SECONDS: Bound = Bound { least: 0, most: 30 * 86_400, default: 86_400 };
/// How long the old one must not have been used before it is retired, in hours; 0: it is retired however much it
/// is used.
pub const QUIET_HOURS: Bound = Bound { least: 0, most: 720, default: 24 };
/// How long the first use of the new one is waited for before people are told, in hours.
pub const CONFIRM_WITHIN_HOURS: Bound = Bound { least: 1, most: 720, default: 72 };

/// What a policy says. What it does not say is left to the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Whether tokens are rotated without being asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// See [`MAX_AGE_DAYS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_days: Option<u32>,
    /// See [`ROTATE_BEFORE_EXPIRY_DAYS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_before_expiry_days: Option<u32>,
    /// See [`HIGH_USAGE_THRESHOLD`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_usage_threshold: Option<u32>,
    /// See [`HIGH_USAGE_MAX_AGE_DAYS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_usage_max_age_days: Option<u32>,
    /// See [`GRACE_SECONDS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u32>,
    /// See [`QUIET_HOURS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<u32>,
    /// See [`CONFIRM_WITHIN_HOURS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_within_hours: Option<u32>,
    /// The window in which rotations begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance_window_id: Option<MaintenanceWindowId>,
    /// How the new secret reaches whoever uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

/// Where a policy stands, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// On a line of service tokens: it stays with what replaces the token.
    ServiceToken,
    /// On a service account.
    ServiceAccount,
    /// On a publisher.
    Publisher,
    /// On the platform.
    Platform,
}

impl Level {
    /// All of them, the nearest first.
    pub const ALL: [Self; 4] = [Self::ServiceToken, Self::ServiceAccount, Self::Publisher, Self::Platform];

    /// The text in the store and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServiceToken => "service_token",
            Self::ServiceAccount => "service_account",
            Self::Publisher => "publisher",
            Self::Platform => "platform",
        }
    }

    /// Reads [`Level::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }
}

/// A value, and which policy it is from: none when it is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it is said.
    pub source: Option<Level>,
}

/// What holds for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Whether it is rotated without being asked: true as soon as any policy reaches it, unless one says no.
    pub enabled: Sourced<bool>,
    /// See [`MAX_AGE_DAYS`].
    pub max_age_days: Sourced<u32>,
    /// See [`ROTATE_BEFORE_EXPIRY_DAYS`].
    pub rotate_before_expiry_days: Sourced<u32>,
    /// See [`HIGH_USAGE_THRESHOLD`].
    pub high_usage_threshold: Sourced<u32>,
    /// See [`HIGH_USAGE_MAX_AGE_DAYS`].
    pub high_usage_max_age_days: Sourced<u32>,
    /// See [`GRACE_SECONDS`].
    pub grace_seconds: Sourced<u32>,
    /// See [`QUIET_HOURS`].
    pub quiet_hours: Sourced<u32>,
    /// See [`CONFIRM_WITHIN_HOURS`].
    pub confirm_within_hours: Sourced<u32>,
    /// The window in which rotations begin; none: at any time.
    pub maintenance_window_id: Sourced<Option<MaintenanceWindowId>>,
    /// How the new secret is delivered.
    pub delivery: Sourced<Delivery>,
}

/// The nearest word on a field.
fn nearest<T: Clone>(
    policies: &[(Level, &Policy)],
    field: impl Fn(&Policy) -> &Option<T>,
    default: T,
) -> Sourced<T> {
    let mut ordered: Vec<_> = policies.iter().collect();
    ordered.sort_by_key(|(level, _)| *level);
    ordered
        .into_iter()
        .find_map(|(level, policy)| {
            field(policy).clone().map(|value| Sourced { value, source: Some(*level) })
        })
        .unwrap_or(Sourced { value: default, source: None })
}

/// What holds for a token that these policies reach, at most one of each level. `high_usage_threshold` is the
/// configured default.
pub fn effective(policies: &[(Level, &Policy)], high_usage_threshold: u32) -> Effective {
    let number = |field: fn(&Policy) -> &Option<u32>, bound: Bound| nearest(policies, field, bound.default);
    let window =
        nearest(policies, |policy| &policy.maintenance_window_id, MaintenanceWindowId(uuid::Uuid::nil()));
    Effective {
        enabled: nearest(policies, |policy| &policy.enabled, !policies.is_empty()),
        max_age_days: number(|policy| &policy.max_age_days, MAX_AGE_DAYS),
        rotate_before_expiry_days: number(
            |policy| &policy.rotate_before_expiry_days,
            ROTATE_BEFORE_EXPIRY_DAYS,
        ),
        high_usage_threshold: nearest(policies, |policy| &policy.high_usage_threshold, high_usage_threshold),
        high_usage_max_age_days: number(|policy| &policy.high_usage_max_age_days, HIGH_USAGE_MAX_AGE_DAYS),
        grace_seconds: number(|policy| &policy.grace_seconds, GRACE_SECONDS),
        quiet_hours: number(|policy| &policy.quiet_hours, QUIET_HOURS),
        confirm_within_hours: number(|policy| &policy.confirm_within_hours, CONFIRM_WITHIN_HOURS),
        maintenance_window_id: Sourced { value: window.source.map(|_| window.value), source: window.source },
        delivery: nearest(policies, |policy| &policy.delivery, Delivery::None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policies() -> impl Strategy<Value = Policy> {
        let number = || proptest::option::of(1u32..100);
        let numbers = (number(), number(), number(), number(), number(), number(), number());
        let window = proptest::option::of(1u128..5);
        (proptest::option::of(any::<bool>()), numbers, window, any::<bool>()).prop_map(
            |(enabled, numbers, window, delivers)| Policy {
                enabled,
                max_age_days: numbers.0,
                rotate_before_expiry_days: numbers.1,
                high_usage_threshold: numbers.2,
                high_usage_max_age_days: numbers.3,
                grace_seconds: numbers.4,
                quiet_hours: numbers.5,
                confirm_within_hours: numbers.6,
                maintenance_window_id: window.map(|id| MaintenanceWindowId(uuid::Uuid::from_u128(id))),
                delivery: delivers.then(|| Delivery::Command { command: "deploy".to_owned() }),
            },
        )
    }

    proptest! {
        #[test]
        fn each_field_is_that_of_the_nearest_policy_that_says_something(
            all in proptest::collection::vec(proptest::option::of(policies()), 4),
            reversed in any::<bool>(),
        ) {
            let mut given: Vec<_> = Level::ALL.into_iter().zip(&all)
                .filter_map(|(level, policy)| Some((level, policy.as_ref()?))).collect();
            let expected = |field: fn(&Policy) -> Option<u32>, default| {
                given.iter().find_map(|(level, policy)| Some((field(policy)?, Some(*level)))).unwrap_or((default, None))
            };
            let told = [
                expected(|p| p.max_age_days, 90), expected(|p| p.rotate_before_expiry_days, 14),
                expected(|p| p.high_usage_threshold, 77), expected(|p| p.high_usage_max_age_days, 30),
                expected(|p| p.grace_seconds, 86_400), expected(|p| p.quiet_hours, 24),
                expected(|p| p.confirm_within_hours, 72),
            ];
            let enabled = given.iter().find_map(|(_, policy)| policy.enabled).unwrap_or(!given.is_empty());
            let window = given.iter().find_map(|(_, policy)| policy.maintenance_window_id);
            let delivery = given.iter().find_map(|(level, p)| Some((p.delivery.clone()?, *level)));
            if reversed {
                given.reverse();
            }
            let effective = effective(&given, 77);
            let found = [
                effective.max_age_days, effective.rotate_before_expiry_days, effective.high_usage_threshold,
                effective.high_usage_max_age_days, effective.grace_seconds, effective.quiet_hours,
                effective.confirm_within_hours,
            ].map(|sourced| (sourced.value, sourced.source));
            prop_assert_eq!(found, told);
            prop_assert_eq!(effective.enabled.value, enabled);
            prop_assert_eq!(effective.maintenance_window_id.value, window);
            let found = effective.delivery.source.map(|level| (effective.delivery.value.clone(), level));
            prop_assert_eq!(found, delivery);
        }
    }

    #[test]
    fn what_no_policy_reaches_is_not_rotated() {
        let none = effective(&[], 1_000);
        assert_eq!(none.enabled, Sourced { value: false, source: None });
        assert_eq!(none.delivery.value, Delivery::None);
        let some = Policy { max_age_days: Some(7), ..Policy::default() };
        assert!(effective(&[(Level::Platform, &some)], 1_000).enabled.value);
    }

    #[test]
    fn a_policy_is_read_back_as_it_was_written() {
        let policy = Policy {
            enabled: Some(false),
            grace_seconds: Some(0),
            delivery: Some(Delivery::File { path: "/run/secrets/api".to_owned() }),
            ..Policy::default()
        };
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy);
        assert_eq!(
            text,
            r#"{"enabled":false,"grace_seconds":0,"delivery":{"type":"file","path":"/run/secrets/api"}}"#
        );
        for level in Level::ALL {
            assert_eq!(Level::parse(level.as_str()), Some(level));
        }
    }
}
