//! Connections: how they are made, lent and given up.
//!
//! A lent connection is a [`Link`]. It goes back to its pool only when it is known to be idle: one
//! that was dropped in the middle of a call, timed out, or failed in a way that tells of the
//! connection and not of the statement, is closed. So neither a silent server nor a caller that went
//! away can leave a connection behind that the next caller has to wait for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, RecycleError, RecycleResult};
use sqlx::{Connection, Database};

use crate::error::{Fault, StoreError};

/// A connection that has lain idle for longer is asked whether it is alive before it is lent.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// A connection is not lent any more beyond this age.
const MAX_AGE: Duration = Duration::from_mins(30);

/// How often work is taken up again before the others have their turn: the hashes of a handshake, about
/// a millisecond, go in one.
const TURNS: usize = 1_024;

/// A pool of connections to one engine.
pub(crate) type Pool<DB> = managed::Pool<Maker<DB>>;

/// Makes connections and looks at them before they are lent again.
pub(crate) struct Maker<DB: Database> {
    options: <DB::Connection as Connection>::Options,
    /// Raised when a connection broke: those made or looked at before are suspect.
    breaks: AtomicU64,
    /// How long one call may take; `None` where the engine runs in this process.
    call_limit: Option<Duration>,
}

impl<DB: Database> Maker<DB> {
    pub(crate) fn new(
        options: <DB::Connection as Connection>::Options,
        call_limit: Option<Duration>,
    ) -> Self {
        Self { options, breaks: AtomicU64::new(0), call_limit }
    }

    /// A connection that belongs to no pool: its drop closes it.
    pub(crate) async fn connect(&self) -> Result<DB::Connection, StoreError> {
        // Whatever answers in the store's stead, a proxy that closes the line say, is not the store.
        let connecting = eagerly(DB::Connection::connect_with(&self.options));
        connecting.await.map_err(|error| match StoreError::from(error) {
            StoreError::Other(reason) => StoreError::Unavailable(reason),
            told => told,
        })
    }
}

/// A connection at rest.
pub(crate) struct Rested<DB: Database> {
    connection: DB::Connection,
    /// [`Maker::breaks`] when it was last known to be alive.
    seen_breaks: u64,
}

impl<DB: Database> Rested<DB> {
    pub(crate) fn into_connection(self) -> DB::Connection {
        self.connection
    }
}

impl<DB: Database> managed::Manager for Maker<DB> {
    type Type = Rested<DB>;
    type Error = StoreError;

    async fn create(&self) -> Result<Rested<DB>, StoreError> {
        let seen_breaks = self.breaks.load(Ordering::Acquire);
        Ok(Rested { connection: self.connect().await?, seen_breaks })
    }

    async fn recycle(&self, rested: &mut Rested<DB>, metrics: &Metrics) -> RecycleResult<StoreError> {
        let Some(limit) = self.call_limit else { return Ok(()) };
        if metrics.age() > MAX_AGE {
            return Err(RecycleError::message("too old"));
        }
        let breaks = self.breaks.load(Ordering::Acquire);
        if rested.seen_breaks == breaks && metrics.last_used() < TRUSTED_IDLE {
            return Ok(());
        }
        match tokio::time::timeout(limit, rested.connection.ping()).await {
            Ok(Ok(())) => {
                rested.seen_breaks = breaks;
                Ok(())
            }
            Ok(Err(error)) => Err(RecycleError::Backend(error.into())),
            Err(_) => Err(RecycleError::message("no answer")),
        }
    }
}

/// Takes up `work` several times in a row. The driver's handshake by password gives way to the others
/// 819 times: on a busy runtime a connection would take longer to make than anybody waits for one.
async fn eagerly<F: Future>(work: F) -> F::Output {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|context| {
        (0..TURNS).map(|_| work.as_mut().poll(context)).find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}

/// Closes all resting connections unless it is told that one was lent: whoever had to give up on
/// one that does not answer spares the next caller from trying its neighbours one by one.
struct Purge<'a, DB: Database>(Option<&'a Pool<DB>>);

impl<DB: Database> Drop for Purge<'_, DB> {
    fn drop(&mut self) {
        if let Some(pool) = self.0
            && pool.manager().call_limit.is_some()
        {
            pool.retain(|_, _| false);
        }
    }
}

/// Lends a connection from `pool`, waiting at most for `limit`.
pub(crate) async fn lend<DB: Database>(pool: &Pool<DB>, limit: Duration) -> Result<Link<DB>, StoreError> {
    let mut purge = Purge(Some(pool));
    // Boxed: making a connection takes a large future, which every query would carry along.
    let lent = tokio::time::timeout(limit, Box::pin(pool.get())).await;
    if lent.is_ok() {
        purge.0 = None;
    }
    match lent {
        Ok(Ok(object)) => {
            let limit = pool.manager().call_limit;
            Ok(Link { object: Some(object), limit, busy: false, broken: false, failed: false })
        }
        Ok(Err(managed::PoolError::Backend(error))) => Err(error),
        Ok(Err(other)) => Err(StoreError::Unavailable(other.to_string())),
        Err(_) => Err(StoreError::Unavailable(format!("no connection within {} ms", limit.as_millis()))),
    }
}

/// A lent connection.
pub struct Link<DB: Database> {
    object: Option<Object<Maker<DB>>>,
    limit: Option<Duration>,
    busy: bool,
    broken: bool,
    failed: bool,
}

impl<DB: Database> Link<DB> {
    /// Marks the begin of a call and tells how long it may take.
    pub(crate) fn enter(&mut self) -> Result<Option<Duration>, StoreError> {
        if self.broken {
            return Err(StoreError::Unavailable("the connection broke in an earlier call".to_owned()));
        }
        self.busy = true;
        Ok(self.limit)
    }

    pub(crate) fn connection(&mut self) -> &mut DB::Connection {
        &mut self.object.as_mut().expect("a link has its connection until it is dropped").connection
    }

    /// Marks the end of a call. `None` is a call that took too long.
    pub(crate) fn leave<T>(&mut self, result: Option<Result<T, sqlx::Error>>) -> Result<T, StoreError> {
        self.busy = false;
        let Fault { error, broken } = match result {
            Some(Ok(value)) => return Ok(value),
            Some(Err(error)) => Fault::from(error),
            None => Fault { error: StoreError::Timeout("no answer to a statement".to_owned()), broken: true },
        };
        self.failed = true;
        self.broken |= broken;
        Err(error)
    }

    /// Whether a call failed since the connection was lent.
    pub(crate) const fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether the connection can be used for another call.
    pub(crate) const fn is_usable(&self) -> bool {
        self.object.is_some() && !self.busy && !self.broken
    }

    /// Moves the connection into a link of its own, and leaves this one empty.
    pub(crate) fn take(&mut self) -> Self {
        let Self { limit, busy, broken, failed, .. } = *self;
        Self { object: self.object.take(), limit, busy, broken, failed }
    }

    /// Has the connection closed when the link is dropped.
    pub(crate) const fn give_up(&mut self) {
        self.broken = true;
    }
}

impl<DB: Database> Drop for Link<DB> {
    fn drop(&mut self) {
        if (self.busy || self.broken)
            && let Some(object) = self.object.take()
        {
            if let Some(pool) = Object::pool(&object) {
                pool.manager().breaks.fetch_add(1, Ordering::AcqRel);
            }
            drop(Object::take(object));
        }
    }
}
