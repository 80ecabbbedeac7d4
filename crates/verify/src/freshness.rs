//! Freshness is known, not assumed (verification.md, Invalidation).
//!
//! A heartbeat that came back through the notification channel proves that every notification sent
//! before it has been obeyed: what the cache holds was right at the moment the heartbeat was *sent*.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;

/// Without a confirmation for this long, cached grants are asked for again.
pub const MAX_UNCONFIRMED_MICROS: i64 = 1_500_000;

/// Up to which moment the cache is known to be right.
#[derive(Debug)]
pub struct Freshness {
    /// One process owns the store (SQLite): nobody else can change it, what is cached is right.
    alone: AtomicBool,
    /// Boot-time microseconds at which the newest heartbeat that came back was sent.
    confirmed_at: AtomicI64,
    /// Raised by each gap in the stream of notifications.
    era: AtomicU64,
    /// For each past era, the last moment that it confirmed. Newest last; few, as gaps are rare.
    past: Mutex<Vec<(u64, i64)>>,
}

/// Eras remembered; entries of older ones count as never confirmed.
const MAX_PAST_ERAS: usize = 256;

impl Freshness {
    /// For a process that is alone with its store.
    pub fn alone() -> Self {
        Self::new(true)
    }

    /// For a node among others; nothing is confirmed yet.
    pub fn among_nodes() -> Self {
        Self::new(false)
    }

    fn new(alone: bool) -> Self {
        Self {
            alone: AtomicBool::new(alone),
            confirmed_at: AtomicI64::new(i64::MIN),
            era: AtomicU64::new(0),
            past: Mutex::new(Vec::new()),
        }
    }

    /// The era to keep with what is about to be loaded.
    pub fn era(&self) -> u64 {
        self.era.load(Ordering::Acquire)
    }

    /// A heartbeat sent at this moment came back.
    pub fn confirm(&self, sent_at_boot_micros: i64) {
        self.confirmed_at.fetch_max(sent_at_boot_micros, Ordering::AcqRel);
    }

    /// Notifications may have been lost: what is cached stays, unconfirmed from now on.
    pub fn gap(&self) {
        let mut past = self.past.lock();
        let era = self.era.load(Ordering::Acquire);
        let confirmed = self.confirmed_at.swap(i64::MIN, Ordering::AcqRel);
        past.push((era, confirmed));
        if past.len() > MAX_PAST_ERAS {
            past.remove(0);
        }
        self.era.store(era + 1, Ordering::Release);
    }

    /// How long ago what was loaded at `loaded_at` in `era` was last known to be right, in
    /// microseconds; 0 for a process that is alone.
    pub fn unconfirmed_micros(&self, loaded_at: i64, era: u64, now: i64) -> i64 {
        if self.alone.load(Ordering::Relaxed) {
            return 0;
        }
        let confirmed = if era == self.era() {
            self.confirmed_at.load(Ordering::Acquire)
        } else {
            let past = self.past.lock();
            past.iter().rev().find(|(past, _)| *past == era).map_or(i64::MIN, |(_, confirmed)| *confirmed)
        };
        now.saturating_sub(confirmed.max(loaded_at)).max(0)
    }

    /// How long ago the newest confirmation was sent, in microseconds; `None` before the first one
    /// of this era.
    pub fn lag_micros(&self, now: i64) -> Option<i64> {
        if self.alone.load(Ordering::Relaxed) {
            return Some(0);
        }
        match self.confirmed_at.load(Ordering::Acquire) {
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
        assert_eq!(freshness.unconfirmed_micros(100, 0, 150), 50);
        freshness.confirm(140);
        assert_eq!(freshness.unconfirmed_micros(100, 0, 150), 10);
        freshness.confirm(120);
        assert_eq!(freshness.unconfirmed_micros(100, 0, 150), 10, "an older heartbeat takes nothing back");
    }

    #[test]
    fn after_a_gap_what_was_cached_before_is_not_confirmed_again() {
        let freshness = Freshness::among_nodes();
        freshness.confirm(140);
        let before = freshness.era();
        freshness.gap();
        freshness.confirm(1_000);
        assert_eq!(freshness.unconfirmed_micros(100, before, 1_010), 870);
        assert_eq!(freshness.unconfirmed_micros(900, freshness.era(), 1_010), 10);
        assert_eq!(Freshness::alone().unconfirmed_micros(0, 0, i64::MAX), 0);
    }
}
