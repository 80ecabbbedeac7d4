//! One budget's uses: a window, divided into slots, each counted until it lies wholly outside.

use keywright_core::{Budget, Timestamp, Window};

/// Slots that a window is divided into.
pub(super) const SLOTS: i64 = 60;
/// Slots that may reach into a window: it begins and ends within one.
const KEPT: i64 = SLOTS + 1;
/// The same, as the length of an array.
const PLACES: usize = 61;

/// The length of a slot, in microseconds.
pub(super) const fn slot_micros(window: Window) -> i64 {
    window.seconds() as i64 * 1_000_000 / SLOTS
}

/// The slot that a moment lies in.
pub(super) fn slot_at(window: Window, now: Timestamp) -> i64 {
    now.as_micros().div_euclid(slot_micros(window))
}

/// What is known of a budget at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Units that count now.
    pub(super) used: u32,
    /// The slot of the newest of them.
    pub(super) newest: i64,
    /// The slot from which on what was asked for fits, if nothing else is taken; where it does not fit now
    /// and ever will.
    pub(super) fits_from: Option<i64>,
}

impl Reading {
    /// Whether so many units fit beside those that count. Looking takes nothing, so it always fits.
    pub(super) const fn fits(&self, budget: &Budget, cost: u32) -> bool {
        cost == 0 || self.used as u64 + cost as u64 <= budget.limit as u64
    }

    /// Seconds from `now` until a slot has left the window that ends with it, rounded up.
    pub(super) fn seconds_until(window: Window, slot: i64, now: Timestamp) -> u32 {
        let micros = slot * slot_micros(window) - now.as_micros();
        u32::try_from((micros.max(0) + 999_999) / 1_000_000).unwrap_or(u32::MAX)
    }

    /// Seconds until every unit is back.
    pub(super) fn reset_seconds(&self, window: Window, now: Timestamp) -> u32 {
        if self.used == 0 { 0 } else { Self::seconds_until(window, self.newest + KEPT, now) }
    }
}

/// The uses of one budget.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    /// The slot that was looked at last.
    head: i64,
    /// The slot of the newest use.
    newest: i64,
    /// All slots together.
    used: u32,
    /// The slots from `head - SLOTS` to `head`, each under its number modulo [`KEPT`].
    slots: [u32; PLACES],
}

fn place(slot: i64) -> usize {
    usize::try_from(slot.rem_euclid(KEPT)).unwrap_or(0)
}

impl Counter {
    pub(super) const fn new(slot: i64) -> Self {
        Self { head: slot, newest: slot, used: 0, slots: [0; PLACES] }
    }

    /// Lets go of what lies wholly outside of the window that ends in `slot`. A clock that was set back keeps
    /// what was counted; by more than a window, and all of it counts as used just now.
    fn advance(&mut self, slot: i64) {
        if slot + SLOTS < self.head {
            let used = self.used;
            *self = Self::new(slot);
            self.add(used);
        } else if slot > self.head + SLOTS {
            *self = Self::new(slot);
        } else {
            while self.head < slot {
                self.head += 1;
                let outside = &mut self.slots[place(self.head)];
                self.used -= *outside;
                *outside = 0;
            }
        }
    }

    /// Counts units in the newest slot.
    fn add(&mut self, units: u32) {
        let units = units.min(u32::MAX - self.used);
        self.used += units;
        self.slots[place(self.head)] += units;
        self.newest = self.head;
    }

    /// What there is at `slot`, and when `cost` fits.
    pub(super) fn read(&mut self, budget: &Budget, cost: u32, slot: i64) -> Reading {
        self.advance(slot);
        let mut reading = Reading { used: self.used, newest: self.newest, fits_from: None };
        if !reading.fits(budget, cost) {
            reading.fits_from = self.fits_from(budget.limit, cost);
        }
        reading
    }

    fn fits_from(&self, limit: u32, cost: u32) -> Option<i64> {
        let most = limit.checked_sub(cost)?;
        let mut left = self.used;
        for slot in self.head - SLOTS..=self.head {
            left -= self.slots[place(slot)];
            if left <= most {
                return Some(slot + KEPT);
            }
        }
        None
    }

    /// Takes units at `slot`, whether they fit or not.
    pub(super) fn take(&mut self, cost: u32, slot: i64) {
        self.advance(slot);
        self.add(cost);
    }

    /// Whether nothing counts any more.
    pub(super) const fn is_idle(&self, slot: i64) -> bool {
        self.used == 0 || slot > self.newest + SLOTS
    }
}
