//! Notifications between nodes, on PostgreSQL only. Payloads bear ids, nothing else.

use keywright_core::{NodeId, Timestamp};
use sqlx::Postgres;
use sqlx::postgres::{PgListener, PgPoolOptions};

use crate::conn::{Conn, call};
use crate::error::StoreError;
use crate::link::lend;
use crate::store::{Engines, Store};
use crate::types::Time;

/// The channel of all nodes.
pub const CHANNEL: &str = "keywright";

/// PostgreSQL takes payloads of less than 8,000 bytes.
pub const MAX_PAYLOAD: usize = 7_999;

/// Tells all nodes, this one included, once the transaction commits. Nothing on SQLite, which has
/// one node.
///
/// # Errors
/// As any query.
pub async fn notify(conn: Conn<'_>, payload: &str) -> Result<(), StoreError> {
    let Conn::Postgres(link) = conn else { return Ok(()) };
    let query = sqlx::query::<Postgres>("SELECT pg_notify('keywright', $1)").bind(payload);
    call!(link, |c| query.execute(c)).map(drop)
}

fn postgres_only() -> StoreError {
    StoreError::Unsuitable { reason: "nodes tell each other through PostgreSQL only".to_owned() }
}

/// One heartbeat: notes that the node is alive, tells all nodes, and gives the store's clock. It has a
/// connection of its own.
///
/// # Errors
/// [`StoreError::Corrupt`] when the node is not registered, [`StoreError::Unsuitable`] on SQLite.
pub async fn heartbeat(store: &Store, node: NodeId, payload: &str) -> Result<Timestamp, StoreError> {
    const BEAT: &str = "WITH beat AS (UPDATE nodes SET last_beat_at = clock_timestamp() WHERE id = $1 RETURNING id), \
         told AS (SELECT pg_notify('keywright', $2)) \
         SELECT clock_timestamp(), (SELECT COUNT(*) FROM beat), (SELECT COUNT(*) FROM told)";
    let Engines::Postgres { pulse, .. } = store.engines() else { return Err(postgres_only()) };
    let mut link = lend(pulse, store.acquire_timeout()).await?;
    let (time, beats, _): (Time, i64, i64) =
        call!(&mut link, |c| sqlx::query_as(BEAT).bind(node.0).bind(payload).fetch_one(c))?;
    if beats == 1 { Ok(time.0) } else { Err(StoreError::corrupt("this node is not registered")) }
}

/// Hears what all nodes tell.
pub struct Listener {
    /// `None` once the connection was lost.
    inner: Option<PgListener>,
}

impl Listener {
    /// Listens on a connection of its own.
    ///
    /// # Errors
    /// [`StoreError::Unsuitable`] on SQLite, else why the store cannot be reached.
    pub async fn connect(store: &Store) -> Result<Self, StoreError> {
        let Engines::Postgres { options, .. } = store.engines() else { return Err(postgres_only()) };
        let limit = store.acquire_timeout();
        let pool: sqlx::Pool<Postgres> = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(limit)
            .connect_lazy_with((**options).clone());
        let connect = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            // Never reconnect in silence: what was told in between would be missed.
            listener.eager_reconnect(false);
            listener.listen(CHANNEL).await?;
            Ok::<_, sqlx::Error>(listener)
        };
        match tokio::time::timeout(limit, connect).await {
            Ok(listener) => Ok(Self { inner: Some(listener?) }),
            Err(_) => Err(StoreError::Unavailable("no answer to LISTEN".to_owned())),
        }
    }

    /// The next payload. It can be dropped while it waits. It waits for ever on a server that went
    /// silent: whoever listens must miss its own heartbeats.
    ///
    /// # Errors
    /// The connection is lost, and with it whatever was told since; this listener is of no further use.
    pub async fn recv(&mut self) -> Result<String, StoreError> {
        let lost = || StoreError::Unavailable("the listening connection is lost".to_owned());
        let listener = self.inner.as_mut().ok_or_else(lost)?;
        let error = match listener.try_recv().await {
            Ok(Some(notification)) => return Ok(notification.payload().to_owned()),
            Ok(None) => lost(),
            Err(error) => error.into(),
        };
        self.inner = None;
        Err(error)
    }
}
