//! While the store cannot be reached one request probes it and the rest do not wait.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Between two probes of a store that failed.
const PROBE_INTERVAL_MICROS: i64 = 100_000;

/// The breaker of one store.
#[derive(Debug, Default)]
pub struct Breaker {
    open: AtomicBool,
    probed_at: AtomicI64,
}

impl Breaker {
    /// Whether a load may be tried at `now` (boot-time microseconds): always while closed; while
    /// open for one caller each interval.
    pub fn admits(&self, now: i64) -> bool {
        if !self.open.load(Ordering::Acquire) {
            return true;
        }
        let last = self.probed_at.load(Ordering::Acquire);
        now - last >= PROBE_INTERVAL_MICROS
            && self.probed_at.compare_exchange(last, now, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// The store answered.
    pub fn succeeded(&self) {
        if self.open.load(Ordering::Acquire) {
            self.open.store(false, Ordering::Release);
        }
    }

    /// The store did not answer.
    pub fn failed(&self, now: i64) {
        self.probed_at.store(now, Ordering::Release);
        self.open.store(true, Ordering::Release);
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
    fn an_open_breaker_admits_one_probe_each_interval() {
        let breaker = Breaker::default();
        assert!(breaker.admits(0) && breaker.admits(0));
        breaker.failed(10);
        assert!(!breaker.admits(11));
        let later = 10 + PROBE_INTERVAL_MICROS;
        assert!(breaker.admits(later));
        assert!(!breaker.admits(later));
        breaker.succeeded();
        assert!(breaker.admits(later) && breaker.admits(later));
    }
}
