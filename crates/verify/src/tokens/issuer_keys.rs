//! The keys of another issuer: fetched in the background and, for the sake of a key that is unknown, at most
//! every thirty seconds; kept for a day while the issuer cannot be reached.
//!
//! Whoever waits for a fetch waits for that of one issuer, and not for long: a slow one slows nobody else.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use keywright_core::DenialCode;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tracing::{info, warn};

use super::Unread;
use super::external::Issuer;
use crate::clock::Clock;
use crate::jwt::KeySet;

/// How often an issuer is asked for the sake of a key that is unknown.
const UNKNOWN_MICROS: i64 = 30_000_000;
/// How long keys count while the issuer gives no newer ones.
const BRIDGED_MICROS: i64 = 24 * 3_600 * 1_000_000;
/// Between two fetches in the background.
const REFRESH: Duration = Duration::from_mins(10);
/// The same while the issuer cannot be reached.
const RETRY: Duration = Duration::from_secs(30);
/// A fetch that takes longer has failed.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// A verification never waits longer for one.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(450);
/// Before any moment of the boot-time clock.
const NEVER: i64 = i64::MIN / 2;

/// What a fetch gives: the bytes of a JWK set, or why there are none.
pub type Fetched<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send + 'a>>;

/// How the key set of an issuer is had.
pub trait FetchKeys: Send + Sync + 'static {
    /// Fetches it from where the configuration says, and from nowhere else.
    fn fetch<'a>(&'a self, issuer: &'a Issuer) -> Fetched<'a>;
}

/// The keys of one issuer at one moment.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Raised whenever the issuer publishes something else.
    pub(super) generation: u64,
    pub(super) set: KeySet,
    bytes: Vec<u8>,
}

/// What is so with the keys of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerStatus {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// Usable keys that are known.
    pub keys: usize,
    /// Fetches that gave keys.
    pub fetches: u64,
    /// Fetches that failed.
    pub failures: u64,
    /// Since the last that gave keys, in seconds; `None` when none did yet.
    pub age_seconds: Option<u64>,
}

/// The keys of an issuer.
pub(super) struct IssuerKeys {
    pub(super) issuer: Issuer,
    fetcher: Arc<dyn FetchKeys>,
    clock: Arc<Clock>,
    runtime: tokio::runtime::Handle,
    known: RwLock<Arc<Known>>,
    generation: AtomicU64,
    fetched_at: AtomicI64,
    tried_at: AtomicI64,
    failing: AtomicBool,
    fetches: AtomicU64,
    failures: AtomicU64,
    under_way: Mutex<Option<watch::Receiver<Option<bool>>>>,
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKeys").field("issuer", &self.issuer.name).finish_non_exhaustive()
    }
}

impl IssuerKeys {
    pub(super) fn new(issuer: Issuer, fetcher: Arc<dyn FetchKeys>, clock: Arc<Clock>) -> Self {
        Self {
            issuer,
            fetcher,
            clock,
            runtime: tokio::runtime::Handle::current(),
            known: RwLock::default(),
            generation: AtomicU64::new(0),
            fetched_at: AtomicI64::new(NEVER),
            tried_at: AtomicI64::new(NEVER),
            failing: AtomicBool::new(false),
            fetches: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            under_way: Mutex::default(),
        }
    }

    /// Whether what this generation of keys proved still counts.
    pub(super) fn proves(&self, generation: u64, now: i64) -> bool {
        self.generation.load(Ordering::Acquire) == generation && self.is_bridged(now)
    }

    fn is_bridged(&self, now: i64) -> bool {
        now - self.fetched_at.load(Ordering::Acquire) < BRIDGED_MICROS
    }

    /// Keys with one of that name among them.
    pub(super) async fn find(self: &Arc<Self>, kid: &str) -> Result<Arc<Known>, Unread> {
        let now = self.clock.boot_micros();
        if let Some(known) = self.with(kid, now) {
            return Ok(known);
        }
        let under_way = self.under_way.lock().clone();
        let waiting = match under_way.filter(|receiver| receiver.has_changed().is_ok()) {
            Some(receiver) => receiver,
            None if now - self.tried_at.load(Ordering::Acquire) < UNKNOWN_MICROS => {
                return Err(self.unknown(now));
            }
            None => self.fetch(),
        };
        let fetched = tokio::time::timeout(ANSWER_TIMEOUT, landed(waiting)).await.unwrap_or(false);
        let now = self.clock.boot_micros();
        match self.with(kid, now) {
            Some(known) => Ok(known),
            None if fetched => Err(DenialCode::NotFound.into()),
            None => Err(Unread::Unavailable),
        }
    }

    fn with(&self, kid: &str, now: i64) -> Option<Arc<Known>> {
        let known = Arc::clone(&self.known.read());
        (self.is_bridged(now) && known.set.get(kid).is_some()).then_some(known)
    }

    /// A key that the issuer did not have a moment ago. While it cannot be asked, that says nothing.
    fn unknown(&self, now: i64) -> Unread {
        if self.failing.load(Ordering::Acquire) || !self.is_bridged(now) {
            Unread::Unavailable
        } else {
            DenialCode::NotFound.into()
        }
    }

    /// Joins the fetch under way, or begins it in a task of its own.
    fn fetch(self: &Arc<Self>) -> watch::Receiver<Option<bool>> {
        let mut under_way = self.under_way.lock();
        if let Some(receiver) = under_way.as_ref().filter(|receiver| receiver.has_changed().is_ok()) {
            return receiver.clone();
        }
        let (sender, receiver) = watch::channel(None);
        *under_way = Some(receiver.clone());
        self.tried_at.store(self.clock.boot_micros(), Ordering::Release);
        let this = Arc::clone(self);
        self.runtime.spawn(async move {
            let done = this.carry_out().await;
            *this.under_way.lock() = None;
            sender.send_replace(Some(done));
        });
        receiver
    }

    async fn carry_out(&self) -> bool {
        let begun_at = self.clock.boot_micros();
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, self.fetcher.fetch(&self.issuer)).await;
        let read = fetched.unwrap_or_else(|_| Err("no answer in time".to_owned())).and_then(|bytes| {
            let set = KeySet::parse(&bytes).map_err(|error| error.to_string())?;
            if set.keys().is_empty() { Err("no usable key among them".to_owned()) } else { Ok((set, bytes)) }
        });
        match read {
            Ok((set, bytes)) => {
                self.keep(set, bytes, begun_at);
                true
            }
            Err(reason) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                self.failing.store(true, Ordering::Release);
                warn!(issuer = &*self.issuer.name, reason, "the keys of an issuer could not be fetched");
                false
            }
        }
    }

    fn keep(&self, set: KeySet, bytes: Vec<u8>, begun_at: i64) {
        let mut known = self.known.write();
        if known.bytes != bytes || known.generation == 0 {
            let generation = known.generation + 1;
            info!(issuer = &*self.issuer.name, keys = set.keys().len(), "an issuer published new keys");
            *known = Arc::new(Known { generation, set, bytes });
            self.generation.store(generation, Ordering::Release);
        }
        drop(known);
        self.fetched_at.store(begun_at, Ordering::Release);
        self.fetches.fetch_add(1, Ordering::Relaxed);
        self.failing.store(false, Ordering::Release);
    }

    /// Fetches the keys again and again, for as long as it is polled.
    pub(super) async fn keep_fresh(self: Arc<Self>) {
        loop {
            let fetched = landed(self.fetch()).await;
            tokio::time::sleep(if fetched { REFRESH } else { RETRY }).await;
        }
    }

    /// Fetches the keys now, however recently that was done.
    pub(super) async fn fetch_now(self: &Arc<Self>) -> bool {
        landed(self.fetch()).await
    }

    pub(super) fn status(&self) -> IssuerStatus {
        let fetched_at = self.fetched_at.load(Ordering::Acquire);
        let age = (self.clock.boot_micros() - fetched_at) / 1_000_000;
        IssuerStatus {
            name: self.issuer.name.clone(),
            keys: self.known.read().set.keys().len(),
            fetches: self.fetches.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            age_seconds: (fetched_at != NEVER).then(|| u64::try_from(age).unwrap_or(0)),
        }
    }
}

async fn landed(mut receiver: watch::Receiver<Option<bool>>) -> bool {
    receiver.wait_for(Option::is_some).await.is_ok_and(|value| value.unwrap_or(false))
}
