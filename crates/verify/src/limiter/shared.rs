//! Budgets that all nodes count together, in Redis or Valkey: one script, and so one round trip, for each use.

use std::fmt;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use keywright_core::{Budget, Timestamp};
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, Script};
use tokio::time::timeout;
use tracing::{info, warn};

use super::Readings;
use super::counter::{SLOTS, slot_at, slot_micros};
use crate::striped::count;

/// A use does not wait longer; what is silent is away.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(200);
/// A connection does not take longer to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// Between two looks whether it is there.
const WATCH: Duration = Duration::from_millis(500);

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take.lua")));

/// What all connections of a node know of the server.
#[derive(Debug, Default)]
struct Health {
    away: AtomicBool,
    failures: AtomicU64,
}

impl Health {
    fn failed(&self, reason: &str) {
        count(&self.failures);
        if !self.away.swap(true, Ordering::AcqRel) {
            warn!(
                reason,
                "shared rate limits cannot be reached: each node counts by itself until they are back"
            );
        }
    }

    fn answered(&self) {
        if self.away.swap(false, Ordering::AcqRel) {
            info!("shared rate limits are back: all nodes count together again");
        }
    }
}

/// A connection that is made at its first use, on the runtime that uses it, and anew after it failed.
pub(super) struct Shared {
    client: Client,
    health: Arc<Health>,
    connection: Mutex<Option<MultiplexedConnection>>,
    patience: Duration,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address has a password in it.
        f.debug_struct("Shared").field("health", &self.health).finish_non_exhaustive()
    }
}

impl Shared {
    /// Counts at the server of this address.
    pub(super) fn new(url: &str) -> RedisResult<Self> {
        Ok(Self::of(Client::open(url)?, Arc::default(), ANSWER_TIMEOUT))
    }

    fn of(client: Client, health: Arc<Health>, patience: Duration) -> Self {
        Self { client, health, connection: Mutex::default(), patience }
    }

    /// The same with a connection of its own.
    pub(super) fn another(&self) -> Self {
        Self::of(self.client.clone(), Arc::clone(&self.health), self.patience)
    }

    /// The same, waiting longer for each answer.
    #[cfg(test)]
    pub(super) fn patient(self) -> Self {
        Self { patience: Duration::from_mins(1), ..self }
    }

    /// Whether the server cannot be reached.
    pub(super) fn is_away(&self) -> bool {
        self.health.away.load(Ordering::Acquire)
    }

    /// How often it gave no answer.
    pub(super) fn failures(&self) -> u64 {
        self.health.failures.load(Ordering::Relaxed)
    }

    /// Looks again and again whether the server is there: no use has to find that out by waiting.
    pub(super) async fn watch(self) {
        let mut tick = tokio::time::interval(WATCH);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            match self.answers().await {
                Ok(()) => self.health.answered(),
                Err(reason) => self.failed(&reason),
            }
        }
    }

    /// Whether the server answers.
    pub(super) async fn answers(&self) -> Result<(), String> {
        self.within(async {
            let mut connection = self.connect().await?;
            redis::cmd("PING").query_async::<()>(&mut connection).await
        })
        .await
    }

    /// Takes units of each of these budgets, or of none; `None` while the server is away.
    pub(super) async fn take(&self, budgets: &[Budget], cost: u32, now: Timestamp) -> Option<Readings> {
        if self.is_away() {
            return None;
        }
        let mut wish = TAKE.prepare_invoke();
        wish.arg(cost);
        let mut key = String::with_capacity(64);
        for budget in budgets {
            key.clear();
            // Writing to a text does not fail.
            let _ = write!(key, "keywright:limit:{}:{}", budget.key, budget.window.as_str());
            let keep = (SLOTS + 2) * slot_micros(budget.window) / 1_000;
            wish.key(&key).arg(budget.limit).arg(slot_at(budget.window, now)).arg(keep);
        }
        let answer = self
            .within(async {
                let mut connection = self.connect().await?;
                wish.invoke_async::<Vec<i64>>(&mut connection).await
            })
            .await;
        let readings =
            answer.and_then(|answer| read(&answer, budgets).ok_or_else(|| "no such answer".to_owned()));
        readings.inspect_err(|reason| self.failed(reason)).ok()
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        if let Some(connection) = &*self.connection.lock() {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(self.patience));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        *self.connection.lock() = Some(connection.clone());
        Ok(connection)
    }

    async fn within<T>(&self, asking: impl Future<Output = RedisResult<T>>) -> Result<T, String> {
        match timeout(self.patience, asking).await {
            Ok(answer) => answer.map_err(|error: RedisError| error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }

    /// What failed once is not used again: whoever comes next connects anew.
    fn failed(&self, reason: &str) {
        *self.connection.lock() = None;
        self.health.failed(reason);
    }
}

/// What the script answered.
fn read(answer: &[i64], budgets: &[Budget]) -> Option<Readings> {
    let (granted, of) = answer.split_first()?;
    let mut readings = Readings::granted();
    readings.granted = *granted == 1;
    let (told, rest) = of.as_chunks::<3>();
    if told.len() != budgets.len() || !rest.is_empty() {
        return None;
    }
    for (reading, [used, newest, fits_from]) in readings.of.iter_mut().zip(told) {
        reading.used = u32::try_from(*used).ok()?;
        reading.newest = *newest;
        reading.fits_from = (*fits_from >= 0).then_some(*fits_from);
    }
    Some(readings)
}
