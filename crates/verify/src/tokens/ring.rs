//! The key ring of a node: the public halves of our own signing keys.
//!
//! It is never older than the grant that is used with it: every grant tells the version of the keys in force,
//! and so do messages of other nodes. A ring that is older is read again before there is an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use keywright_core::{DenialCode, Timestamp};
use parking_lot::RwLock;
use tokio::sync::Mutex;
use tracing::warn;

use super::Unread;
use crate::clock::Clock;
use crate::source::{AcceptedKey, KeySource};

/// How often the store is asked for the sake of a key that is unknown: whoever makes names up costs it little.
const UNKNOWN_MICROS: i64 = 2_000_000;
/// A load that takes longer counts as a store that is away.
const LOAD_TIMEOUT: Duration = Duration::from_millis(400);
/// Nobody waits longer for the keys.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(450);
/// Before any moment of the boot-time clock.
const NEVER: i64 = i64::MIN / 2;

#[derive(Debug)]
struct Ring {
    version: u64,
    /// Boot-time microseconds at which the query for it began.
    read_at: i64,
    keys: Vec<Arc<AcceptedKey>>,
}

impl Ring {
    fn get(&self, kid: &str) -> Option<&Arc<AcceptedKey>> {
        self.keys.iter().find(|key| key.key.kid() == Some(kid))
    }
}

struct Shared<S> {
    source: S,
    clock: Arc<Clock>,
    ring: RwLock<Arc<Ring>>,
    /// That of `ring`, to be looked at without a lock.
    version: AtomicU64,
    failed_at: AtomicI64,
    loading: Mutex<()>,
}

/// The key ring of a node.
pub(super) struct KeyRing<S> {
    shared: Arc<Shared<S>>,
    runtime: tokio::runtime::Handle,
}

/// A key of the ring, with the version in which it was found.
pub(super) struct Found {
    key: Arc<AcceptedKey>,
    version: u64,
}

impl Found {
    pub(super) fn key(&self) -> &AcceptedKey {
        &self.key
    }
}

/// The key of our own by which a token was verified.
#[derive(Debug)]
pub(super) struct OwnProof {
    key: Arc<AcceptedKey>,
    /// The newest version of the ring that is known to have the key.
    version: AtomicU64,
}

impl From<Found> for OwnProof {
    fn from(found: Found) -> Self {
        Self { key: found.key, version: AtomicU64::new(found.version) }
    }
}

impl<S: KeySource> KeyRing<S> {
    pub(super) fn new(source: S, clock: Arc<Clock>) -> Self {
        let ring = Ring { version: 0, read_at: NEVER, keys: Vec::new() };
        let shared = Shared {
            source,
            clock,
            ring: RwLock::new(Arc::new(ring)),
            version: AtomicU64::new(0),
            failed_at: AtomicI64::new(NEVER),
            loading: Mutex::new(()),
        };
        Self { shared: Arc::new(shared), runtime: tokio::runtime::Handle::current() }
    }

    pub(super) fn runtime(&self) -> &tokio::runtime::Handle {
        &self.runtime
    }

    pub(super) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    pub(super) fn version(&self) -> u64 {
        self.shared.version.load(Ordering::Acquire)
    }

    /// Whether the key is still accepted, as the ring of at least this version knows.
    pub(super) fn proves(&self, proof: &OwnProof, version: u64, now: Timestamp) -> bool {
        if proof.version.load(Ordering::Relaxed) != version {
            let ring = self.shared.current();
            // The key of that name may end earlier by now: then the token is verified anew.
            let same = proof.key.key.kid().and_then(|kid| ring.get(kid));
            if same.is_none_or(|same| same.accepted_until != proof.key.accepted_until) {
                return false;
            }
            proof.version.store(ring.version, Ordering::Relaxed);
        }
        !now.has_reached(proof.key.accepted_until)
    }

    /// The key of that name, if what it signed is accepted, in a ring of at least the version that is in force.
    pub(super) async fn find(&self, kid: &str, in_force: u64) -> Result<Found, Unread> {
        let found = self.find_any(kid, in_force).await?;
        if self.now().has_reached(found.key.accepted_until) {
            return Err(DenialCode::NotFound.into());
        }
        Ok(found)
    }

    /// The same, also of a key that has come to its end; of none that was revoked.
    pub(super) async fn find_any(&self, kid: &str, in_force: u64) -> Result<Found, Unread> {
        let asked_at = self.shared.clock.boot_micros();
        let ring = self.shared.current();
        let found = ring.get(kid).filter(|_| ring.version >= in_force);
        if found.is_none() {
            if ring.version >= in_force && asked_at - ring.read_at < UNKNOWN_MICROS {
                return Err(DenialCode::NotFound.into());
            }
            self.read_again(Some(asked_at), in_force).await?;
        }
        let ring = self.shared.current();
        let key = Arc::clone(ring.get(kid).ok_or(DenialCode::NotFound)?);
        Ok(Found { key, version: ring.version })
    }

    /// Reads the ring again, if it is older than the version in force.
    pub(super) async fn renew(&self, in_force: u64) -> Result<(), Unread> {
        if self.version() >= in_force {
            return Ok(());
        }
        self.read_again(None, in_force).await
    }

    /// One reads for all who wait. Whoever wants a ring that is no older than a moment waits for the next one
    /// when this one was begun before.
    async fn read_again(&self, no_older_than: Option<i64>, in_force: u64) -> Result<(), Unread> {
        let shared = &self.shared;
        let began_at = shared.clock.boot_micros();
        let reading = async {
            let _alone = shared.loading.lock().await;
            let ring = shared.current();
            if no_older_than.is_none_or(|moment| ring.read_at >= moment) && ring.version >= in_force {
                return true;
            }
            if shared.failed_at.load(Ordering::Acquire) > began_at {
                return false;
            }
            // In a task of its own, on the runtime of the store's connections.
            let loading = self.runtime.spawn(Arc::clone(shared).load());
            loading.await.is_ok_and(|version| version.is_some_and(|version| version >= in_force))
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, reading).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Unread::Unavailable),
        }
    }
}

impl<S: KeySource> Shared<S> {
    fn current(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read())
    }

    /// The version that was read.
    async fn load(self: Arc<Self>) -> Option<u64> {
        let read_at = self.clock.boot_micros();
        let reason = match tokio::time::timeout(LOAD_TIMEOUT, self.source.load_keys()).await {
            Ok(Ok(read)) => {
                let keys = read.keys.into_iter().map(Arc::new).collect();
                let mut ring = self.ring.write();
                if read.version >= ring.version {
                    *ring = Arc::new(Ring { version: read.version, read_at, keys });
                    self.version.store(read.version, Ordering::Release);
                }
                return Some(read.version);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        warn!(reason, "the signing keys could not be read");
        self.failed_at.store(self.clock.boot_micros(), Ordering::Release);
        None
    }
}
