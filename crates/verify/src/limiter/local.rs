//! Budgets counted in the memory of one node.

use std::collections::HashMap;

use keywright_core::{Budget, MAX_BUDGETS, Timestamp, Window};
use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

use super::Readings;
use super::counter::{Counter, slot_at};

/// Shards, by the last bits of the key, which are random.
const SHARDS: usize = 64;
/// A shard with fewer budgets is not swept.
const FEW: usize = 64;

/// The budgets of a shard that were used within their window, and some that were not swept yet.
#[derive(Debug)]
struct Shard {
    counters: HashMap<(Uuid, Window), Counter>,
    /// With so many of them the idle ones are let go.
    sweep_at: usize,
}

impl Default for Shard {
    fn default() -> Self {
        Self { counters: HashMap::new(), sweep_at: FEW }
    }
}

impl Shard {
    fn take(&mut self, budget: &Budget, cost: u32, now: Timestamp) {
        let (key, slot) = ((budget.key, budget.window), slot_at(budget.window, now));
        if self.counters.len() >= self.sweep_at && !self.counters.contains_key(&key) {
            self.sweep(now);
        }
        self.counters.entry(key).or_insert_with(|| Counter::new(slot)).take(cost, slot);
    }

    /// At most half of what is kept is idle.
    fn sweep(&mut self, now: Timestamp) {
        self.counters.retain(|(_, window), counter| !counter.is_idle(slot_at(*window, now)));
        self.sweep_at = (2 * self.counters.len()).max(FEW);
        self.counters.shrink_to(self.sweep_at);
    }
}

fn shard_of(key: Uuid) -> usize {
    usize::from(key.as_bytes()[15]) % SHARDS
}

/// The budgets that this node counts.
#[derive(Debug)]
pub(super) struct Local {
    shards: Box<[Mutex<Shard>]>,
}

impl Default for Local {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

/// The locked shards of some budgets.
struct Held<'a> {
    numbers: [usize; MAX_BUDGETS],
    shards: [Option<MutexGuard<'a, Shard>>; MAX_BUDGETS],
}

impl Held<'_> {
    fn of(&mut self, budget: &Budget) -> Option<&mut Shard> {
        let number = shard_of(budget.key);
        let at = self.numbers.iter().position(|held| *held == number)?;
        self.shards[at].as_deref_mut()
    }
}

impl Local {
    /// Locks the shards of these budgets in the order of their numbers, so that no two wait for each other.
    fn hold(&self, budgets: &[Budget]) -> Held<'_> {
        let mut numbers = [usize::MAX; MAX_BUDGETS];
        let mut count = 0;
        for budget in budgets {
            let number = shard_of(budget.key);
            if !numbers[..count].contains(&number) {
                numbers[count] = number;
                count += 1;
            }
        }
        numbers[..count].sort_unstable();
        let mut shards = [const { None }; MAX_BUDGETS];
        for (shard, number) in shards.iter_mut().zip(&numbers[..count]) {
            *shard = Some(self.shards[*number].lock());
        }
        Held { numbers, shards }
    }

    /// Takes `cost` units of each of these budgets, or of none.
    pub(super) fn take(&self, budgets: &[Budget], cost: u32, now: Timestamp) -> Readings {
        let mut held = self.hold(budgets);
        let mut readings = Readings::granted();
        for (reading, budget) in readings.of.iter_mut().zip(budgets) {
            let slot = slot_at(budget.window, now);
            let counter =
                held.of(budget).and_then(|shard| shard.counters.get_mut(&(budget.key, budget.window)));
            *reading = counter.map(|counter| counter.read(budget, cost, slot)).unwrap_or_default();
            readings.granted &= reading.fits(budget, cost);
        }
        if readings.granted && cost > 0 {
            for (reading, budget) in readings.of.iter_mut().zip(budgets) {
                if let Some(shard) = held.of(budget) {
                    shard.take(budget, cost, now);
                }
                reading.used = reading.used.saturating_add(cost);
                reading.newest = reading.newest.max(slot_at(budget.window, now));
            }
        }
        readings
    }

    /// Counts what was taken elsewhere.
    pub(super) fn note(&self, budgets: &[Budget], cost: u32, now: Timestamp) {
        let mut held = self.hold(budgets);
        for budget in budgets {
            if let Some(shard) = held.of(budget) {
                shard.take(budget, cost, now);
            }
        }
    }

    /// How many budgets are kept.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().counters.len()).sum()
    }
}
