//! Presented JWTs: from the bytes to what the store is asked for.
//!
//! A token whose signature was verified is remembered under the SHA-256 of all of it, with the key that
//! verified it, and is forgotten with that key. So the second use costs a hash and two look-ups.

mod external;
mod issuer_keys;
mod mapping;
mod own;
mod ring;

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use keywright_core::{DenialCode, Epochs, GrantKey, PublisherId, TokenHash, Wanted};
use quick_cache::sync::Cache;

pub use external::Issuer;
use issuer_keys::IssuerKeys;
pub use issuer_keys::{FetchKeys, Fetched, IssuerStatus};
pub use mapping::{MappingRules, PrincipalRule};
pub use own::OwnIssuer;
use ring::KeyRing;

use crate::cache::UNKNOWN_MICROS;
use crate::clock::Clock;
use crate::jwt::{Claims, Compact};
use crate::source::KeySource;
use crate::verifier::{Known, VerifiedToken};

/// Why a token is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is refused.
    Denied(DenialCode),
    /// The keys cannot be had now.
    Unavailable,
}

impl From<DenialCode> for Unread {
    fn from(code: DenialCode) -> Self {
        Self::Denied(code)
    }
}

/// A token whose signature was verified.
#[derive(Debug)]
pub struct Read {
    token: Arc<VerifiedToken>,
    /// What the store is asked for, about the publisher that the token is for.
    wanted: Wanted,
    /// The key of that.
    key: GrantKey,
    /// The publisher that the token is for, beyond which it reaches nothing.
    home: Option<PublisherId>,
    proof: Proof,
    /// When it was found that nobody here is behind it.
    nobody_at: AtomicI64,
}

/// By what a token was verified.
#[derive(Debug)]
enum Proof {
    /// A key of our own.
    Own(ring::OwnProof),
    /// The keys of another issuer.
    External(external::ExternalProof),
}

/// What a token is asked about.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What the store is asked for.
    pub wanted: Wanted,
    /// The key of that.
    pub key: GrantKey,
    /// It is asked about another publisher than the one that it is for.
    pub elsewhere: bool,
}

impl Read {
    fn new(token: VerifiedToken, wanted: Wanted, home: Option<PublisherId>, proof: Proof) -> Self {
        Self {
            token: Arc::new(token),
            key: wanted.key(),
            wanted,
            home,
            proof,
            nobody_at: AtomicI64::new(i64::MIN),
        }
    }

    /// The publisher that the token is for, beyond which it reaches nothing.
    pub fn home(&self) -> Option<PublisherId> {
        self.home
    }

    /// What to ask for when the question is about `publisher`.
    pub fn asked(&self, publisher: Option<PublisherId>) -> Asked {
        let within = match (self.home, publisher) {
            (None, Some(_)) => {
                let wanted = self.wanted.within(publisher);
                return Asked { key: wanted.key(), wanted, elsewhere: false };
            }
            (home, asked) => asked.is_none() || asked == home,
        };
        Asked { wanted: self.wanted.clone(), key: self.key, elsewhere: !within }
    }

    /// Nobody here is behind it, at this moment of the boot-time clock.
    pub fn note_nobody(&self, now: i64) {
        self.nobody_at.store(now, Ordering::Relaxed);
    }

    /// Whether that was found a moment ago: it is remembered no longer than an unknown credential is.
    pub fn was_nobody(&self, now: i64) -> bool {
        now.saturating_sub(self.nobody_at.load(Ordering::Relaxed)) < UNKNOWN_MICROS
    }

    /// What is known of the credential behind it, with what the token itself claims.
    pub fn with(&self, known: Known) -> Known {
        Known { token: Some(Arc::clone(&self.token)), ..known }
    }
}

/// How a reader is set up.
pub struct TokenOptions {
    /// What our own tokens say of themselves.
    pub own: OwnIssuer,
    /// The other issuers whose tokens count.
    pub issuers: Vec<Issuer>,
    /// How their keys are had.
    pub fetcher: Arc<dyn FetchKeys>,
    /// Tokens remembered.
    pub capacity: usize,
}

struct Inner<S> {
    clock: Arc<Clock>,
    own: OwnIssuer,
    ring: KeyRing<S>,
    issuers: Vec<Arc<IssuerKeys>>,
    capacity: usize,
    seen: OnceLock<Cache<TokenHash, Arc<Read>>>,
}

/// The reader of presented JWTs of one node. Cheap to clone.
pub struct Tokens<S> {
    inner: Arc<Inner<S>>,
}

impl<S> Clone for Tokens<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<S: KeySource> Tokens<S> {
    /// A reader that knows no key yet. Keys are read and fetched on the runtime that this is called on.
    pub fn new(source: S, clock: Arc<Clock>, options: TokenOptions) -> Self {
        let TokenOptions { own, issuers, fetcher, capacity } = options;
        let ring = KeyRing::new(source, Arc::clone(&clock));
        let keys = |issuer| Arc::new(IssuerKeys::new(issuer, Arc::clone(&fetcher), Arc::clone(&clock)));
        let issuers = issuers.into_iter().map(keys).collect();
        Self { inner: Arc::new(Inner { clock, own, ring, issuers, capacity, seen: OnceLock::new() }) }
    }

    /// What keeps the keys of the issuers fresh: a task for each, for as long as the node serves.
    pub fn fetching(&self) -> Vec<impl Future<Output = ()> + Send + use<S>> {
        self.inner.issuers.iter().map(|keys| Arc::clone(keys).keep_fresh()).collect()
    }

    /// Fetches the keys of each issuer now, and tells what came of it.
    pub async fn fetch_now(&self) -> Vec<(IssuerStatus, bool)> {
        let mut outcomes = Vec::new();
        for keys in &self.inner.issuers {
            let fetched = keys.fetch_now().await;
            outcomes.push((keys.status(), fetched));
        }
        outcomes
    }

    /// What is so with the keys of the issuers.
    pub fn issuers(&self) -> Vec<IssuerStatus> {
        self.inner.issuers.iter().map(|keys| keys.status()).collect()
    }

    /// The token, if it was verified before. Whether that still counts [`Tokens::holds`] tells.
    pub fn peek(&self, hash: &TokenHash) -> Option<Arc<Read>> {
        self.inner.seen.get()?.get(hash)
    }

    /// Whether the key that verified the token is still accepted, by keys that are no older than what is known
    /// of the credential. `now` is a moment of the boot-time clock. Ask it last: a key that was revoked before
    /// the credential was read counts no more.
    pub fn holds(&self, hash: &TokenHash, read: &Read, known: Epochs, now: i64) -> bool {
        let holds = match &read.proof {
            Proof::Own(proof) => {
                let version = self.inner.ring.version();
                if version < known.keys {
                    return false;
                }
                self.inner.ring.proves(proof, version, self.inner.clock.at(now))
            }
            Proof::External(proof) => proof.holds(now),
        };
        if !holds {
            self.forget(hash);
        }
        holds
    }

    fn forget(&self, hash: &TokenHash) {
        if let Some(seen) = self.inner.seen.get() {
            seen.remove(hash);
        }
    }

    /// Reads a token that is not remembered. `epochs` tells which version of the keys is in force.
    ///
    /// # Errors
    /// [`Unread`].
    pub async fn read(&self, hash: TokenHash, token: &[u8], epochs: Epochs) -> Result<Arc<Read>, Unread> {
        let inner = &self.inner;
        let compact = Compact::parse(token).map_err(|_| DenialCode::Malformed)?;
        let payload = compact.unverified_payload().map_err(|_| DenialCode::Malformed)?;
        let claims = Claims::parse(&payload).map_err(|_| DenialCode::Malformed)?;
        let read = self.verified(&compact, claims, epochs).await;
        let read = Arc::new(read.inspect_err(|_| self.forget(&hash))?);
        let now = inner.clock.now();
        if !now.has_reached(read.token.claimed.ends_at()) {
            let seen = inner.seen.get_or_init(|| Cache::new(inner.capacity.max(1)));
            seen.insert(hash, Arc::clone(&read));
        }
        Ok(read)
    }

    /// What an access token of our own was made from, which is asked in order to end that, and lets nobody in. Of a
    /// session it does not matter whether the token is over; of a service token that is over, `None`. `None` also of what
    /// no key of ours signed, or one that was revoked: whoever had that wrote what they liked.
    ///
    /// # Errors
    /// [`Unread::Unavailable`] when the store does not give the keys in time; nothing else.
    pub async fn made_from(&self, token: &[u8], epochs: Epochs) -> Result<Option<Wanted>, Unread> {
        let Ok(compact) = Compact::parse(token) else { return Ok(None) };
        let claims = compact.unverified_payload().ok().and_then(|payload| Claims::parse(&payload).ok());
        let Some(claims) = claims else { return Ok(None) };
        match own::made_from(&compact, claims, &self.inner.ring, epochs).await {
            Ok(wanted) => Ok(Some(wanted)),
            Err(Unread::Denied(_)) => Ok(None),
            Err(Unread::Unavailable) => Err(Unread::Unavailable),
        }
    }

    /// Nothing is believed but which keys to try: those of the issuer that the token names, if it is known.
    async fn verified(&self, compact: &Compact<'_>, claims: Claims, epochs: Epochs) -> Result<Read, Unread> {
        let inner = &self.inner;
        let issuer = claims.issuer.as_deref().ok_or(DenialCode::NotFound)?;
        if *issuer == *inner.own.issuer {
            return inner.own.read(compact, claims, &inner.ring, epochs).await;
        }
        let keys = inner.issuers.iter().find(|keys| *keys.issuer.issuer == *issuer);
        external::read(keys.ok_or(DenialCode::NotFound)?, compact, claims, || inner.clock.now()).await
    }

    /// Reads the keys again, if those that are known are older than what is in force.
    ///
    /// # Errors
    /// [`Unread::Unavailable`] when the store does not give them in time.
    pub async fn renew(&self, epochs: Epochs) -> Result<(), Unread> {
        self.inner.ring.renew(epochs.keys).await
    }

    /// The runtime of the store's connections.
    pub fn runtime(&self) -> &tokio::runtime::Handle {
        self.inner.ring.runtime()
    }

    /// How many tokens are remembered.
    pub fn remembered(&self) -> usize {
        self.inner.seen.get().map_or(0, Cache::len)
    }
}
