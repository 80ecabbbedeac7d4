//! Budgets that all nodes count together, in Redis or Valkey, by one script. Uses of one moment go together: a round
//! trip costs more than what it asks for.

use std::fmt;
use std::fmt::Write as _;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use keywright_core::{Budget, MAX_BUDGETS, Timestamp, Window};
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, Script, ScriptInvocation};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::timeout;
use tracing::{info, warn};

use super::Readings;
use super::counter::slot_at;
use crate::striped::count;

/// A use does not wait longer; what is silent is away.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(200);
/// A connection does not take longer to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// Most uses that go together: others wait for the script.
const MOST_TOGETHER: usize = 64;
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

/// Uses that go together.
struct Together {
    wish: ScriptInvocation<'static>,
    /// Who waits for each, and which budgets the script answers for.
    waiting: Vec<(oneshot::Sender<Option<Readings>>, Order)>,
}

/// Which of the budgets that were asked for each answer of the script is about: it takes those of one owner together.
#[derive(Clone, Copy, Debug, Default)]
struct Order {
    places: [usize; MAX_BUDGETS],
    many: usize,
}

impl Order {
    fn push(&mut self, place: usize) {
        if let Some(next) = self.places.get_mut(self.many) {
            *next = place;
            self.many += 1;
        }
    }

    fn places(&self) -> &[usize] {
        &self.places[..self.many]
    }
}

impl Default for Together {
    fn default() -> Self {
        Self { wish: TAKE.prepare_invoke(), waiting: Vec::new() }
    }
}

impl Together {
    fn add(&mut self, budgets: &[Budget], cost: u32, now: Timestamp) -> oneshot::Receiver<Option<Readings>> {
        let is_first = |place: usize| budgets[..place].iter().all(|other| other.key != budgets[place].key);
        let owners = (0..budgets.len()).filter(|place| is_first(*place));
        self.wish.arg(cost).arg(owners.clone().count());
        let (mut key, mut order) = (String::with_capacity(64), Order::default());
        for owner in owners.map(|place| budgets[place].key) {
            key.clear();
            // Writing to a text does not fail.
            let _ = write!(key, "keywright:limit:{owner}");
            let of =
                |window| budgets.iter().position(|budget| budget.key == owner && budget.window == window);
            let (minute, hour) = (of(Window::Minute), of(Window::Hour));
            self.wish.key(&key).arg(i32::from(minute.is_some()) + 2 * i32::from(hour.is_some()));
            for place in [minute, hour].into_iter().flatten() {
                let budget = &budgets[place];
                self.wish.arg(budget.limit).arg(slot_at(budget.window, now));
                order.push(place);
            }
        }
        let (sender, receiver) = oneshot::channel();
        self.waiting.push((sender, order));
        receiver
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= MOST_TOGETHER
    }
}

/// A connection that is made at its first use, on the runtime that uses it, and anew after it failed.
#[derive(Clone)]
pub(super) struct Shared(Arc<Inner>);

struct Inner {
    client: Client,
    health: Arc<Health>,
    connection: Mutex<Option<MultiplexedConnection>>,
    together: Mutex<Together>,
    patience: Duration,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address has a password in it.
        f.debug_struct("Shared").field("health", &self.0.health).finish_non_exhaustive()
    }
}

impl Shared {
    /// Counts at the server of this address.
    pub(super) fn new(url: &str) -> RedisResult<Self> {
        Ok(Self::of(Client::open(url)?, Arc::default(), ANSWER_TIMEOUT))
    }

    fn of(client: Client, health: Arc<Health>, patience: Duration) -> Self {
        let (connection, together) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { client, health, connection, together, patience }))
    }

    /// The same with a connection of its own.
    pub(super) fn another(&self) -> Self {
        Self::of(self.0.client.clone(), Arc::clone(&self.0.health), self.0.patience)
    }

    /// The same, waiting longer for each answer.
    #[cfg(test)]
    pub(super) fn patient(self) -> Self {
        Self::of(self.0.client.clone(), Arc::clone(&self.0.health), Duration::from_mins(1))
    }

    /// Whether the server cannot be reached.
    pub(super) fn is_away(&self) -> bool {
        self.0.health.away.load(Ordering::Acquire)
    }

    /// How often it gave no answer.
    pub(super) fn failures(&self) -> u64 {
        self.0.health.failures.load(Ordering::Relaxed)
    }

    /// Looks again and again whether the server is there: no use has to find that out by waiting.
    pub(super) async fn watch(self) {
        let mut tick = tokio::time::interval(WATCH);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            match self.answers().await {
                Ok(()) => self.0.health.answered(),
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
        if budgets.is_empty() {
            return Some(Readings::granted());
        }
        if self.is_away() {
            return None;
        }
        let answer = {
            let mut together = self.0.together.lock();
            let is_first = together.waiting.is_empty();
            let answer = together.add(budgets, cost, now);
            // In a task of its own: who hangs up takes nobody along.
            if together.is_full() {
                tokio::spawn(self.clone().ask(mem::take(&mut *together)));
            } else if is_first {
                tokio::spawn(self.clone().ask_soon());
            }
            answer
        };
        answer.await.ok().flatten()
    }

    /// Whoever is ready at this moment comes along.
    async fn ask_soon(self) {
        yield_now().await;
        let together = mem::take(&mut *self.0.together.lock());
        if !together.waiting.is_empty() {
            self.ask(together).await;
        }
    }

    async fn ask(self, together: Together) {
        let Together { wish, waiting } = together;
        let answers = self
            .within(async {
                let mut connection = self.connect().await?;
                wish.invoke_async::<Vec<Vec<i64>>>(&mut connection).await
            })
            .await
            .and_then(|answers| {
                if answers.len() == waiting.len() {
                    Ok(answers)
                } else {
                    Err("not one answer for each".to_owned())
                }
            })
            .inspect_err(|reason| self.failed(reason))
            .unwrap_or_default();
        let mut answers = answers.iter();
        for (sender, order) in waiting {
            let readings = answers.next().and_then(|answer| {
                let readings = read(answer, order.places());
                if readings.is_none() {
                    self.failed("no such answer");
                }
                readings
            });
            // Who hung up does not want to know.
            let _ = sender.send(readings);
        }
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        if let Some(connection) = &*self.0.connection.lock() {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(self.0.patience));
        let connection = self.0.client.get_multiplexed_async_connection_with_config(&config).await?;
        *self.0.connection.lock() = Some(connection.clone());
        Ok(connection)
    }

    async fn within<T>(&self, asking: impl Future<Output = RedisResult<T>>) -> Result<T, String> {
        match timeout(self.0.patience, asking).await {
            Ok(answer) => answer.map_err(|error: RedisError| error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }

    /// What failed once is not used again: whoever comes next connects anew.
    fn failed(&self, reason: &str) {
        *self.0.connection.lock() = None;
        self.0.health.failed(reason);
    }
}

/// What the script answered to a use of budgets, for each where it stands among those that were asked for.
fn read(answer: &[i64], places: &[usize]) -> Option<Readings> {
    let (granted, of) = answer.split_first()?;
    let mut readings = Readings::granted();
    readings.granted = *granted == 1;
    let (told, rest) = of.as_chunks::<3>();
    if told.len() != places.len() || !rest.is_empty() {
        return None;
    }
    for (place, [used, newest, fits_from]) in places.iter().zip(told) {
        let reading = readings.of.get_mut(*place)?;
        reading.used = u32::try_from(*used).ok()?;
        reading.newest = *newest;
        reading.fits_from = (*fits_from >= 0).then_some(*fits_from);
    }
    Some(readings)
}
