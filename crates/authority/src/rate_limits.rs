//! Rate limits, being changed.

use keywright_core::RateLimits;

/// A change of rate limits; `None` leaves one as it is, `Some(None)` takes it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimitsChange {
    /// Uses in a minute.
    pub per_minute: Option<Option<u32>>,
    /// Uses in an hour.
    pub per_hour: Option<Option<u32>>,
}

impl RateLimitsChange {
    /// Takes both back.
    pub const NONE: Self = Self { per_minute: Some(None), per_hour: Some(None) };

    /// The limits after the change.
    pub(crate) fn applied(self, to: RateLimits) -> RateLimits {
        RateLimits {
            per_minute: self.per_minute.unwrap_or(to.per_minute),
            per_hour: self.per_hour.unwrap_or(to.per_hour),
        }
    }
}
