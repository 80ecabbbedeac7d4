//! What a verifier counts, and tells of itself.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Verifier;
use crate::source::GrantSource;
use crate::striped::Striped;

/// Counters since the start, and what is so now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifierStatistics {
    /// Answered from the cache.
    pub hits: u64,
    /// Answered as nobody's from the cache.
    pub unknown_hits: u64,
    /// What the cache could not answer.
    pub misses: u64,
    /// Asked of the store.
    pub loads: u64,
    /// Of them, those that the store did not answer, or not in time.
    pub failed_loads: u64,
    /// Answered in the stale grace.
    pub stale: u64,
    /// Not answered.
    pub unavailable: u64,
    /// Grants in the cache.
    pub entries: u64,
    /// Unknown keys in the cache.
    pub unknown_entries: u64,
    /// Misses that wait for others to have asked the store.
    pub waiting: u64,
}

/// Of what is counted at each verification every thread has its own.
#[derive(Debug, Default)]
pub(super) struct Hits {
    pub(super) known: AtomicU64,
    pub(super) unknown: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) hits: Striped<Hits>,
    pub(super) misses: AtomicU64,
    pub(super) loads: AtomicU64,
    pub(super) failed_loads: AtomicU64,
    pub(super) stale: AtomicU64,
    pub(super) unavailable: AtomicU64,
}

impl<S: GrantSource> Verifier<S> {
    /// Counters since the start, and what is so now.
    pub fn statistics(&self) -> VerifierStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.inner.counters;
        VerifierStatistics {
            hits: counters.hits.sum(|own| &own.known),
            unknown_hits: counters.hits.sum(|own| &own.unknown),
            misses: read(&counters.misses),
            loads: read(&counters.loads),
            failed_loads: read(&counters.failed_loads),
            stale: read(&counters.stale),
            unavailable: read(&counters.unavailable),
            entries: self.inner.cache.len() as u64,
            unknown_entries: self.inner.cache.unknown_len() as u64,
            waiting: self.inner.gate.waiting() as u64,
        }
    }
}
