//! Asking the store: a miss on its way, alone or with others that wait, and what becomes of the answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use keywright_core::{GrantKey, TokenHash, Wanted};
use tracing::{info, warn};

use super::{ANSWER_TIMEOUT, Inner};
use crate::breaker::Admission;
use crate::cache::{Absence, Entry};
use crate::flight::{Flight, Landed};
use crate::freshness::Era;
use crate::gate::{Offered, Permit};
use crate::source::{GrantSource, Loaded, SourceError};
use crate::stamps::Noted;
use crate::striped::count;

/// A load that takes longer counts as a store that is away.
const LOAD_TIMEOUT: Duration = Duration::from_millis(400);

/// A miss on its way to the store.
pub(super) struct Miss<S> {
    flight: Flight,
    /// When it came to the gate, on the boot-time clock.
    came_at: i64,
    probe: Option<Probe<S>>,
}

/// What was noted before a question: it describes a moment that the answer is not older than.
struct Before {
    noted: Noted,
    era: Era,
    loaded_at: i64,
    absence: Absence,
}

impl<S> Inner<S> {
    pub(super) fn answered(&self, now: i64) {
        if self.breaker.answered(now) {
            info!("the store answers again");
        }
    }

    fn unanswered(&self, asked_at: i64, now: i64, reason: &str) -> Landed {
        count(&self.counters.failed_loads);
        if self.breaker.failed(asked_at, now) {
            warn!(reason, "the store cannot be reached; known credentials answer for their grace");
        }
        Landed::Unavailable
    }
}

impl<S: GrantSource> Inner<S> {
    /// Has a load carried out in a task of its own: a client that hangs up takes nobody's answer with it.
    /// False, and the flight has landed, when the store is away and this is not its probe.
    pub(super) fn launch(self: &Arc<Self>, flight: Flight, network: Option<IpAddr>) -> bool {
        let came_at = self.clock.boot_micros();
        let probe = match self.breaker.admit(came_at) {
            Admission::Refused => return false,
            Admission::Probe => Some(Probe(Arc::clone(self))),
            Admission::Free => None,
        };
        let crowded = match self.gate.offer(network, Miss { flight, came_at, probe }) {
            Offered::Through(permit, miss) => {
                self.runtime.spawn(Arc::clone(self).ask(permit, miss));
                return true;
            }
            Offered::Waiting { evicted } => evicted,
            Offered::Overflow(miss) => Some(miss),
        };
        if let Some(miss) = crowded {
            miss.flight.land(Landed::Crowded);
        }
        true
    }

    /// Asks for one miss, and then for those that wait, until there are none.
    async fn ask(self: Arc<Self>, permit: Permit<Miss<S>>, first: Miss<S>) {
        let (mut permit, mut misses) = (permit, vec![first]);
        loop {
            // A source that dies of a question loses that question, whose flights then land by
            // themselves, and not those who wait.
            let _ = std::panic::AssertUnwindSafe(self.load_all(misses)).catch_unwind().await;
            match permit.next(self.source.tokens_at_once()) {
                Some(next) => (permit, misses) = next,
                None => return,
            }
        }
    }

    async fn load_all(&self, misses: Vec<Miss<S>>) {
        let now = self.clock.boot_micros();
        let longest = i64::try_from(ANSWER_TIMEOUT.as_micros()).unwrap_or(i64::MAX);
        let (mut tokens, mut others) = (Vec::new(), Vec::new());
        for miss in misses {
            if miss.probe.is_none() && self.breaker.is_open() {
                // Those who queued while the store went away do not find that out one after the other.
                miss.flight.land(Landed::Unavailable);
            } else if now - miss.came_at > longest {
                // Longer than that nobody waits for it.
                miss.flight.land(Landed::Crowded);
            } else if let Wanted::Token { hash, publisher: None } = miss.flight.wanted() {
                tokens.push((*hash, miss));
            } else {
                others.push(miss);
            }
        }
        if tokens.len() == 1 {
            others.extend(tokens.pop().map(|(_, miss)| miss));
        }
        if !tokens.is_empty() {
            self.load_tokens(tokens).await;
        }
        futures::stream::iter(others)
            .for_each_concurrent(self.loads_at_once, async |miss| {
                let landed = self.load(miss.flight.wanted()).await;
                drop(miss.probe);
                miss.flight.land(landed);
            })
            .await;
    }

    fn before(&self) -> Before {
        let loaded_at = self.clock.boot_micros();
        let (noted, era) = (self.stamps.note(), self.freshness.era());
        Before { noted, era, loaded_at, absence: self.cache.note_absence(loaded_at) }
    }

    async fn load(&self, wanted: &Wanted) -> Landed {
        let before = self.before();
        count(&self.counters.loads);
        match self.answer(&before, self.source.load(wanted)).await {
            Ok(loaded) => self.keep(wanted.key(), loaded, &before),
            Err(landed) => landed,
        }
    }

    async fn load_tokens(&self, misses: Vec<(TokenHash, Miss<S>)>) {
        let before = self.before();
        let hashes: Vec<_> = misses.iter().map(|(hash, _)| *hash).collect();
        self.counters.loads.fetch_add(hashes.len() as u64, Ordering::Relaxed);
        let answer = self.answer(&before, self.source.load_tokens(&hashes)).await;
        let mut loaded = match answer {
            Ok(loaded) => Ok(loaded.into_iter()),
            Err(landed) => Err(landed),
        };
        for (hash, miss) in misses {
            let landed = match &mut loaded {
                Ok(loaded) => loaded
                    .next()
                    .map_or(Landed::Unavailable, |loaded| self.keep(hash.into(), loaded, &before)),
                Err(landed) => landed.clone(),
            };
            drop(miss.probe);
            miss.flight.land(landed);
        }
    }

    /// Waits for an answer of the store, and notes whether there was one.
    async fn answer<T>(
        &self,
        before: &Before,
        question: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, Landed> {
        let answer = tokio::time::timeout(LOAD_TIMEOUT, question).await;
        let now = self.clock.boot_micros();
        match answer {
            Ok(Ok(loaded)) => {
                self.answered(now);
                Ok(loaded)
            }
            Ok(Err(SourceError::Failed(reason) | SourceError::Refused(reason))) => {
                count(&self.counters.failed_loads);
                warn!(%reason, "a grant could not be loaded");
                Err(Landed::Unavailable)
            }
            Ok(Err(SourceError::Unavailable(reason))) => Err(self.unanswered(before.loaded_at, now, &reason)),
            Err(_) => Err(self.unanswered(before.loaded_at, now, "no answer in time")),
        }
    }

    /// Keeps what was found, for those who come later.
    fn keep(&self, key: GrantKey, loaded: Option<Loaded>, before: &Before) -> Landed {
        let Some(Loaded { mut grant, epochs }) = loaded else {
            self.cache.insert_unknown(key, before.absence);
            return Landed::Unknown(before.absence);
        };
        let Before { noted, era, loaded_at, .. } = before;
        grant.scopes = self.shared.scopes(grant.scopes);
        let epochs = self.shared.epochs(epochs);
        let entry = Arc::new(Entry { grant, epochs, noted: *noted, loaded_at: *loaded_at, era: era.clone() });
        self.cache.insert(key, Arc::clone(&entry));
        Landed::Known(entry)
    }
}

/// The right to find out whether the store is back; given back when dropped, also by a task that died.
struct Probe<S>(Arc<Inner<S>>);

impl<S> Drop for Probe<S> {
    fn drop(&mut self) {
        self.0.breaker.probe_ended(self.0.clock.boot_micros());
    }
}
