//! Who may deliver at this moment: a receiver that hangs must hold up nobody but itself.
//!
//! A target has a few places of its own, and all together a fixed number. A target whose last attempt brought no
//! answer goes by the slow lane: however many such there are, they take no place from those that answer.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use uuid::Uuid;

/// Attempts under way at once, of targets that answer.
const QUICK: usize = 48;
/// Attempts under way at once, of targets that did not answer last time.
const SLOW: usize = 16;
/// Attempts whose outcome is written down at once.
const SETTLING: usize = 4;
/// Attempts under way at once of one target.
pub(super) const OF_ONE: u32 = 4;

/// The lanes of a node.
#[derive(Debug)]
pub(crate) struct Lanes {
    quick: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    settling: Semaphore,
    standing: Arc<Mutex<HashMap<Uuid, Standing>>>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            quick: Arc::new(Semaphore::new(QUICK)),
            slow: Arc::new(Semaphore::new(SLOW)),
            settling: Semaphore::new(SETTLING),
            standing: Arc::default(),
        }
    }
}

/// How a target stands with this node.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    under_way: u32,
    hangs: bool,
}

/// A place for one attempt; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    target: Uuid,
    standing: Arc<Mutex<HashMap<Uuid, Standing>>>,
    _permit: OwnedSemaphorePermit,
}

impl Lanes {
    /// A place for an attempt at a target, if one is free.
    pub(super) fn place(&self, target: Uuid) -> Option<Place> {
        let mut all = self.standing.lock();
        let standing = all.entry(target).or_default();
        let lane = if standing.hangs { &self.slow } else { &self.quick };
        // One attempt at a time shows whether it answers again.
        let own = if standing.hangs { 1 } else { OF_ONE };
        let permit = (standing.under_way < own).then(|| Arc::clone(lane).try_acquire_owned().ok()).flatten();
        let Some(permit) = permit else {
            if standing.under_way == 0 && !standing.hangs {
                all.remove(&target);
            }
            return None;
        };
        standing.under_way += 1;
        Some(Place { target, standing: Arc::clone(&self.standing), _permit: permit })
    }

    /// A turn to write down how an attempt went.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.settling.acquire().await.ok()
    }
}

impl Place {
    /// Notes whether the target answered, whatever it was.
    pub(super) fn note(&self, answered: bool) {
        self.standing.lock().entry(self.target).or_default().hangs = !answered;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.standing.lock();
        if let Some(standing) = all.get_mut(&self.target) {
            standing.under_way = standing.under_way.saturating_sub(1);
            if standing.under_way == 0 && !standing.hangs {
                all.remove(&self.target);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_hang_take_no_place_from_those_that_answer() {
        let lanes = Lanes::default();
        let hanging: Vec<Uuid> = (1..=100).map(Uuid::from_u128).collect();
        let first: Vec<_> = hanging.iter().take(QUICK).map(|target| lanes.place(*target).unwrap()).collect();
        assert!(lanes.place(Uuid::from_u128(1_000)).is_none(), "all places are taken");
        for place in &first {
            place.note(false);
        }
        drop(first);
        let held: Vec<_> = hanging.iter().take(QUICK).filter_map(|target| lanes.place(*target)).collect();
        assert_eq!(held.len(), SLOW);
        let quick: Vec<_> = (0..QUICK)
            .map(|number| lanes.place(Uuid::from_u128(2_000 + number as u128)).expect("a quick place"))
            .collect();
        drop((held, quick));
        // It answers again.
        lanes.place(hanging[0]).unwrap().note(true);
        let again: Vec<_> = (0..10).filter_map(|_| lanes.place(hanging[0])).collect();
        assert_eq!(again.len(), OF_ONE as usize);
    }
}
