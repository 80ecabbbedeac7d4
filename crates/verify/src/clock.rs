//! The one clock (verification.md, Time is one source).
//!
//! Decisions use an *authority time*: on PostgreSQL the store's clock at the last heartbeat, on SQLite
//! the machine's clock at the start, each carried on by a clock that counts through a suspended
//! machine and that nobody can step.

use std::sync::atomic::{AtomicI64, Ordering};

use keywright_core::Timestamp;

/// Microseconds of the boot-time clock: it never steps, and counts while the machine is paused, so
/// that a machine that wakes up knows how long it slept.
pub fn boot_micros() -> i64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const SOURCE: rustix::time::ClockId = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const SOURCE: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(SOURCE);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

/// The machine's wall clock, which anybody may step. Read at the start and to measure skew only.
pub fn wall_clock() -> Timestamp {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    Timestamp::from_micros(time.tv_sec * 1_000_000 + time.tv_nsec / 1_000)
}

/// Authority time: the boot-time clock plus an offset.
#[derive(Debug)]
pub struct Clock {
    offset_micros: AtomicI64,
    source: Source,
    /// Another clock, such as the store's, may move it.
    follows: bool,
}

#[derive(Debug)]
enum Source {
    Machine,
    Manual(AtomicI64),
}

impl Clock {
    /// Starts from the machine's wall clock.
    pub fn from_wall_clock() -> Self {
        Self {
            offset_micros: AtomicI64::new(wall_clock().as_micros() - boot_micros()),
            source: Source::Machine,
            follows: true,
        }
    }

    /// A clock that shows `time` and stands still until [`Clock::advance`]: what is due at a moment is
    /// tried at that moment.
    pub fn manual(time: Timestamp) -> Self {
        let source = Source::Manual(AtomicI64::new(0));
        Self { offset_micros: AtomicI64::new(time.as_micros()), source, follows: true }
    }

    /// The same, which no other clock moves either: a node whose store has a clock of its own stands still, too.
    pub fn still(time: Timestamp) -> Self {
        Self { follows: false, ..Self::manual(time) }
    }

    /// Moves a manual clock; the machine's own moves by itself.
    pub fn advance(&self, micros: i64) {
        if let Source::Manual(at) = &self.source {
            at.fetch_add(micros, Ordering::AcqRel);
        }
    }

    /// Microseconds of the clock that nobody can step: [`boot_micros`], unless this one is manual.
    pub fn boot_micros(&self) -> i64 {
        match &self.source {
            Source::Machine => boot_micros(),
            Source::Manual(at) => at.load(Ordering::Acquire),
        }
    }

    /// The authority time.
    pub fn now(&self) -> Timestamp {
        self.at(self.boot_micros())
    }

    /// The authority time at a moment of [`Clock::boot_micros`]: one reading serves a whole decision.
    pub fn at(&self, boot_micros: i64) -> Timestamp {
        Timestamp::from_micros(boot_micros + self.offset_micros.load(Ordering::Relaxed))
    }

    /// Follows another clock that showed `time` at the moment `at_boot_micros` of the boot-time clock.
    pub fn follow(&self, time: Timestamp, at_boot_micros: i64) {
        if !self.follows {
            return;
        }
        self.offset_micros.store(time.as_micros() - at_boot_micros, Ordering::Relaxed);
    }

    /// Follows another clock that showed `time` at some moment between two of the boot-time clock. As
    /// long as what this one shows may be right, it stays as it is: with each answer that took longer
    /// than the last it would step, and later changes would bear earlier times.
    pub fn follow_within(&self, time: Timestamp, asked_at: i64, answered_at: i64) {
        if !self.follows {
            return;
        }
        let least = time.as_micros() - answered_at.max(asked_at);
        let most = time.as_micros() - asked_at;
        let offset = self.offset_micros.load(Ordering::Relaxed);
        if !(least..=most).contains(&offset) {
            self.offset_micros.store(offset.clamp(least, most), Ordering::Relaxed);
        }
    }

    /// How far the authority time is ahead of this machine's wall clock, in microseconds.
    pub fn skew_micros(&self) -> i64 {
        self.now().micros_since(wall_clock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_shows_what_it_follows() {
        let clock = Clock::from_wall_clock();
        let at = boot_micros();
        clock.follow(Timestamp::from_micros(5_000_000), at);
        let earliest = 5_000_000 + boot_micros() - at;
        let shown = clock.now().as_micros();
        let latest = 5_000_000 + boot_micros() - at;
        assert!((earliest..=latest).contains(&shown), "{shown} is not within {earliest}..={latest}");
        assert!(clock.skew_micros() < 0);
    }

    #[test]
    fn a_clock_that_may_be_right_is_not_moved_and_one_that_is_wrong_no_further_than_needed() {
        let clock = Clock::manual(Timestamp::from_micros(1_000));
        for (time, asked_at, answered_at, shown) in [
            (1_000, 0, 0, 1_000),
            // Somewhere between 900 and 1,200 by the other clock: it may be right.
            (1_200, 0, 300, 1_000),
            // Behind by at least 100, ahead by at least 50.
            (1_400, 0, 300, 1_100),
            (1_050, 0, 300, 1_050),
        ] {
            clock.follow_within(Timestamp::from_micros(time), asked_at, answered_at);
            assert_eq!(clock.now(), Timestamp::from_micros(shown), "{time} {asked_at} {answered_at}");
        }
    }

    #[test]
    fn a_manual_clock_moves_when_it_is_told_to() {
        let clock = Clock::manual(Timestamp::from_micros(7));
        assert_eq!((clock.now(), clock.boot_micros()), (Timestamp::from_micros(7), 0));
        clock.advance(5);
        assert_eq!((clock.now(), clock.boot_micros()), (Timestamp::from_micros(12), 5));
        clock.follow(Timestamp::from_micros(100), 5);
        clock.advance(1);
        assert_eq!(clock.now(), Timestamp::from_micros(101));
    }

    #[test]
    fn a_still_clock_is_moved_by_nothing_else() {
        let clock = Clock::still(Timestamp::from_micros(7));
        clock.follow(Timestamp::from_micros(100), 0);
        clock.follow_within(Timestamp::from_micros(200), 0, 1);
        assert_eq!(clock.now(), Timestamp::from_micros(7));
        clock.advance(5);
        assert_eq!(clock.now(), Timestamp::from_micros(12));
    }
}
