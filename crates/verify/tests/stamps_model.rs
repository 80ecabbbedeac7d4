//! The cache's own logic under every interleaving that the memory model allows.

use keywright_verify::stamps::{Cell, Stamps};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use uuid::Uuid;

struct Modelled(AtomicU64);

impl Cell for Modelled {
    fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }
    fn load(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::AcqRel) + 1
    }
    fn raise(&self, value: u64) {
        self.0.fetch_max(value, Ordering::AcqRel);
    }
}

const ID: Uuid = Uuid::from_u128(7);

/// The store says "good" until a revocation commits. A load notes, reads the store, and would be
/// cached with what it noted. Once the revocation's call has returned, a cached "good" must not hold.
fn a_load_races_a_revocation(everything: bool) {
    loom::model(move || {
        let stamps = Arc::new(Stamps::<Modelled>::with_slots(1));
        let revoked = Arc::new(AtomicU64::new(0));
        let load = {
            let (stamps, revoked) = (Arc::clone(&stamps), Arc::clone(&revoked));
            thread::spawn(move || {
                let noted = stamps.note();
                (noted, revoked.load(Ordering::Acquire) == 0)
            })
        };
        revoked.store(1, Ordering::Release);
        if everything {
            stamps.invalidate_everything();
        } else {
            stamps.invalidate([ID]);
        }
        let (noted, good) = load.join().expect("the load does not panic");
        assert!(!(good && stamps.holds(noted, [ID])), "a load from before the revocation outlived it");
    });
}

#[test]
fn no_load_outlives_a_revocation() {
    a_load_races_a_revocation(false);
}

#[test]
fn no_load_outlives_a_flush() {
    a_load_races_a_revocation(true);
}

#[test]
fn two_revocations_at_once_hide_neither() {
    loom::model(|| {
        let stamps = Arc::new(Stamps::<Modelled>::with_slots(1));
        let noted = stamps.note();
        let other = {
            let stamps = Arc::clone(&stamps);
            thread::spawn(move || stamps.invalidate([Uuid::from_u128(8)]))
        };
        stamps.invalidate([ID]);
        assert!(!stamps.holds(noted, [ID]));
        other.join().expect("the other does not panic");
        assert!(!stamps.holds(noted, [ID]));
    });
}
