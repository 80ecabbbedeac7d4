//! Attempts to deliver something, be it a letter, a notification or a new secret: how they ended, and when the next
//! one is due.

use std::sync::atomic::{AtomicU64, Ordering};

use keywright_core::Timestamp;
use parking_lot::Mutex;

/// The longest pause between two attempts, in seconds.
pub(crate) const LONGEST_PAUSE: i64 = 3_600;

/// How long to wait after an attempt that failed, in seconds: after the first one `first`, then twice as long each
/// time, with up to a quarter more or less by the throw of a `dice`, so that those who failed together do not come
/// back together.
pub(crate) fn pause_seconds(first: i64, attempt: u64, dice: u8) -> i64 {
    let doubled = first << attempt.saturating_sub(1).min(16);
    let pause = doubled.min(LONGEST_PAUSE);
    pause + (pause * (i64::from(dice) - 128)) / 512
}

/// How the attempts of this node ended, and what waited in the store when it looked last. Kept in memory, so that a
/// scrape of metrics asks the store nothing.
#[derive(Debug, Default)]
pub struct Attempts<W> {
    delivered: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
    /// What waited, and when somebody looked.
    waiting: Mutex<Option<(Timestamp, W)>>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The receiver took it.
    Delivered,
    /// It is tried again.
    Failed,
    /// It is not tried again.
    GivenUp,
}

/// What is known of attempts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts<W> {
    /// Attempts since the start that the receiver took.
    pub delivered: u64,
    /// Attempts since the start that are repeated.
    pub failed: u64,
    /// Attempts since the start after which a delivery was given up.
    pub given_up: u64,
    /// What waited in the store at the last look; `None` before the first.
    pub waiting: Option<W>,
}

impl<W: Copy> Attempts<W> {
    pub(crate) fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Delivered => &self.delivered,
            Outcome::Failed => &self.failed,
            Outcome::GivenUp => &self.given_up,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// When somebody looked last at what waits.
    pub(crate) fn looked_at(&self) -> Option<Timestamp> {
        self.waiting.lock().map(|(at, _)| at)
    }

    /// Keeps what waits.
    pub(crate) fn keep(&self, now: Timestamp, waiting: W) {
        *self.waiting.lock() = Some((now, waiting));
    }

    /// What is known now.
    pub fn counts(&self) -> Counts<W> {
        Counts {
            delivered: self.delivered.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            given_up: self.given_up.load(Ordering::Relaxed),
            waiting: self.waiting.lock().map(|(_, waiting)| waiting),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour_and_are_spread() {
        let middle: Vec<i64> = (1..=12).map(|attempt| pause_seconds(15, attempt, 128)).collect();
        assert_eq!(middle, [15, 30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600, 3_600]);
        assert_eq!((pause_seconds(15, 9, 0), pause_seconds(15, 9, 255)), (2_700, 4_492));
        assert!(pause_seconds(15, u64::MAX, 0) > 0);
        assert!(pause_seconds(10, u64::MAX, 255) <= 4_500);
    }
}
