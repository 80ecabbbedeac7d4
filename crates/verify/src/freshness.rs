//! Freshness is known, not assumed (verification.md, Invalidation).
//!
//! A heartbeat that came back through the notification channel proves that every notification sent
//! before it has been obeyed: what the cache holds was right at the moment the heartbeat was *sent*.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;

/// Without a confirmation for this long, cached grants are asked for again.
pub const MAX_UNCONFIRMED_MICROS: i64 = 1_500_000;

/// An unbroken stretch of the stream of notifications. What is loaded keeps the era in which its
/// load began, and is confirmed by the heartbeats of that era only: the cell that they raise goes
/// with the era, so that a heartbeat of the next one cannot reach it.
#[derive(Clone, Debug)]
pub struct Era(Arc<AtomicI64>);

impl Era {
    fn begin() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MIN)))
    }

    /// Boot-time microseconds at which its newest heartbeat that came back was sent.
    fn confirmed_at(&self) -> i64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Up to which moment the cache is known to be right.
#[derive(Debug)]
pub struct Freshness {
    /// One process owns the store (SQLite): nobody else can change it, what is cached is right.
    alone: bool,
    era: Mutex<Era>,
}

impl Freshness {
    /// For a process that is alone with its store.
    pub fn alone() -> Self {
        Self { alone: true, era: Mutex::new(Era::begin()) }
    }

    /// For a node among others; nothing is confirmed yet.
    pub fn among_nodes() -> Self {
        Self { alone: false, era: Mutex::new(Era::begin()) }
    }

    /// The era to keep with what is about to be loaded. Take it **before** the query.
    pub fn era(&self) -> Era {
        self.era.lock().clone()
    }

    /// Whether what belongs to this era is still confirmed by heartbeats.
    pub fn is_current(&self, era: &Era) -> bool {
        self.alone || Arc::ptr_eq(&self.era.lock().0, &era.0)
    }

    /// A heartbeat sent at this moment came back. One from before a gap that is told only after it
    /// confirms nothing: whatever belongs to the new era was loaded later than it was sent.
    pub fn confirm(&self, sent_at_boot_micros: i64) {
        self.era.lock().0.fetch_max(sent_at_boot_micros, Ordering::AcqRel);
    }

    /// Notifications may have been lost: what is cached stays, unconfirmed from now on.
    ///
    /// Call it once the new subscription is **in force** and before anything that it brings is
    /// obeyed. What is loaded between the loss and that moment belongs to the era that ends here.
    pub fn gap(&self) {
        *self.era.lock() = Era::begin();
    }

    /// How long ago what was loaded at `loaded_at` in `era` was last known to be right, in
    /// microseconds; 0 for a process that is alone.
    pub fn unconfirmed_micros(&self, loaded_at: i64, era: &Era, now: i64) -> i64 {
        if self.alone {
            return 0;
        }
        now.saturating_sub(era.confirmed_at().max(loaded_at)).max(0)
    }

    /// How long ago the newest confirmation was sent, in microseconds; `None` before the first one
    /// of this era.
    pub fn lag_micros(&self, now: i64) -> Option<i64> {
        if self.alone {
            return Some(0);
        }
        match self.era.lock().confirmed_at() {
            i64::MIN => None,
            confirmed => Some(now.saturating_sub(confirmed).max(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_confirms_up_to_the_moment_it_was_sent() {
        let freshness = Freshness::among_nodes();
        let era = freshness.era();
        assert_eq!(freshness.unconfirmed_micros(100, &era, 150), 50);
        freshness.confirm(140);
        assert_eq!(freshness.unconfirmed_micros(100, &era, 150), 10);
        freshness.confirm(120);
        assert_eq!(freshness.unconfirmed_micros(100, &era, 150), 10, "an older heartbeat takes nothing back");
    }

    #[test]
    fn after_a_gap_what_was_cached_before_is_not_confirmed_again() {
        let freshness = Freshness::among_nodes();
        freshness.confirm(140);
        let before = freshness.era();
        assert!(freshness.is_current(&before));
        for _ in 0..1_000 {
            freshness.gap();
        }
        assert!(!freshness.is_current(&before) && Freshness::alone().is_current(&before));
        assert_eq!(freshness.lag_micros(1_010), None);
        freshness.confirm(1_000);
        assert_eq!(
            freshness.unconfirmed_micros(100, &before, 1_010),
            870,
            "what an old era confirmed is kept"
        );
        assert_eq!(freshness.unconfirmed_micros(900, &freshness.era(), 1_010), 10);
        assert_eq!(freshness.lag_micros(1_010), Some(10));
        assert_eq!(Freshness::alone().unconfirmed_micros(0, &before, i64::MAX), 0);
    }

    #[test]
    fn a_heartbeat_from_before_a_gap_confirms_nothing_after_it() {
        let freshness = Freshness::among_nodes();
        let (before, sent_at) = (freshness.era(), 100);
        freshness.gap();
        freshness.confirm(sent_at);
        assert_eq!(freshness.unconfirmed_micros(50, &before, 200), 150);
        assert_eq!(freshness.unconfirmed_micros(110, &freshness.era(), 200), 90);
    }
}
