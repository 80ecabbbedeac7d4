//! What this node knows of its deliveries: kept in memory, so that a scrape of metrics asks the store nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use keywright_core::Timestamp;
use keywright_store::deliveries::Waiting;
use parking_lot::Mutex;

/// What became of what this node tried to deliver, and what waited when it looked last.
#[derive(Debug, Default)]
pub struct Tally {
    delivered: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
    /// What waited, and when somebody looked.
    waiting: Mutex<Option<(Timestamp, Waiting)>>,
}

/// A look at what waits holds for so long, in seconds.
const FRESH_SECONDS: i64 = 15;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver took it.
    Delivered,
    /// It is tried again.
    Failed,
    /// It is not tried again.
    GivenUp,
}

/// What a tally says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Attempts since the start that a receiver took.
    pub delivered: u64,
    /// Attempts since the start that are repeated.
    pub failed: u64,
    /// Attempts since the start after which a delivery was given up.
    pub given_up: u64,
    /// What waited in the store at the last look; `None` before the first.
    pub waiting: Option<Waiting>,
}

impl Tally {
    pub(super) fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Delivered => &self.delivered,
            Outcome::Failed => &self.failed,
            Outcome::GivenUp => &self.given_up,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it is time to look at what waits.
    pub(super) fn is_stale(&self, now: Timestamp) -> bool {
        self.waiting.lock().is_none_or(|(at, _)| now.has_reached(Some(at.plus_seconds(FRESH_SECONDS))))
    }

    pub(super) fn keep(&self, now: Timestamp, waiting: Waiting) {
        *self.waiting.lock() = Some((now, waiting));
    }

    /// What it says now.
    pub fn told(&self) -> Told {
        Told {
            delivered: self.delivered.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            given_up: self.given_up.load(Ordering::Relaxed),
            waiting: self.waiting.lock().map(|(_, waiting)| waiting),
        }
    }
}
