//! While the store cannot be reached one request probes it and the rest do not wait.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// Between the end of one probe of a store that is away and the next.
const PROBE_INTERVAL_MICROS: i64 = 100_000;

/// Whether the store may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is there.
    Free,
    /// It is taken to be away, and this caller finds out. Ends with [`Breaker::probe_ended`].
    Probe,
    /// It is taken to be away, and somebody finds out already, or did a moment ago.
    Refused,
}

/// The breaker of one store. It is what decides whether the store *can be reached*: only while it is
/// open do grants answer beyond their freshness. Times are boot-time microseconds.
#[derive(Debug, Default)]
pub struct Breaker {
    open: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    answered_at: i64,
    next_probe_at: i64,
    probing: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { answered_at: i64::MIN, next_probe_at: i64::MIN, probing: false }
    }
}

impl Breaker {
    /// Whether a load may be tried at `now`.
    pub fn admit(&self, now: i64) -> Admission {
        let mut state = self.state.lock();
        if !self.is_open() {
            return Admission::Free;
        }
        if state.probing || now < state.next_probe_at {
            return Admission::Refused;
        }
        state.probing = true;
        Admission::Probe
    }

    /// A probe is over, however it went; also one that was lost before it asked.
    pub fn probe_ended(&self, now: i64) {
        let mut state = self.state.lock();
        state.probing = false;
        state.next_probe_at = now + PROBE_INTERVAL_MICROS;
    }

    /// The store answered somebody. True when it was taken to be away until now.
    pub fn answered(&self, now: i64) -> bool {
        let mut state = self.state.lock();
        state.answered_at = state.answered_at.max(now);
        self.open.swap(false, Ordering::AcqRel)
    }

    /// The store did not answer who asked at `asked_at`. If it has answered somebody since, one slow
    /// or lost question says nothing of the store. True when it is taken to be away from now on.
    pub fn failed(&self, asked_at: i64, now: i64) -> bool {
        let mut state = self.state.lock();
        if state.answered_at > asked_at || self.open.swap(true, Ordering::AcqRel) {
            return false;
        }
        // It may have been one connection only: the next one finds out at once.
        state.next_probe_at = now;
        true
    }

    /// Whether the store is taken to be away.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_breaker_admits_one_probe_at_a_time() {
        let breaker = Breaker::default();
        assert_eq!((breaker.admit(0), breaker.admit(0)), (Admission::Free, Admission::Free));
        assert!(breaker.failed(5, 10) && !breaker.failed(6, 10));
        assert_eq!((breaker.admit(11), breaker.admit(11)), (Admission::Probe, Admission::Refused));
        let long_after = 11 + 10 * PROBE_INTERVAL_MICROS;
        assert_eq!(breaker.admit(long_after), Admission::Refused, "the first probe is still under way");
        breaker.failed(11, long_after);
        breaker.probe_ended(long_after);
        assert_eq!(breaker.admit(long_after + 1), Admission::Refused);
        let next = long_after + PROBE_INTERVAL_MICROS;
        assert_eq!((breaker.admit(next), breaker.admit(next)), (Admission::Probe, Admission::Refused));
        assert!(breaker.answered(next) && !breaker.answered(next));
        breaker.probe_ended(next);
        assert_eq!((breaker.admit(next), breaker.admit(next)), (Admission::Free, Admission::Free));
    }

    #[test]
    fn one_question_without_an_answer_opens_nothing_while_others_are_answered() {
        let breaker = Breaker::default();
        breaker.answered(300);
        breaker.failed(100, 400);
        assert!(!breaker.is_open());
        breaker.failed(300, 700);
        assert!(breaker.is_open());
    }
}
