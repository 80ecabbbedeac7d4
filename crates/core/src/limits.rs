//! Rate limits: how often credentials may be used, and what counts together (verification.md, Rate limits).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How often something may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLimits {
    /// Uses in any minute; `None`: any number.
    pub per_minute: Option<u32>,
    /// Uses in any hour; `None`: any number.
    pub per_hour: Option<u32>,
}

impl RateLimits {
    /// No limit at all.
    pub const UNLIMITED: Self = Self { per_minute: None, per_hour: None };

    /// Whether there is none.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::UNLIMITED
    }

    /// The limit of a window.
    pub const fn of(&self, window: Window) -> Option<u32> {
        match window {
            Window::Minute => self.per_minute,
            Window::Hour => self.per_hour,
        }
    }

    /// Whether these allow nothing that `bound` does not: each limit of `bound` is kept or tightened.
    pub fn are_within(&self, bound: &Self) -> bool {
        Window::ALL.into_iter().all(|window| match (self.of(window), bound.of(window)) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(most)) => own <= most,
        })
    }

    /// These where they are set, and `default` where they are not.
    #[must_use]
    pub fn or(self, default: Self) -> Self {
        Self {
            per_minute: self.per_minute.or(default.per_minute),
            per_hour: self.per_hour.or(default.per_hour),
        }
    }

    /// The tighter one of each.
    #[must_use]
    pub fn tightest(self, other: Self) -> Self {
        let tighter = |a: Option<u32>, b: Option<u32>| a.into_iter().chain(b).min();
        Self {
            per_minute: tighter(self.per_minute, other.per_minute),
            per_hour: tighter(self.per_hour, other.per_hour),
        }
    }

    /// The budgets of `key` under these limits.
    pub fn budgets(self, key: Uuid) -> impl Iterator<Item = Budget> {
        let budget = move |window: Window| Some(Budget { key, window, limit: self.of(window)? });
        Window::ALL.into_iter().filter_map(budget)
    }
}

/// The length of time that a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// 60 seconds.
    Minute,
    /// 3,600 seconds.
    Hour,
}

impl Window {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Minute, Self::Hour];

    /// Its length.
    pub const fn seconds(self) -> u32 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
        }
    }

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
        }
    }
}

/// Most budgets that one use takes from: those of the credential, of its account and of its publisher, a minute and
/// an hour each.
pub const MAX_BUDGETS: usize = 3 * Window::ALL.len();

/// What is counted together in one window, and how much of it there is. The key is the line of a credential's
/// rotations, an account, or a publisher: rotating a credential gives nobody a second budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Whose uses are counted.
    pub key: Uuid,
    /// In which window.
    pub window: Window,
    /// How many of them are allowed in any such window.
    pub limit: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits() -> impl Strategy<Value = RateLimits> {
        let limit = || proptest::option::of(1u32..5);
        (limit(), limit()).prop_map(|(per_minute, per_hour)| RateLimits { per_minute, per_hour })
    }

    #[test]
    fn no_limit_is_wider_than_any() {
        let some = RateLimits { per_minute: Some(5), per_hour: None };
        assert!(some.are_within(&RateLimits::UNLIMITED));
        assert!(!RateLimits::UNLIMITED.are_within(&some));
        assert!(RateLimits { per_minute: Some(5), per_hour: Some(1) }.are_within(&some));
        assert!(!RateLimits { per_minute: Some(6), per_hour: Some(1) }.are_within(&some));
    }

    #[test]
    fn each_limit_that_is_set_has_a_budget() {
        let key = Uuid::from_u128(7);
        let budgets: Vec<_> = RateLimits { per_minute: None, per_hour: Some(9) }.budgets(key).collect();
        assert_eq!(budgets, [Budget { key, window: Window::Hour, limit: 9 }]);
        assert_eq!(RateLimits::UNLIMITED.budgets(key).count(), 0);
    }

    proptest! {
        #[test]
        fn being_within_is_reflexive_and_transitive(a in limits(), b in limits(), c in limits()) {
            prop_assert!(a.are_within(&a));
            if a.are_within(&b) && b.are_within(&c) {
                prop_assert!(a.are_within(&c));
            }
        }

        #[test]
        fn the_tightest_of_two_are_within_both(a in limits(), b in limits()) {
            let both = a.tightest(b);
            prop_assert!(both.are_within(&a) && both.are_within(&b));
            for window in Window::ALL {
                let set = [a.of(window), b.of(window)];
                prop_assert!(set.contains(&both.of(window)));
            }
        }

        #[test]
        fn defaults_fill_what_is_not_set(own in limits(), default in limits()) {
            for window in Window::ALL {
                prop_assert_eq!(own.or(default).of(window), own.of(window).or(default.of(window)));
            }
        }
    }
}
