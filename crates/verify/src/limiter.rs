//! The limiter: how often credentials, accounts and publishers are used (verification.md, Rate limits).
//!
//! A use takes from all its budgets or from none, and never more than the limit passes in any window of that
//! length, wherever it begins ([0017](../../../docs/decisions/0017-rate-limits-in-slots.md)).

mod counter;
mod local;
mod shared;
pub mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use keywright_core::{Budget, MAX_BUDGETS, Timestamp, Window};

use self::counter::Reading;
use self::local::Local;
use self::shared::Shared;

/// The state of one budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitState {
    /// Its window.
    pub window: Window,
    /// Units in any such window.
    pub limit: u32,
    /// Units left now.
    pub remaining: u32,
    /// Seconds until all of them are back.
    pub reset_seconds: u32,
}

impl LimitState {
    /// The one that leaves least; of several the one that takes longest to come back.
    pub fn tightest(states: &[Self]) -> Option<Self> {
        states.iter().copied().min_by_key(|state| (state.remaining, u32::MAX - state.reset_seconds))
    }
}

/// What became of a wish to take from budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether the units were taken.
    pub granted: bool,
    /// The budget that leaves least; where nothing was taken, the one that keeps waiting longest.
    pub tightest: LimitState,
    /// Seconds after which the same may be tried again; 0 where it was granted.
    pub retry_after_seconds: u32,
}

/// What is known of each of some budgets, and whether the units were taken.
#[derive(Clone, Copy, Debug)]
struct Readings {
    granted: bool,
    of: [Reading; MAX_BUDGETS],
}

impl Readings {
    fn granted() -> Self {
        Self { granted: true, of: [Reading::default(); MAX_BUDGETS] }
    }

    fn state(reading: &Reading, budget: &Budget, now: Timestamp) -> LimitState {
        LimitState {
            window: budget.window,
            limit: budget.limit,
            remaining: budget.limit.saturating_sub(reading.used),
            reset_seconds: reading.reset_seconds(budget.window, now),
        }
    }

    /// Of each budget, in their order; what comes after them means nothing.
    fn states(&self, budgets: &[Budget], now: Timestamp) -> [LimitState; MAX_BUDGETS] {
        let mut states =
            [LimitState { window: Window::Minute, limit: 0, remaining: 0, reset_seconds: 0 }; MAX_BUDGETS];
        for ((state, reading), budget) in states.iter_mut().zip(&self.of).zip(budgets) {
            *state = Self::state(reading, budget, now);
        }
        states
    }

    fn taken(&self, budgets: &[Budget], cost: u32, now: Timestamp) -> Option<Taken> {
        if self.granted {
            let tightest = LimitState::tightest(&self.states(budgets, now)[..budgets.len()])?;
            return Some(Taken { granted: true, tightest, retry_after_seconds: 0 });
        }
        let refusing = self.of.iter().zip(budgets).filter(|(reading, budget)| !reading.fits(budget, cost));
        let waits = refusing.map(|(reading, budget)| {
            let wait = reading
                .fits_from
                .map_or(budget.window.seconds(), |slot| Reading::seconds_until(budget.window, slot, now));
            (wait.max(1), Self::state(reading, budget, now))
        });
        let (retry_after_seconds, tightest) = waits.max_by_key(|(wait, _)| *wait)?;
        Some(Taken { granted: false, tightest, retry_after_seconds })
    }
}

/// How a limiter fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimiterStatus {
    /// Whether all nodes count together, as long as they can.
    pub shared: bool,
    /// Whether this node counts by itself, as what they share cannot be reached.
    pub away: bool,
    /// How often that gave no answer since the start.
    pub failures: u64,
    /// Budgets that this node keeps.
    pub budgets: usize,
}

/// The budgets of a node. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Limiter {
    local: Arc<Local>,
    shared: Option<Arc<Shared>>,
}

impl Limiter {
    /// Counts together with all nodes that do so at the Redis or Valkey of this address; as long as that cannot be
    /// reached, by itself.
    ///
    /// # Errors
    /// Why the address is none.
    pub fn shared(url: &str) -> Result<Self, String> {
        let shared = Shared::new(url).map_err(|error| error.to_string())?;
        Ok(Self { local: Arc::default(), shared: Some(Arc::new(shared)) })
    }

    /// The same with a connection of its own, for a thread that has a runtime of its own.
    #[must_use]
    pub fn of_thread(&self) -> Self {
        let shared = self.shared.as_ref().map(|shared| Arc::new(shared.another()));
        Self { local: Arc::clone(&self.local), shared }
    }

    /// The same, waiting as long as a test may take.
    #[cfg(test)]
    fn patient(url: &str) -> Self {
        let shared = Shared::new(url).expect("an address").patient();
        Self { local: Arc::default(), shared: Some(Arc::new(shared)) }
    }

    /// Looks again and again whether what all share can be reached; nothing to do where nothing is shared.
    pub fn watch(&self) -> Option<impl Future<Output = ()> + Send + 'static> {
        self.shared.as_ref().map(|shared| shared.another().watch())
    }

    /// Takes `cost` units of each of these budgets, of which there must be one and at most
    /// [`MAX_BUDGETS`], or of none; 0 looks without taking. `None` where there is no budget: nothing is limited.
    pub async fn take(&self, budgets: &[Budget], cost: u32, now: Timestamp) -> Option<Taken> {
        let budgets = bounded(budgets);
        self.read(budgets, cost, now).await.taken(budgets, cost, now)
    }

    /// Whether this node counts by itself now, so that nobody has to be waited for.
    pub fn counts_here(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| shared.is_away())
    }

    /// As [`Limiter::take`], by this node alone.
    pub fn take_here(&self, budgets: &[Budget], cost: u32, now: Timestamp) -> Option<Taken> {
        let budgets = bounded(budgets);
        self.local.take(budgets, cost, now).taken(budgets, cost, now)
    }

    /// The state of each of these budgets; nothing is taken.
    pub async fn states(&self, budgets: &[Budget], now: Timestamp) -> Vec<LimitState> {
        let budgets = bounded(budgets);
        self.read(budgets, 0, now).await.states(budgets, now)[..budgets.len()].to_vec()
    }

    async fn read(&self, budgets: &[Budget], cost: u32, now: Timestamp) -> Readings {
        if let Some(shared) = &self.shared
            && let Some(readings) = shared.take(budgets, cost, now).await
        {
            if readings.granted && cost > 0 {
                // What passed here counts here when the others cannot be asked any more.
                self.local.note(budgets, cost, now);
            }
            return readings;
        }
        self.local.take(budgets, cost, now)
    }

    /// Whether what all share can be reached; it can where nothing is shared.
    ///
    /// # Errors
    /// Why not.
    pub async fn reach(&self) -> Result<(), String> {
        match &self.shared {
            Some(shared) => shared.answers().await,
            None => Ok(()),
        }
    }

    /// How it fares.
    pub fn status(&self) -> LimiterStatus {
        let shared = self.shared.as_deref();
        LimiterStatus {
            shared: shared.is_some(),
            away: shared.is_some_and(Shared::is_away),
            failures: shared.map_or(0, Shared::failures),
            budgets: self.local.len(),
        }
    }
}

/// The widest come last, and there are never more.
fn bounded(budgets: &[Budget]) -> &[Budget] {
    debug_assert!(budgets.len() <= MAX_BUDGETS, "a grant has at most {MAX_BUDGETS} budgets");
    &budgets[..budgets.len().min(MAX_BUDGETS)]
}
