//! The verifier: from a token hash to a grant that may be decided on.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keywright_core::{Decision, Epochs, Requirements, TokenHash, decide};
use tokio::sync::watch;
use tracing::warn;
use uuid::Uuid;

use crate::breaker::Breaker;
use crate::cache::{Entry, GrantCache, PLATFORM};
use crate::clock::{Clock, boot_micros};
use crate::flight::{Flights, Landed, Part, landed};
use crate::freshness::{Freshness, MAX_UNCONFIRMED_MICROS};
use crate::gate::MissGate;
use crate::source::{GrantSource, SourceError};
use crate::stamps::Stamps;

/// A load that takes longer counts as a store that is away.
const LOAD_TIMEOUT: Duration = Duration::from_millis(400);
/// A verification never waits longer for the store, queue included: 503 within 500 ms.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(450);
/// Loads tried for one verification when changes keep overtaking them.
const MAX_LOADS: usize = 8;

/// How a verifier is set up.
#[derive(Clone, Copy, Debug)]
pub struct VerifierOptions {
    /// Grants kept.
    pub cache_capacity: usize,
    /// Unknown hashes kept, each for at most 2 s.
    pub unknown_capacity: usize,
    /// Misses that may ask the store at once.
    pub max_loads: usize,
    /// Misses that may wait for that.
    pub max_waiting: usize,
    /// How long a confirmed grant still answers while the store is away, in microseconds.
    pub stale_grace_micros: i64,
}

/// A grant that may be decided on.
#[derive(Clone, Debug)]
pub struct Known {
    /// The cached entry.
    pub entry: Arc<Entry>,
    /// Answered from what was last confirmed before the store went away.
    pub stale: bool,
}

/// What is known of a hash.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// A credential.
    Known(Known),
    /// Nobody's.
    Unknown,
    /// The answer cannot be known now.
    Unavailable,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifierStatistics {
    /// Answered from the cache.
    pub hits: u64,
    /// Asked of the store.
    pub loads: u64,
    /// Answered in the stale grace.
    pub stale: u64,
    /// Not answered.
    pub unavailable: u64,
    /// Grants in the cache.
    pub entries: u64,
}

#[derive(Debug, Default)]
struct Counters {
    hits: AtomicU64,
    loads: AtomicU64,
    stale: AtomicU64,
    unavailable: AtomicU64,
}

struct Inner<S> {
    source: S,
    cache: GrantCache,
    stamps: Stamps,
    freshness: Freshness,
    clock: Arc<Clock>,
    breaker: Breaker,
    gate: MissGate,
    flights: Flights,
    service_epoch: AtomicU64,
    counters: Counters,
    runtime: tokio::runtime::Handle,
    stale_grace_micros: i64,
}

/// The verifier of one node. Cheap to clone.
pub struct Verifier<S> {
    inner: Arc<Inner<S>>,
}

impl<S> Clone for Verifier<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<S: GrantSource> Verifier<S> {
    /// A verifier with an empty cache. Loads run on the runtime that this is called on.
    pub fn new(source: S, clock: Arc<Clock>, freshness: Freshness, options: &VerifierOptions) -> Self {
        Self {
            inner: Arc::new(Inner {
                source,
                cache: GrantCache::new(options.cache_capacity, options.unknown_capacity),
                stamps: Stamps::default(),
                freshness,
                clock,
                breaker: Breaker::default(),
                gate: MissGate::new(options.max_loads, options.max_waiting),
                flights: Flights::default(),
                service_epoch: AtomicU64::new(0),
                counters: Counters::default(),
                runtime: tokio::runtime::Handle::current(),
                stale_grace_micros: options.stale_grace_micros,
            }),
        }
    }

    /// The authority's clock.
    pub fn clock(&self) -> &Arc<Clock> {
        &self.inner.clock
    }

    /// How fresh the cache is.
    pub fn freshness(&self) -> &Freshness {
        &self.inner.freshness
    }

    /// The epochs in force, as far as this node knows.
    pub fn epochs(&self) -> Epochs {
        Epochs { service: self.inner.service_epoch.load(Ordering::Acquire) }
    }

    /// What the cache knows, without asking anybody: `None` means that [`Verifier::resolve`] must.
    pub fn peek(&self, hash: &TokenHash) -> Option<Lookup> {
        let now = boot_micros();
        if let Some(entry) = self.inner.cache.get(hash) {
            if !self.usable(&entry, now) {
                return None;
            }
            self.inner.counters.hits.fetch_add(1, Ordering::Relaxed);
            return Some(Lookup::Known(Known { entry, stale: false }));
        }
        self.inner.cache.is_unknown(hash, now).then_some(Lookup::Unknown)
    }

    fn usable(&self, entry: &Entry, now: i64) -> bool {
        entry.holds(&self.inner.stamps)
            && self.inner.freshness.unconfirmed_micros(entry.loaded_at, entry.era, now)
                <= MAX_UNCONFIRMED_MICROS
    }

    /// What is known of a hash, asking the store where the cache cannot tell. `network` is the
    /// client's, for fairness among those who wait.
    pub async fn resolve(&self, hash: TokenHash, network: Option<IpAddr>) -> Lookup {
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.load_until_it_holds(hash, network)).await;
        match answer.unwrap_or(Landed::Unavailable) {
            Landed::Known(entry) => Lookup::Known(Known { entry, stale: false }),
            Landed::Unknown => Lookup::Unknown,
            Landed::Unavailable => self.stale_or_unavailable(&hash),
        }
    }

    async fn load_until_it_holds(&self, hash: TokenHash, network: Option<IpAddr>) -> Landed {
        for _ in 0..MAX_LOADS {
            match self.peek(&hash) {
                Some(Lookup::Known(known)) => return Landed::Known(known.entry),
                Some(Lookup::Unknown) => return Landed::Unknown,
                _ => {}
            }
            let receiver = match self.inner.flights.join(hash) {
                Part::Follow(receiver) => receiver,
                Part::Lead(sender, receiver) => {
                    // A task of its own: a client that hangs up takes nobody's answer with it.
                    self.inner.runtime.spawn(Arc::clone(&self.inner).carry_out(hash, network, sender));
                    receiver
                }
            };
            match landed(receiver).await {
                // A load that began before a change is not given to those who came after it.
                Landed::Known(entry) if !self.usable(&entry, boot_micros()) => {}
                landed => return landed,
            }
        }
        Landed::Unavailable
    }

    /// While the store is away, what was confirmed within the grace still answers; never what is
    /// known to have changed.
    fn stale_or_unavailable(&self, hash: &TokenHash) -> Lookup {
        let inner = &self.inner;
        if let Some(entry) = inner.cache.get(hash).filter(|entry| entry.holds(&inner.stamps)) {
            let age = inner.freshness.unconfirmed_micros(entry.loaded_at, entry.era, boot_micros());
            if inner.breaker.is_open() && age <= inner.stale_grace_micros {
                inner.counters.stale.fetch_add(1, Ordering::Relaxed);
                return Lookup::Known(Known { entry, stale: true });
            }
        }
        inner.counters.unavailable.fetch_add(1, Ordering::Relaxed);
        Lookup::Unavailable
    }

    /// Decides on a known credential at this moment.
    pub fn decide(&self, known: &Known, wanted: &Requirements) -> Decision {
        decide(&known.entry.grant, self.epochs(), wanted, self.inner.clock.now())
    }

    /// A change of these ids was committed, or its outcome is unknown. When this returns, no
    /// verification that begins on this node is answered from before the change.
    pub fn invalidate(&self, ids: impl IntoIterator<Item = Uuid>) {
        self.inner.stamps.invalidate(ids);
    }

    /// Anything may have changed.
    pub fn invalidate_everything(&self) {
        self.inner.stamps.invalidate_everything();
    }

    /// The platform itself changed in a way that is not told by an epoch.
    pub fn invalidate_platform(&self) {
        self.invalidate([PLATFORM]);
    }

    /// The epoch of service tokens is at least this from now on.
    pub fn raise_service_epoch(&self, epoch: u64) {
        self.inner.service_epoch.fetch_max(epoch, Ordering::AcqRel);
    }

    /// A credential with this hash has been made here.
    pub fn forget_unknown(&self, hash: &TokenHash) {
        self.inner.cache.forget_unknown(hash);
    }

    /// Whether the store is taken to be away.
    pub fn store_is_away(&self) -> bool {
        self.inner.breaker.is_open()
    }

    /// The store answered somebody else (a heartbeat, say).
    pub fn store_answered(&self) {
        self.inner.breaker.succeeded();
    }

    /// Counters since the start.
    pub fn statistics(&self) -> VerifierStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.inner.counters;
        VerifierStatistics {
            hits: read(&counters.hits),
            loads: read(&counters.loads),
            stale: read(&counters.stale),
            unavailable: read(&counters.unavailable),
            entries: self.inner.cache.len() as u64,
        }
    }
}

impl<S: GrantSource> Inner<S> {
    async fn carry_out(
        self: Arc<Self>,
        hash: TokenHash,
        network: Option<IpAddr>,
        sender: watch::Sender<Option<Landed>>,
    ) {
        let landing = Landing { inner: &self, hash, sender: &sender };
        let landed = if self.breaker.admits(boot_micros()) {
            match self.gate.enter(network).await {
                Ok(_permit) => self.load(hash).await,
                Err(_) => Landed::Unavailable,
            }
        } else {
            Landed::Unavailable
        };
        landing.land(landed);
    }

    async fn load(&self, hash: TokenHash) -> Landed {
        // All of these before the query: they describe a moment that the answer is not older than.
        let (noted, era, loaded_at) = (self.stamps.note(), self.freshness.era(), boot_micros());
        self.counters.loads.fetch_add(1, Ordering::Relaxed);
        let answer = tokio::time::timeout(LOAD_TIMEOUT, self.source.load(hash)).await;
        match answer {
            Ok(Ok(Some(loaded))) => {
                self.breaker.succeeded();
                self.service_epoch.fetch_max(loaded.epochs.service, Ordering::AcqRel);
                let entry = Arc::new(Entry { grant: loaded.grant, noted, loaded_at, era });
                self.cache.insert(hash, Arc::clone(&entry));
                Landed::Known(entry)
            }
            Ok(Ok(None)) => {
                self.breaker.succeeded();
                self.cache.insert_unknown(hash, loaded_at);
                Landed::Unknown
            }
            Ok(Err(SourceError::Failed(reason))) => {
                warn!(%reason, "a grant could not be loaded");
                Landed::Unavailable
            }
            Ok(Err(SourceError::Unavailable(_))) | Err(_) => {
                self.breaker.failed(boot_micros());
                Landed::Unavailable
            }
        }
    }
}

/// Lands the flight even when the load panics, so that nobody waits for a load that is gone.
struct Landing<'a, S> {
    inner: &'a Inner<S>,
    hash: TokenHash,
    sender: &'a watch::Sender<Option<Landed>>,
}

impl<S> Landing<'_, S> {
    fn land(self, landed: Landed) {
        self.inner.flights.land(self.hash, self.sender, landed);
        std::mem::forget(self);
    }
}

impl<S> Drop for Landing<'_, S> {
    fn drop(&mut self) {
        self.inner.flights.land(self.hash, self.sender, Landed::Unavailable);
    }
}
