//! How often and from where: bounds as requests name them, for all that has some.

use keywright_api::bounds::ChangeRateLimits;
use keywright_api::patch::Patch;
use keywright_api::problem::{FieldCode, FieldError, Problem};
use keywright_authority::RateLimitsChange;
use keywright_core::allowlist::MAX_NETWORKS;
use keywright_core::{Allowlist, Network, RateLimits};

use super::input::invalid;

/// To leave it, to take it back, or to set it.
pub fn wish<T>(patch: Patch<T>) -> Option<Option<T>> {
    match patch {
        Patch::Absent => None,
        Patch::Null => Some(None),
        Patch::Value(value) => Some(Some(value)),
    }
}

/// A change of limits: what is not named stays, null takes all back.
pub fn limits_change(patch: Patch<ChangeRateLimits>) -> Option<RateLimitsChange> {
    Some(match patch {
        Patch::Absent => return None,
        Patch::Null => RateLimitsChange::NONE,
        Patch::Value(ChangeRateLimits { per_minute, per_hour }) => {
            RateLimitsChange { per_minute: wish(per_minute), per_hour: wish(per_hour) }
        }
    })
}

/// The limits of something new: what is not named is unlimited.
pub fn rate_limits(patch: Patch<ChangeRateLimits>) -> RateLimits {
    let limits = patch.value().unwrap_or_default();
    RateLimits { per_minute: limits.per_minute.value(), per_hour: limits.per_hour.value() }
}

/// All limits anew: what is not named is unlimited.
pub fn replaced(patch: Patch<ChangeRateLimits>) -> RateLimitsChange {
    let limits = rate_limits(patch);
    RateLimitsChange { per_minute: Some(limits.per_minute), per_hour: Some(limits.per_hour) }
}

/// The networks of `ip_allowlist`.
///
/// # Errors
/// 422, which the reader of the request has found before.
pub fn allowlist(texts: &[String]) -> Result<Allowlist, Problem> {
    let network = |(at, text): (usize, &String)| {
        text.parse::<Network>().map_err(|error| invalid(&format!("ip_allowlist[{at}]"), &error.to_string()))
    };
    let networks = texts.iter().enumerate().map(network).collect::<Result<Vec<_>, _>>()?;
    Allowlist::new(networks).ok_or_else(|| {
        let detail = format!("must have at most {MAX_NETWORKS} items");
        Problem::of_fields(vec![FieldError::new("ip_allowlist", FieldCode::TooMany, detail)])
    })
}
