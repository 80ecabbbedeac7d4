//! What a node remembers: grants by their key, and for a moment the keys that are nobody's.

use std::sync::Arc;

use keywright_core::{Epochs, Grant, GrantKey};
use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::freshness::Era;
use crate::stamps::{Noted, Stamps};

/// How long an unknown credential is remembered as unknown: the longest that a credential made on
/// another node can be denied here.
pub const UNKNOWN_MICROS: i64 = 2_000_000;

/// The id under which a change of the whole platform is stamped.
pub const PLATFORM: Uuid = Uuid::from_u128(1);

/// Slots for the keys of what was made here: few, as a collision only asks again for an unknown one.
const MINTED_SLOTS: usize = 1 << 12;

/// A grant in the cache, with what tells whether it still holds.
#[derive(Debug)]
pub struct Entry {
    /// The snapshot.
    pub grant: Grant,
    /// The epochs that were in force in that snapshot. They count for this grant only: the store may
    /// tell of an emergency before the other nodes do, and then the credentials that it spared are
    /// cached here from before it.
    pub epochs: Arc<Epochs>,
    /// Noted before the query that loaded it.
    pub noted: Noted,
    /// Boot-time microseconds at which that query began.
    pub loaded_at: i64,
    /// The era of notifications in which it began.
    pub era: Era,
}

impl Entry {
    /// The ids that the decision about it depends on.
    pub fn depends_on(&self) -> impl Iterator<Item = Uuid> + '_ {
        [self.grant.credential_id.0, PLATFORM].into_iter().chain(self.grant.depends_on())
    }

    /// Whether no change of what it depends on has been told since it was loaded.
    pub fn holds(&self, stamps: &Stamps) -> bool {
        stamps.holds(self.noted, self.depends_on())
    }
}

/// That a key was found to be nobody's, with what tells for how long.
#[derive(Clone, Copy, Debug)]
pub struct Absence {
    noted: Noted,
    asked_at: i64,
}

/// The cache. Both halves are bounded; what is used least makes room.
#[derive(Debug)]
pub struct GrantCache {
    entries: Cache<GrantKey, Arc<Entry>>,
    unknown: Cache<GrantKey, Absence>,
    minted: Stamps,
}

/// An id to stamp a key by.
fn mark(key: &GrantKey) -> [Uuid; 1] {
    let mut id = [0; 16];
    id.copy_from_slice(&key.as_bytes()[..16]);
    [Uuid::from_bytes(id)]
}

impl GrantCache {
    /// Room for `grants` grants and `unknown` unknown keys.
    pub fn new(grants: usize, unknown: usize) -> Self {
        Self {
            entries: Cache::new(grants.max(1)),
            unknown: Cache::new(unknown.max(1)),
            minted: Stamps::with_slots(MINTED_SLOTS),
        }
    }

    /// The entry for a key, whether it still holds or not.
    pub fn get(&self, key: &GrantKey) -> Option<Arc<Entry>> {
        self.entries.get(key)
    }

    /// What to remember if the query that is about to begin at `asked_at` finds nobody.
    pub fn note_absence(&self, asked_at: i64) -> Absence {
        Absence { noted: self.minted.note(), asked_at }
    }

    /// Whether the key was found to be nobody's, less than [`UNKNOWN_MICROS`] before `now`.
    pub fn is_unknown(&self, key: &GrantKey, now: i64) -> bool {
        self.unknown.get(key).is_some_and(|absence| self.is_absent(key, absence, now))
    }

    /// Whether the finding still counts: it is recent, and nothing with this key was made since.
    pub fn is_absent(&self, key: &GrantKey, absence: Absence, now: i64) -> bool {
        now - absence.asked_at < UNKNOWN_MICROS && self.minted.holds(absence.noted, mark(key))
    }

    /// Keeps a grant.
    pub fn insert(&self, key: GrantKey, entry: Arc<Entry>) {
        self.unknown.remove(&key);
        self.entries.insert(key, entry);
    }

    /// Remembers a key as nobody's.
    pub fn insert_unknown(&self, key: GrantKey, absence: Absence) {
        self.entries.remove(&key);
        self.unknown.insert(key, absence);
    }

    /// A credential with this key has been made here: it is unknown no longer, and neither is it to
    /// a load that began before.
    pub fn forget_unknown(&self, key: &GrantKey) {
        self.minted.invalidate(mark(key));
        self.unknown.remove(key);
    }

    /// Grants held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Unknown keys held.
    pub fn unknown_len(&self) -> usize {
        self.unknown.len()
    }

    /// Whether no grant is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
