//! Budgets that all nodes count together, in Redis or Valkey, by one script. One call is under way at a time, and what
//! comes meanwhile goes together with the next: a call costs more than what it asks for.

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
/// Most uses that go together, and no more wait for a call that is under way: others wait for the script.
const MOST_TOGETHER: usize = 64;
/// What the script tells of a budget: its units, and two slots.
const TOLD_BYTES: usize = 20;
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
    call: ScriptInvocation<'static>,
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
        Self { call: TAKE.prepare_invoke(), waiting: Vec::new() }
    }
}

impl Together {
    fn add(&mut self, budgets: &[Budget], cost: u32, now: Timestamp) -> oneshot::Receiver<Option<Readings>> {
        let is_first = |place: usize| budgets[..place].iter().all(|other| other.key != budgets[place].key);
        let owners = (0..budgets.len()).filter(|place| is_first(*place));
        let (mut key, mut order) = (String::with_capacity(64), Order::default());
        let mut wish = Vec::with_capacity(64);
        wish.extend_from_slice(&cost.to_le_bytes());
        wish.push(u8::try_from(owners.clone().count()).unwrap_or(u8::MAX));
        for owner in owners.map(|place| budgets[place].key) {
            key.clear();
            // Writing to a text does not fail.
            let _ = write!(key, "keywright:limit:{owner}");
            self.call.key(&key);
            let of =
                |window| budgets.iter().position(|budget| budget.key == owner && budget.window == window);
            let (minute, hour) = (of(Window::Minute), of(Window::Hour));
            wish.push(u8::from(minute.is_some()) + 2 * u8::from(hour.is_some()));
            for place in [minute, hour].into_iter().flatten() {
                let budget = &budgets[place];
                wish.extend_from_slice(&budget.limit.to_le_bytes());
                wish.extend_from_slice(&slot_at(budget.window, now).to_le_bytes());
                order.push(place);
            }
        }
        self.call.arg(wish);
        let (sender, receiver) = oneshot::channel();
        self.waiting.push((sender, order));
        receiver
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= MOST_TOGETHER
    }
}

/// What is not asked yet, and whether somebody is about to.
#[derive(Default)]
struct Queue {
    next: Together,
    asking: bool,
}

/// A connection that is made at its first use, on the runtime that uses it, and anew after it failed.
#[derive(Clone)]
pub(super) struct Shared(Arc<Inner>);

struct Inner {
    client: Client,
    health: Arc<Health>,
    connection: Mutex<Option<MultiplexedConnection>>,
    queue: Mutex<Queue>,
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
        let (connection, queue) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { client, health, connection, queue, patience }))
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
            let mut queue = self.0.queue.lock();
            let answer = queue.next.add(budgets, cost, now);
            // In a task of its own: who hangs up takes nobody along.
            if queue.next.is_full() {
                tokio::spawn(self.clone().ask(mem::take(&mut queue.next)));
            } else if !mem::replace(&mut queue.asking, true) {
                tokio::spawn(Asking { shared: self.clone(), over: false }.go_on());
            }
            answer
        };
        answer.await.ok().flatten()
    }

    async fn ask(self, together: Together) {
        let Together { call, waiting } = together;
        let answers = self
            .within(async {
                let mut connection = self.connect().await?;
                call.invoke_async::<Vec<Vec<u8>>>(&mut connection).await
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

/// Asks call after call for as long as uses wait, one at a time.
struct Asking {
    shared: Shared,
    over: bool,
}

impl Asking {
    async fn go_on(mut self) {
        // Whoever is ready at this moment comes along.
        yield_now().await;
        while let Some(together) = self.next() {
            self.shared.clone().ask(together).await;
        }
    }

    /// The uses that wait. Of a server that is away nobody asks: who waits counts by itself.
    fn next(&mut self) -> Option<Together> {
        let mut queue = self.shared.0.queue.lock();
        if queue.next.waiting.is_empty() || self.shared.is_away() {
            *queue = Queue::default();
            self.over = true;
            return None;
        }
        Some(mem::take(&mut queue.next))
    }
}

impl Drop for Asking {
    /// Cut off on its way: who waits learns that there is no answer, and the next use begins anew.
    fn drop(&mut self) {
        if !self.over {
            *self.shared.0.queue.lock() = Queue::default();
        }
    }
}

/// What the script answered to a use of budgets, for each where it stands among those that were asked for.
fn read(answer: &[u8], places: &[usize]) -> Option<Readings> {
    let (granted, of) = answer.split_first()?;
    let mut readings = Readings::granted();
    readings.granted = *granted == 1;
    let (told, rest) = of.as_chunks::<TOLD_BYTES>();
    if told.len() != places.len() || !rest.is_empty() {
        return None;
    }
    for (place, told) in places.iter().zip(told) {
        let (used, slots) = told.split_first_chunk()?;
        let (newest, fits_from) = slots.split_first_chunk()?;
        let fits_from = i64::from_le_bytes(fits_from.try_into().ok()?);
        let reading = readings.of.get_mut(*place)?;
        reading.used = u32::from_le_bytes(*used);
        reading.newest = i64::from_le_bytes(*newest);
        reading.fits_from = (fits_from >= 0).then_some(fits_from);
    }
    Some(readings)
}
