//! [`Store`]: the door to either engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keywright_core::Timestamp;
use keywright_verify::Places;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Postgres, Sqlite};
use uuid::Uuid;

use crate::conn::{Conn, call};
use crate::engine::{Engine, StoreOptions, SuccessEvents};
use crate::error::StoreError;
use crate::holds::Hold;
use crate::link::{Maker, Pool, lend};
use crate::transaction::{Lent, Reader, Tx};
use crate::types::Time;
use crate::usage::Labels;

/// Most threads that read from SQLite at once; each reader is a thread.
const MAX_SQLITE_READERS: usize = 8;
/// How long SQLite's one writer may be waited for: 200 changes that each sync the disk take a while.
const SQLITE_WRITER_QUEUE: Duration = Duration::from_secs(5);
/// Resting connections are closed after this long, but for one.
const MAX_REST: Duration = Duration::from_mins(10);
const REST_CHECK: Duration = Duration::from_mins(1);

/// A store. Cloning it is cheap and gives the same store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    engines: Engines,
    acquire_timeout: Duration,
    success_events: SuccessEvents,
    labels: Labels,
    places: Places,
}

pub(crate) enum Engines {
    Sqlite {
        path: PathBuf,
        readers: Pool<Sqlite>,
        writer: Pool<Sqlite>,
    },
    Postgres {
        pool: Pool<Postgres>,
        /// One connection apart, so that heartbeats do not queue behind changes and misses.
        pulse: Pool<Postgres>,
        options: Box<PgConnectOptions>,
    },
}

/// How full the pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// Connections that are open.
    pub size: usize,
    /// Of them, those that nobody uses.
    pub idle: usize,
    /// Most that may be open.
    pub max: usize,
    /// How many wait for one.
    pub waiting: usize,
}

impl Store {
    /// Connects. On SQLite the database is created where there is none, readable by its owner alone.
    ///
    /// # Errors
    /// [`StoreError::Unsuitable`] for a URL that cannot be used, else why it cannot be reached.
    pub async fn connect(options: &StoreOptions) -> Result<Self, StoreError> {
        let engines =
            if let Some(path) = options.sqlite_path()? { sqlite(path, options)? } else { postgres(options)? };
        let (acquire_timeout, success_events) = (options.acquire_timeout, options.success_events);
        let (labels, places) = (Labels::default(), options.places.clone());
        let store =
            Self { inner: Arc::new(Inner { engines, acquire_timeout, success_events, labels, places }) };
        store.open_first().await?;
        store.close_rested();
        Ok(store)
    }

    /// Opens the first connections: a store that cannot be reached is told at once. SQLite's writer
    /// comes first, as it turns the write-ahead log on.
    async fn open_first(&self) -> Result<(), StoreError> {
        match self.engines() {
            Engines::Sqlite { writer, readers, .. } => {
                drop(lend(writer, self.inner.acquire_timeout).await?);
                drop(lend(readers, self.inner.acquire_timeout).await?);
            }
            Engines::Postgres { pool, .. } => drop(lend(pool, self.inner.acquire_timeout).await?),
        }
        Ok(())
    }

    /// Opens so many connections to PostgreSQL ahead of need, so that a first burst does not wait for
    /// them; fewer when it does not answer. Nothing to do on SQLite.
    pub async fn warm(&self, count: usize) {
        let Engines::Postgres { pool, .. } = self.engines() else { return };
        let mut lent = Vec::new();
        for _ in 0..count.min(pool.status().max_size) {
            match lend(pool, self.inner.acquire_timeout).await {
                Ok(link) => lent.push(link),
                Err(_) => return,
            }
        }
    }

    /// Closes connections that have rested long, as long as the pool exists.
    fn close_rested(&self) {
        let Engines::Postgres { pool, .. } = self.engines() else { return };
        let pool = pool.weak();
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(REST_CHECK);
            loop {
                tick.tick().await;
                let Some(pool) = pool.upgrade() else { return };
                let mut spare = pool.status().size.saturating_sub(1);
                pool.retain(|_, metrics| {
                    let rested = spare > 0 && metrics.last_used() > MAX_REST;
                    spare -= usize::from(rested);
                    !rested
                });
            }
        });
    }

    /// Which engine it is.
    pub fn engine(&self) -> Engine {
        match self.engines() {
            Engines::Sqlite { .. } => Engine::Sqlite,
            Engines::Postgres { .. } => Engine::Postgres,
        }
    }

    /// Which successful verifications keep an event.
    pub fn success_events(&self) -> SuccessEvents {
        self.inner.success_events
    }

    /// The database's file, for SQLite.
    pub fn sqlite_path(&self) -> Option<&Path> {
        match self.engines() {
            Engines::Sqlite { path, .. } => Some(path),
            Engines::Postgres { .. } => None,
        }
    }

    pub(crate) fn engines(&self) -> &Engines {
        &self.inner.engines
    }

    /// The labels that usage is told apart by.
    pub(crate) fn labels(&self) -> &Labels {
        &self.inner.labels
    }

    /// Where addresses are.
    pub fn places(&self) -> &Places {
        &self.inner.places
    }

    pub(crate) fn acquire_timeout(&self) -> Duration {
        self.inner.acquire_timeout
    }

    /// A connection for queries that change nothing, each seeing what was committed before it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when there is none in time.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        let limit = self.inner.acquire_timeout;
        Ok(Reader::new(match self.engines() {
            Engines::Sqlite { readers, .. } => Lent::Sqlite(lend(readers, limit).await?),
            Engines::Postgres { pool, .. } => Lent::Postgres(lend(pool, limit).await?),
        }))
    }

    /// Begins a transaction: IMMEDIATE on SQLite, READ COMMITTED on PostgreSQL. Dropping it rolls
    /// back.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when there is no connection in time.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        self.begin_with(Hold::Nothing).await
    }

    /// Begins a change. Until it ends the revocation epochs stay as they are, and so does what it
    /// `reads`; what it `changes` no other change reads or changes. What is read inside it is read
    /// after all of that was waited for. Whatever takes rights away from somebody must name them in
    /// `changes`: whoever lost them cannot finish, then, what they began before.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when there is no connection in time, [`StoreError::Timeout`] when
    /// another change takes too long.
    pub async fn begin_change(&self, reads: &[Uuid], changes: &[Uuid]) -> Result<Tx, StoreError> {
        self.begin_with(Hold::Change { reads, changes }).await
    }

    async fn begin_with(&self, hold: Hold<'_>) -> Result<Tx, StoreError> {
        let limit = self.inner.acquire_timeout;
        let lent = match self.engines() {
            Engines::Sqlite { writer, .. } => Lent::Sqlite(lend(writer, limit + SQLITE_WRITER_QUEUE).await?),
            Engines::Postgres { pool, .. } => Lent::Postgres(lend(pool, limit).await?),
        };
        Tx::begin(lent, hold).await
    }

    /// The store's own clock; `None` on SQLite, which has no other than ours.
    ///
    /// # Errors
    /// As any query.
    pub async fn now(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut reader = self.read().await?;
        match reader.conn() {
            Conn::Sqlite(_) => Ok(None),
            Conn::Postgres(link) => {
                let query = sqlx::query_scalar::<Postgres, Time>("SELECT clock_timestamp()");
                Ok(Some(call!(link, |c| query.fetch_one(c))?.0))
            }
        }
    }

    /// How full the pool is.
    pub fn pool(&self) -> PoolStatus {
        fn status<DB: sqlx::Database>(pool: &Pool<DB>) -> PoolStatus {
            let status = pool.status();
            PoolStatus {
                size: status.size,
                idle: status.available,
                max: status.max_size,
                waiting: status.waiting,
            }
        }
        match self.engines() {
            Engines::Sqlite { readers, writer, .. } => {
                let (readers, writer) = (status(readers), status(writer));
                PoolStatus {
                    size: readers.size + writer.size,
                    idle: readers.idle + writer.idle,
                    max: readers.max + writer.max,
                    waiting: readers.waiting + writer.waiting,
                }
            }
            Engines::Postgres { pool, .. } => status(pool),
        }
    }

    /// Closes all connections; waits a little for SQLite's writer, so that its log is put away.
    pub async fn close(&self) {
        match self.engines() {
            Engines::Sqlite { readers, writer, .. } => {
                close_pool(readers).await;
                // The writer goes last: the last one to leave empties the write-ahead log.
                if let Ok(link) = lend(writer, self.inner.acquire_timeout).await {
                    drop(link);
                }
                close_pool(writer).await;
            }
            Engines::Postgres { pool, pulse, .. } => {
                close_pool(pulse).await;
                close_pool(pool).await;
            }
        }
    }
}

fn sqlite(path: PathBuf, options: &StoreOptions) -> Result<Engines, StoreError> {
    create_private(&path)?;
    let sqlite = options.sqlite(&path)?;
    let readers = options.max_connections().min(MAX_SQLITE_READERS);
    Ok(Engines::Sqlite {
        // Batches of events touch pages all over the indexes: with the 2 MiB that SQLite takes by
        // itself they are written to disk and read back before the commit, at a third of the speed.
        writer: pool(Maker::new(sqlite.clone().pragma("cache_size", "-8192"), None), 1)?,
        // A reader that closes has nothing to optimize: it may not write.
        readers: pool(
            Maker::new(sqlite.pragma("query_only", "ON").optimize_on_close(false, None), None),
            readers,
        )?,
        path,
    })
}

fn postgres(options: &StoreOptions) -> Result<Engines, StoreError> {
    let postgres = options.postgres()?;
    let limit = Some(options.call_limit());
    Ok(Engines::Postgres {
        pool: pool(Maker::new(postgres.clone(), limit), options.max_connections())?,
        pulse: pool(Maker::new(postgres.clone(), limit), 1)?,
        options: Box::new(postgres),
    })
}

fn pool<DB: sqlx::Database>(maker: Maker<DB>, max: usize) -> Result<Pool<DB>, StoreError> {
    Pool::builder(maker)
        .max_size(max)
        .queue_mode(deadpool::managed::QueueMode::Lifo)
        .build()
        .map_err(|error| StoreError::Other(error.to_string()))
}

async fn close_pool<DB: sqlx::Database>(pool: &Pool<DB>) {
    const PATIENCE: Duration = Duration::from_secs(2);
    let resting = pool.retain(|_, _| false).removed;
    pool.close();
    for rested in resting {
        // What cannot be closed in order is closed by its drop.
        let _ = tokio::time::timeout(PATIENCE, rested.into_connection().close()).await;
    }
}

/// SQLite would make the file readable by everybody.
fn create_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let fault = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(fault)?;
    }
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(fault(error)),
    }
}
