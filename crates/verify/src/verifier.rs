//! The verifier: from what is wanted to a grant that may be decided on.

mod loading;
mod statistics;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keywright_core::{
    Claimed, Decision, Epochs, Facts, Grant, GrantKey, Requirements, ScopeSet, Wanted, admit, carries, decide,
};
use uuid::Uuid;

use self::statistics::Counters;
pub use self::statistics::VerifierStatistics;
use crate::breaker::Breaker;
use crate::cache::{Entry, GrantCache, PLATFORM};
use crate::changes::Changes;
use crate::clock::Clock;
use crate::flight::{Flights, Landed, Part, landed};
use crate::freshness::{Freshness, MAX_UNCONFIRMED_MICROS};
use crate::gate::MissGate;
use crate::shared::Shared;
use crate::source::GrantSource;
use crate::stamps::Stamps;
use crate::striped::count;

/// A verification never waits longer for the store, queue included: 503 within 500 ms.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(450);
/// Questions under way at once to a store that is asked for many credentials in one: few, so that those who
/// come meanwhile are asked for together, and enough for one that is slow to hold nobody up.
const ASKERS: usize = 2;
/// Loads tried for one verification when changes keep overtaking them.
const MAX_LOADS: usize = 8;

/// How a verifier is set up.
#[derive(Clone, Copy, Debug)]
pub struct VerifierOptions {
    /// Grants kept.
    pub cache_capacity: usize,
    /// Unknown keys kept, each for at most 2 s.
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
    /// The epochs to decide by.
    pub epochs: Epochs,
    /// Answered from what was last confirmed before the store went away.
    pub stale: bool,
    /// The token that was presented, where it says something of itself.
    pub token: Option<Arc<VerifiedToken>>,
}

/// A token whose signature was checked, and what it says.
#[derive(Debug)]
pub struct VerifiedToken {
    /// What narrows the grant.
    pub claimed: Claimed,
    /// All of its claims: a JSON object.
    pub claims: Box<str>,
}

impl Known {
    /// The snapshot.
    pub fn grant(&self) -> &Grant {
        &self.entry.grant
    }

    /// What the token claims of itself.
    pub fn claimed(&self) -> Option<&Claimed> {
        self.token.as_ref().map(|token| &token.claimed)
    }

    /// See [`admit`].
    ///
    /// # Errors
    /// The denial.
    pub fn admit(&self, facts: Facts) -> Decision {
        admit(self.grant(), self.claimed(), self.epochs, facts)
    }

    /// See [`carries`].
    ///
    /// # Errors
    /// The denial.
    pub fn carries(&self, wanted: &Requirements) -> Decision {
        carries(self.grant(), self.claimed(), wanted)
    }

    /// What the credential carries: never more than its owner may, nor than the token claims.
    pub fn scopes(&self) -> Cow<'_, ScopeSet> {
        self.grant().effective(self.claimed())
    }
}

/// What is known of what is wanted.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// A credential.
    Known(Known),
    /// Nobody's.
    Unknown,
    /// The answer cannot be known now.
    Unavailable,
}

/// The epochs in force, as far as this node has been told: those that decisions are made by. What the next
/// credential keeps is read where it is made.
#[derive(Debug, Default)]
struct EpochCells {
    service: AtomicU64,
    session: AtomicU64,
    personal: AtomicU64,
    keys: AtomicU64,
}

impl EpochCells {
    fn load(&self) -> Epochs {
        let read = |cell: &AtomicU64| cell.load(Ordering::Acquire);
        Epochs {
            service: read(&self.service),
            session: read(&self.session),
            personal: read(&self.personal),
            keys: read(&self.keys),
            ..Epochs::default()
        }
    }

    fn raise(&self, epochs: Epochs) {
        self.service.fetch_max(epochs.service, Ordering::AcqRel);
        self.session.fetch_max(epochs.session, Ordering::AcqRel);
        self.personal.fetch_max(epochs.personal, Ordering::AcqRel);
        self.keys.fetch_max(epochs.keys, Ordering::AcqRel);
    }
}

struct Inner<S> {
    source: S,
    cache: GrantCache,
    shared: Shared,
    stamps: Stamps,
    changes: Changes,
    freshness: Freshness,
    clock: Arc<Clock>,
    breaker: Breaker,
    gate: MissGate<loading::Miss<S>>,
    /// Loads that cannot be joined into one question, for each of those who ask at once.
    loads_at_once: usize,
    flights: Flights,
    epochs: EpochCells,
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
        let together = source.tokens_at_once() > 1;
        let askers = if together { options.max_loads.min(ASKERS) } else { options.max_loads }.max(1);
        Self {
            inner: Arc::new(Inner {
                source,
                cache: GrantCache::new(options.cache_capacity, options.unknown_capacity),
                shared: Shared::default(),
                stamps: Stamps::default(),
                changes: Changes::default(),
                freshness,
                clock,
                breaker: Breaker::default(),
                gate: MissGate::new(askers, options.max_waiting),
                loads_at_once: (options.max_loads / askers).max(1),
                flights: Flights::default(),
                epochs: EpochCells::default(),
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

    /// The epochs in force, as far as this node has been told.
    pub fn epochs(&self) -> Epochs {
        self.inner.epochs.load()
    }

    /// What the cache knows, without asking anybody: `None` means that [`Verifier::resolve`] must.
    pub fn peek(&self, key: &GrantKey) -> Option<Lookup> {
        self.peek_at(key, self.inner.clock.boot_micros())
    }

    /// As [`Verifier::peek`], at a moment of the boot-time clock that was read just now.
    pub fn peek_at(&self, key: &GrantKey, now: i64) -> Option<Lookup> {
        if let Some(entry) = self.inner.cache.get(key) {
            let known = self.known(entry, now)?;
            count(&self.inner.counters.hits.own().known);
            return Some(Lookup::Known(known));
        }
        self.inner.cache.is_unknown(key, now).then(|| {
            count(&self.inner.counters.hits.own().unknown);
            Lookup::Unknown
        })
    }

    /// The entry to decide on, if it still holds and is fresh enough.
    fn known(&self, entry: Arc<Entry>, now: i64) -> Option<Known> {
        let inner = &self.inner;
        // The epochs before the stamps: a raised epoch is never seen without the invalidation of
        // those that it spared.
        let epochs = inner.epochs_for(&entry);
        let usable = entry.holds(&inner.stamps)
            && inner.freshness.unconfirmed_micros(entry.loaded_at, &entry.era, now) <= MAX_UNCONFIRMED_MICROS;
        usable.then_some(Known { entry, epochs, stale: false, token: None })
    }

    /// What is known of what is wanted, asking the store where the cache cannot tell. `network` is the
    /// client's, for fairness among those who wait.
    pub async fn resolve(&self, wanted: &Wanted, network: Option<IpAddr>) -> Lookup {
        count(&self.inner.counters.misses);
        let key = wanted.key();
        let answer =
            tokio::time::timeout(ANSWER_TIMEOUT, self.ask_until_it_holds(key, wanted, network)).await;
        answer.ok().flatten().unwrap_or_else(|| self.stale_or_unavailable(&key))
    }

    async fn ask_until_it_holds(
        &self,
        key: GrantKey,
        wanted: &Wanted,
        network: Option<IpAddr>,
    ) -> Option<Lookup> {
        let inner = &self.inner;
        for _ in 0..MAX_LOADS {
            if let Some(lookup) = self.peek(&key) {
                return Some(lookup);
            }
            let (leads, receiver) = match inner.flights.join(key, wanted) {
                Part::Lead(flight, receiver) => inner.launch(flight, network).then_some((true, receiver))?,
                // Somebody probes a store that is away: nobody else waits for that.
                Part::Follow(_) if inner.breaker.is_open() => return None,
                Part::Follow(receiver) => (false, receiver),
            };
            // A load that began before a change is not given to those who came after it.
            match landed(receiver).await {
                Landed::Known(entry) => {
                    if let Some(known) = self.known(entry, inner.clock.boot_micros()) {
                        return Some(Lookup::Known(known));
                    }
                }
                Landed::Unknown(absence) => {
                    if inner.cache.is_absent(&key, absence, inner.clock.boot_micros()) {
                        return Some(Lookup::Unknown);
                    }
                }
                Landed::Crowded if !leads => {}
                Landed::Crowded | Landed::Unavailable => return None,
            }
        }
        None
    }

    /// While the store is away, what was confirmed within the grace still answers; never what is
    /// known to have changed. A store that answers others, but not this one in time, is not away:
    /// then notifications may be getting through to the other nodes, and old answers would outlive
    /// what those have confirmed.
    fn stale_or_unavailable(&self, key: &GrantKey) -> Lookup {
        if let Some(lookup) = self.peek(key) {
            return lookup;
        }
        let (inner, now) = (&self.inner, self.inner.clock.boot_micros());
        if let Some(entry) = inner.cache.get(key).filter(|_| inner.breaker.is_open()) {
            let epochs = inner.epochs_for(&entry);
            let age = inner.freshness.unconfirmed_micros(entry.loaded_at, &entry.era, now);
            if entry.holds(&inner.stamps) && age <= inner.stale_grace_micros {
                count(&inner.counters.stale);
                return Lookup::Known(Known { entry, epochs, stale: true, token: None });
            }
        }
        count(&inner.counters.unavailable);
        Lookup::Unavailable
    }

    /// Decides on a known credential at this moment, used from an address that is not known.
    pub fn decide(&self, known: &Known, wanted: &Requirements) -> Decision {
        let facts = Facts::at(self.inner.clock.now());
        decide(known.grant(), known.claimed(), known.epochs, wanted, facts)
    }

    /// A change of these ids was committed, or its outcome is unknown. When this returns, no
    /// verification that begins on this node is answered from before the change.
    pub fn invalidate(&self, ids: impl IntoIterator<Item = Uuid>) {
        let ids: Vec<Uuid> = ids.into_iter().collect();
        self.inner.stamps.invalidate(ids.iter().copied());
        // Only then: whoever hears of it, and asks here, is answered from after it.
        self.inner.changes.tell(&ids);
    }

    /// Anything may have changed.
    pub fn invalidate_everything(&self) {
        self.inner.stamps.invalidate_everything();
        self.inner.changes.tell_everything();
    }

    /// What this node tells remote caches.
    pub fn changes(&self) -> &Changes {
        &self.inner.changes
    }

    /// Notifications may have been lost: see [`Freshness::gap`]. Those who listen here have missed what was.
    pub fn gap(&self) {
        self.inner.freshness.gap();
        self.inner.changes.tell_everything();
    }

    /// The platform itself changed in a way that is not told by an epoch.
    pub fn invalidate_platform(&self) {
        self.invalidate([PLATFORM]);
    }

    /// The epochs are at least these from now on. Invalidate those that they spared **first**, or they are
    /// refused until then.
    pub fn raise_epochs(&self, epochs: Epochs) {
        self.inner.epochs.raise(epochs);
        self.inner.changes.tell_everything();
    }

    /// A credential with this key has been made here. Call it once that is committed.
    pub fn forget_unknown(&self, key: impl Into<GrantKey>) {
        self.inner.cache.forget_unknown(&key.into());
    }

    /// Whether the store is taken to be away.
    pub fn store_is_away(&self) -> bool {
        self.inner.breaker.is_open()
    }

    /// The store answered somebody else (a heartbeat, say).
    pub fn store_answered(&self) {
        self.inner.answered(self.inner.clock.boot_micros());
    }
}

impl<S> Inner<S> {
    /// The epochs by which to decide on an entry. Read them before asking whether the entry holds.
    fn epochs_for(&self, entry: &Entry) -> Epochs {
        self.epochs.load().max(*entry.epochs)
    }
}
