//! Presented JWTs: from the bytes to what the store is asked for.
//!
//! A token whose signature was verified is remembered under the SHA-256 of all of it, with the key that
//! verified it, and is forgotten with that key. So the second use costs a hash and two look-ups.

mod own;
mod ring;

use std::sync::{Arc, OnceLock};

use keywright_core::{DenialCode, Epochs, GrantKey, PublisherId, Timestamp, TokenHash, Wanted};
use quick_cache::sync::Cache;

pub use own::OwnIssuer;
use ring::KeyRing;

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
    proof: ring::Proof,
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
    fn new(token: VerifiedToken, wanted: Wanted, home: Option<PublisherId>, proof: ring::Proof) -> Self {
        Self { token: Arc::new(token), key: wanted.key(), wanted, home, proof }
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

    /// What is known of the credential behind it, with what the token itself claims.
    pub fn with(&self, known: Known) -> Known {
        Known { token: Some(Arc::clone(&self.token)), ..known }
    }
}

struct Inner<S> {
    clock: Arc<Clock>,
    own: OwnIssuer,
    ring: KeyRing<S>,
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
    /// A reader that knows no key yet and remembers up to `capacity` tokens. Keys are read on the runtime that
    /// this is called on.
    pub fn new(source: S, clock: Arc<Clock>, own: OwnIssuer, capacity: usize) -> Self {
        let ring = KeyRing::new(source, Arc::clone(&clock));
        Self { inner: Arc::new(Inner { clock, own, ring, capacity, seen: OnceLock::new() }) }
    }

    /// The token, if it was verified before. Whether that still counts [`Tokens::holds`] tells.
    pub fn peek(&self, hash: &TokenHash) -> Option<Arc<Read>> {
        self.inner.seen.get()?.get(hash)
    }

    /// Whether the key that verified the token is still accepted, by a ring that is no older than what is known
    /// of the credential. Ask it last: a key that was revoked before the credential was read counts no more.
    pub fn holds(&self, hash: &TokenHash, read: &Read, known: Epochs, now: Timestamp) -> bool {
        let version = self.inner.ring.version();
        if version < known.keys {
            return false;
        }
        let holds = self.inner.ring.proves(&read.proof, version, now);
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
        if claims.issuer.as_deref() != Some(&inner.own.issuer) {
            return Err(DenialCode::NotFound.into());
        }
        let read = inner.own.read(&compact, claims, &inner.ring, epochs).await;
        let read = Arc::new(read.inspect_err(|_| self.forget(&hash))?);
        let now = inner.clock.now();
        if !now.has_reached(read.token.claimed.ends_at()) {
            let seen = inner.seen.get_or_init(|| Cache::new(inner.capacity.max(1)));
            seen.insert(hash, Arc::clone(&read));
        }
        Ok(read)
    }

    /// Reads the keys again, if those that are known are older than what is in force.
    ///
    /// # Errors
    /// [`Unread::Unavailable`] when the store does not give them in time.
    pub async fn renew(&self, epochs: Epochs) -> Result<(), Unread> {
        self.inner.ring.renew(epochs.keys).await
    }

    /// How many tokens are remembered.
    pub fn remembered(&self) -> usize {
        self.inner.seen.get().map_or(0, Cache::len)
    }
}
