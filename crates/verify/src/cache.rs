//! What a node remembers: grants by token hash, and for a moment the hashes that are nobody's.

use std::sync::Arc;

use keywright_core::{Grant, TokenHash};
use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::stamps::{Noted, Stamps};

/// How long an unknown credential is remembered as unknown: the longest that a credential made on
/// another node can be denied here.
pub const UNKNOWN_MICROS: i64 = 2_000_000;

/// The id under which a change of the whole platform is stamped.
pub const PLATFORM: Uuid = Uuid::from_u128(1);

/// A grant in the cache, with what tells whether it still holds.
#[derive(Debug)]
pub struct Entry {
    /// The snapshot.
    pub grant: Grant,
    /// Noted before the query that loaded it.
    pub noted: Noted,
    /// Boot-time microseconds at which that query began.
    pub loaded_at: i64,
    /// The era of notifications in which it began.
    pub era: u64,
}

impl Entry {
    /// The ids that the decision about it depends on.
    pub fn depends_on(&self) -> [Uuid; 2] {
        [self.grant.credential_id.0, PLATFORM]
    }

    /// Whether no change of what it depends on has been told since it was loaded.
    pub fn holds(&self, stamps: &Stamps) -> bool {
        stamps.holds(self.noted, self.depends_on())
    }
}

/// The cache. Both halves are bounded; what is used least makes room.
#[derive(Debug)]
pub struct GrantCache {
    entries: Cache<TokenHash, Arc<Entry>>,
    unknown: Cache<TokenHash, i64>,
}

impl GrantCache {
    /// Room for `grants` grants and `unknown` unknown hashes.
    pub fn new(grants: usize, unknown: usize) -> Self {
        Self { entries: Cache::new(grants.max(1)), unknown: Cache::new(unknown.max(1)) }
    }

    /// The entry for a hash, whether it still holds or not.
    pub fn get(&self, hash: &TokenHash) -> Option<Arc<Entry>> {
        self.entries.get(hash)
    }

    /// Whether the hash was found to be nobody's less than [`UNKNOWN_MICROS`] before `now`.
    pub fn is_unknown(&self, hash: &TokenHash, now: i64) -> bool {
        self.unknown.get(hash).is_some_and(|at| now - at < UNKNOWN_MICROS)
    }

    /// Keeps a grant.
    pub fn insert(&self, hash: TokenHash, entry: Arc<Entry>) {
        self.unknown.remove(&hash);
        self.entries.insert(hash, entry);
    }

    /// Remembers that the query that began at `asked_at` found nobody.
    pub fn insert_unknown(&self, hash: TokenHash, asked_at: i64) {
        self.entries.remove(&hash);
        self.unknown.insert(hash, asked_at);
    }

    /// A credential with this hash is being made here: it is unknown no longer.
    pub fn forget_unknown(&self, hash: &TokenHash) {
        self.unknown.remove(hash);
    }

    /// Grants held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no grant is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
