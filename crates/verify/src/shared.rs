//! What many grants have alike, kept once: a million tokens are made with a handful of sets of scopes, and under
//! one set of epochs.

use std::collections::HashSet;
use std::sync::Arc;

use keywright_core::{Epochs, ScopeSet};
use parking_lot::Mutex;

/// Sets that are remembered; above that it begins anew, and those in use live on where they are used.
const MAX_SETS: usize = 4_096;

/// One copy of each set of scopes, and of the epochs seen last.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    scopes: Mutex<HashSet<ScopeSet>>,
    epochs: Mutex<Arc<Epochs>>,
}

impl Shared {
    /// The copy of an equal set.
    pub(crate) fn scopes(&self, set: ScopeSet) -> ScopeSet {
        let mut sets = self.scopes.lock();
        if let Some(known) = sets.get(&set) {
            return known.clone();
        }
        if sets.len() >= MAX_SETS {
            sets.clear();
        }
        sets.insert(set.clone());
        set
    }

    /// The copy of equal epochs.
    pub(crate) fn epochs(&self, epochs: Epochs) -> Arc<Epochs> {
        let mut last = self.epochs.lock();
        if **last != epochs {
            *last = Arc::new(epochs);
        }
        Arc::clone(&last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> ScopeSet {
        ScopeSet::parse([text]).unwrap()
    }

    #[test]
    fn equal_sets_are_one_and_others_are_not() {
        let shared = Shared::default();
        let (first, second) = (shared.scopes(set("works:read")), shared.scopes(set("works:read")));
        let same =
            |a: &ScopeSet, b: &ScopeSet| std::ptr::eq(a.iter().next().unwrap(), b.iter().next().unwrap());
        assert!(same(&first, &second));
        assert_eq!(shared.scopes(set("works:write")), set("works:write"));
        for number in 0..2 * MAX_SETS {
            shared.scopes(set(&format!("works:{number}")));
        }
        assert!(shared.scopes.lock().len() <= MAX_SETS);
        assert_eq!(first, set("works:read"));
    }

    #[test]
    fn equal_epochs_are_one_and_newer_ones_are_not() {
        let shared = Shared::default();
        let raised = Epochs { service: 2, ..Epochs::default() };
        let (first, second) = (shared.epochs(raised), shared.epochs(raised));
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(*shared.epochs(Epochs::default()), Epochs::default());
        assert_eq!(*first, raised);
    }
}
