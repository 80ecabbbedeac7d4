//! Invalidation by stamps (docs/decisions/0002-invalidation-by-stamps.md).
//!
//! Every change that commits takes the next number and stamps the slots of the ids it altered with
//! it. A load notes the number *before* its query. What was loaded holds as long as no slot of the
//! ids that it depends on bears a newer number. That one comparison is the invalidation, reaches
//! groups of any size without a scan, and keeps a load that began before a change from outliving it.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// The atomic cell that stamps are made of; a parameter only so that the model checker can put its
/// own in its place.
pub trait Cell: Send + Sync {
    /// A cell holding `value`.
    fn new(value: u64) -> Self;
    /// Reads with acquire ordering.
    fn load(&self) -> u64;
    /// Adds one and returns the new value.
    fn next(&self) -> u64;
    /// Raises the value to at least `value`.
    fn raise(&self, value: u64);
}

impl Cell for AtomicU64 {
    fn new(value: u64) -> Self {
        Self::new(value)
    }
    fn load(&self) -> u64 {
        self.load(Ordering::Acquire)
    }
    fn next(&self) -> u64 {
        self.fetch_add(1, Ordering::AcqRel) + 1
    }
    fn raise(&self, value: u64) {
        self.fetch_max(value, Ordering::AcqRel);
    }
}

/// Slots of a node: 2 MiB, and one needless reload in some 260,000 for each change.
const SLOTS: usize = 1 << 18;

/// The table of stamps.
#[derive(Debug)]
pub struct Stamps<C: Cell = AtomicU64> {
    number: C,
    everything: C,
    slots: Box<[C]>,
}

/// A number noted before a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Noted(u64);

impl Default for Stamps {
    fn default() -> Self {
        Self::with_slots(SLOTS)
    }
}

impl<C: Cell> Stamps<C> {
    /// A table of `slots` slots.
    ///
    /// # Panics
    /// When that is no power of two.
    pub fn with_slots(slots: usize) -> Self {
        assert!(slots.is_power_of_two(), "the slot of an id is found by a mask");
        Self { number: C::new(1), everything: C::new(0), slots: (0..slots).map(|_| C::new(0)).collect() }
    }

    fn slot(&self, id: Uuid) -> &C {
        // The low half of a UUIDv7 is random; folding and multiplying spreads any other id as well.
        let (high, low) = id.as_u64_pair();
        let mixed = (high ^ low).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        &self.slots[usize::try_from(mixed).unwrap_or(0) & (self.slots.len() - 1)]
    }

    /// The number to keep with what is about to be loaded. Take it **before** the query.
    pub fn note(&self) -> Noted {
        Noted(self.number.load())
    }

    /// A change of these ids has been committed (or may have been).
    pub fn invalidate(&self, ids: impl IntoIterator<Item = Uuid>) {
        let number = self.number.next();
        for id in ids {
            self.slot(id).raise(number);
        }
    }

    /// Anything may have changed.
    pub fn invalidate_everything(&self) {
        let number = self.number.next();
        self.everything.raise(number);
    }

    /// Whether what was loaded after `noted` and depends on `ids` still holds.
    pub fn holds(&self, noted: Noted, ids: impl IntoIterator<Item = Uuid>) -> bool {
        noted.0 >= self.everything.load() && ids.into_iter().all(|id| noted.0 >= self.slot(id).load())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(n: u64) -> Uuid {
        Uuid::from_u64_pair(n, n.wrapping_mul(31))
    }

    #[test]
    fn a_load_noted_before_a_change_does_not_hold_after_it() {
        let stamps = Stamps::default();
        let noted = stamps.note();
        assert!(stamps.holds(noted, [id(1), id(2)]));
        stamps.invalidate([id(2)]);
        assert!(!stamps.holds(noted, [id(1), id(2)]));
        assert!(stamps.holds(noted, [id(1)]));
        assert!(stamps.holds(stamps.note(), [id(2)]));
        stamps.invalidate_everything();
        assert!(!stamps.holds(noted, [id(1)]));
    }

    proptest! {
        #[test]
        fn nothing_invalidated_since_ever_holds(
            before in proptest::collection::vec(0u64..50, 0..20),
            after in proptest::collection::vec(0u64..50, 0..20),
            depends in proptest::collection::vec(0u64..50, 1..4),
        ) {
            // Few slots: collisions happen, and may only ever cause a needless reload.
            let stamps = Stamps::<AtomicU64>::with_slots(16);
            for n in &before {
                stamps.invalidate([id(*n)]);
            }
            let noted = stamps.note();
            prop_assert!(stamps.holds(noted, depends.iter().map(|n| id(*n))));
            for n in &after {
                stamps.invalidate([id(*n)]);
            }
            if depends.iter().any(|n| after.contains(n)) {
                prop_assert!(!stamps.holds(noted, depends.iter().map(|n| id(*n))));
            }
        }
    }
}
