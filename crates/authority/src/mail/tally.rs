//! What this node knows of its mail: kept in memory, so that a scrape of metrics asks the store nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use keywright_store::outbox::Waiting;
use parking_lot::Mutex;

/// What became of the letters that this node tried to deliver, and what waited when it looked last.
#[derive(Debug, Default)]
pub struct Tally {
    delivered: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
    waiting: Mutex<Option<Waiting>>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The letter left.
    Delivered,
    /// It is tried again.
    Failed,
    /// It is not tried again.
    GivenUp,
}

/// What a tally says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Attempts since the start by which a letter left.
    pub delivered: u64,
    /// Attempts since the start that are repeated.
    pub failed: u64,
    /// Attempts since the start after which a letter was given up.
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

    pub(super) fn keep(&self, waiting: Waiting) {
        *self.waiting.lock() = Some(waiting);
    }

    /// What it says now.
    pub fn told(&self) -> Told {
        Told {
            delivered: self.delivered.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            given_up: self.given_up.load(Ordering::Relaxed),
            waiting: *self.waiting.lock(),
        }
    }
}
