//! What remote caches are told (docs/decisions/0026-remote-caches-hear-marks.md): each invalidation of this node, in
//! order, under a number, remembered for a while.
//!
//! Ids leave the node as [`Mark`]s, which say nothing to whoever has not been told what an entry of theirs depends
//! on: a cache of one publisher may hear of all changes, and learns nothing of others.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

/// Changes that are remembered for those who hear them late.
const MAX_REMEMBERED: usize = 1_024;
/// Marks of one change; more are told as everything.
const MAX_MARKS: usize = 2_000;
/// Marks of all that is remembered: a bound in memory of less than a megabyte.
const MAX_ALL_MARKS: usize = 64 * 1_024;

/// An id under a key of this boot, which the standard library draws at random: the same id has the same mark until the
/// process ends, and nobody can tell the id from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark(pub u64);

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// What depends on one of these.
    Of(Box<[Mark]>),
    /// Anything.
    Everything,
}

impl Change {
    fn marks(&self) -> usize {
        match self {
            Self::Of(marks) => marks.len(),
            Self::Everything => 0,
        }
    }
}

/// What somebody hears who has heard up to a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What was told since, in order; one of everything, where some of it is not remembered.
    pub changes: Vec<Change>,
    /// The number up to which that goes.
    pub number: u64,
}

#[derive(Debug, Default)]
struct Ring {
    /// The number of the newest.
    number: u64,
    changes: VecDeque<Change>,
    marks: usize,
}

impl Ring {
    fn push(&mut self, change: Change) {
        self.marks += change.marks();
        self.changes.push_back(change);
        self.number += 1;
        while self.changes.len() > MAX_REMEMBERED || self.marks > MAX_ALL_MARKS {
            let Some(oldest) = self.changes.pop_front() else { return };
            self.marks -= oldest.marks();
        }
    }
}

/// The changes of one node, as others hear them.
pub struct Changes {
    key: RandomState,
    ring: Mutex<Ring>,
    newest: watch::Sender<u64>,
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("number", &*self.newest.borrow()).finish_non_exhaustive()
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self { key: RandomState::new(), ring: Mutex::default(), newest: watch::Sender::new(0) }
    }
}

impl Changes {
    /// The mark of an id.
    pub fn mark(&self, id: Uuid) -> Mark {
        Mark(self.key.hash_one(id))
    }

    /// A change of these ids is in force on this node.
    pub fn tell(&self, ids: &[Uuid]) {
        if ids.len() > MAX_MARKS {
            return self.tell_everything();
        }
        if !ids.is_empty() {
            self.push(Change::Of(ids.iter().map(|id| self.mark(*id)).collect()));
        }
    }

    /// Anything may have changed.
    pub fn tell_everything(&self) {
        self.push(Change::Everything);
    }

    fn push(&self, change: Change) {
        let mut ring = self.ring.lock();
        ring.push(change);
        // Within the lock, so that numbers never go back.
        self.newest.send_replace(ring.number);
    }

    /// The number of the newest change, and every later one.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// What was told after this number. A number that was never given has missed everything.
    pub fn after(&self, number: u64) -> Heard {
        let ring = self.ring.lock();
        let missed = ring.number.checked_sub(number).and_then(|count| usize::try_from(count).ok());
        let begin = missed.and_then(|missed| ring.changes.len().checked_sub(missed));
        let changes = match begin {
            Some(begin) => ring.changes.range(begin..).cloned().collect(),
            None => vec![Change::Everything],
        };
        Heard { changes, number: ring.number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    #[test]
    fn each_change_is_heard_once_and_in_order() {
        let changes = Changes::default();
        let begin = changes.after(0).number;
        changes.tell(&[id(1), id(2)]);
        changes.tell(&[]);
        changes.tell_everything();
        let heard = changes.after(begin);
        let of = |ids: &[u128]| Change::Of(ids.iter().map(|n| changes.mark(id(*n))).collect());
        assert_eq!(heard, Heard { changes: vec![of(&[1, 2]), Change::Everything], number: begin + 2 });
        assert_eq!(changes.after(heard.number), Heard { changes: vec![], number: begin + 2 });
        assert_eq!(*changes.watch().borrow(), begin + 2);
    }

    #[test]
    fn what_is_not_remembered_or_was_never_told_is_everything() {
        let changes = Changes::default();
        for n in 0..=MAX_REMEMBERED as u128 {
            changes.tell(&[id(n)]);
        }
        let newest = changes.after(u64::MAX).number;
        for number in [0, u64::MAX, newest + 1] {
            assert_eq!(changes.after(number).changes, [Change::Everything], "{number}");
        }
        assert_eq!(changes.after(1).changes.len(), MAX_REMEMBERED);
    }

    #[test]
    fn what_is_remembered_is_bounded_whatever_is_told() {
        let changes = Changes::default();
        let many: Vec<_> = (0..MAX_MARKS as u128).map(id).collect();
        for _ in 0..100 {
            changes.tell(&many);
        }
        assert!(changes.ring.lock().marks <= MAX_ALL_MARKS);
        changes.tell(&(0..=MAX_MARKS as u128).map(id).collect::<Vec<_>>());
        assert_eq!(changes.ring.lock().changes.back(), Some(&Change::Everything));
    }

    #[test]
    fn a_mark_is_the_same_for_one_boot_only() {
        let (one, other) = (Changes::default(), Changes::default());
        assert_eq!(one.mark(id(7)), one.mark(id(7)));
        assert!((0..64).any(|n| one.mark(id(n)) != other.mark(id(n))));
    }

    proptest! {
        #[test]
        fn whoever_listens_from_anywhere_hears_of_every_later_change(
            told in proptest::collection::vec(0u128..50, 0..40), from in 0usize..45,
        ) {
            let changes = Changes::default();
            for n in &told {
                changes.tell(&[id(*n)]);
            }
            let heard = changes.after(from as u64);
            let everything = heard.changes.contains(&Change::Everything);
            for n in told.iter().skip(from) {
                let mark = changes.mark(id(*n));
                prop_assert!(everything || heard.changes.iter().any(
                    |change| matches!(change, Change::Of(marks) if marks.contains(&mark))
                ));
            }
        }
    }
}
