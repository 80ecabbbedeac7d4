//! A store that is away, silent, slow or shared with somebody else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use keywright_core::Wanted;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Postgres};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{NOW, by_id, change, credential_id, hash, insert, new_token};
use crate::conn::call;
use crate::service_tokens;
use crate::testing::{TestStore, postgres_store, test_stores};
use crate::{CommitError, Conn, Engine, Store, StoreError, StoreOptions, grants};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    /// Nothing comes through, and nobody is told: a stopped server, or dropped packets.
    Silent,
    /// What is sent arrives, what is answered does not.
    Deaf,
    /// Connections are closed, new ones refused.
    Cut,
}

/// A TCP way to the real PostgreSQL that can be closed.
pub(super) struct Gate {
    options: StoreOptions,
    way: Arc<watch::Sender<Way>>,
}

impl Gate {
    /// A way to the store's database.
    pub(super) async fn before(store: &TestStore) -> Self {
        let server: PgConnectOptions = store.options().url.parse().unwrap();
        let target = format!("{}:{}", server.get_host(), server.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let way = Arc::new(watch::channel(Way::Open).0);
        let url = server.host("127.0.0.1").port(address.port()).to_url_lossy().to_string();
        let options = StoreOptions {
            pool_size: 2,
            max_overflow: 0,
            statement_timeout: Duration::from_millis(300),
            acquire_timeout: Duration::from_millis(800),
            ..StoreOptions::new(url)
        };
        tokio::spawn({
            let way = Arc::clone(&way);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    if *way.borrow() == Way::Cut {
                        continue;
                    }
                    let server = TcpStream::connect(&target).await.unwrap();
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::spawn(carry(from_client, to_server, way.subscribe(), &[Way::Open, Way::Deaf]));
                    tokio::spawn(carry(from_server, to_client, way.subscribe(), &[Way::Open]));
                }
            }
        });
        Self { options, way }
    }

    pub(super) fn options(&self) -> StoreOptions {
        self.options.clone()
    }

    pub(super) fn open(&self) {
        self.way.send_replace(Way::Open);
    }

    pub(super) fn cut(&self) {
        self.way.send_replace(Way::Cut);
    }
}

/// Carries bytes while the way lets them through. A connection that met silence is lost for good, and
/// nobody is told, as when a firewall has forgotten it.
async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut way: watch::Receiver<Way>,
    through: &[Way],
) {
    let mut buffer = vec![0; 64 * 1024];
    while through.contains(&*way.borrow_and_update()) {
        tokio::select! {
            read = from.read(&mut buffer) => match read {
                Ok(count) if count > 0 && through.contains(&*way.borrow()) => {
                    if to.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            },
            _ = way.changed() => {}
        }
    }
    let _ = way.wait_for(|way| *way == Way::Cut).await;
}

/// A database with one token, the way to it, and a store that goes that way.
async fn behind_a_gate() -> Option<(TestStore, Gate, Store)> {
    let store = postgres_store().await?;
    insert(&store, &new_token(1)).await;
    let gate = Gate::before(&store).await;
    let through = Store::connect(&gate.options()).await.unwrap();
    Some((store, gate, through))
}

async fn load(store: &Store) -> Result<bool, StoreError> {
    let mut reader = store.read().await?;
    Ok(grants::load(reader.conn(), &Wanted::token(hash(1))).await?.is_some())
}

#[tokio::test]
async fn a_silent_server_hangs_nobody_and_leaves_nothing_behind() {
    let Some((_store, gate, through)) = behind_a_gate().await else { return };
    assert_eq!(load(&through).await, Ok(true));
    gate.way.send_replace(Way::Silent);
    for _ in 0..3 {
        let refused = load(&through).await.unwrap_err();
        assert!(refused.is_unavailable(), "{refused}");
    }
    // Callers that do not wait so long, more of them than there are connections.
    for _ in 0..5 {
        let given_up = tokio::time::timeout(Duration::from_millis(50), load(&through)).await;
        assert!(!matches!(given_up, Ok(Ok(_))));
    }
    gate.open();
    assert_eq!(load(&through).await, Ok(true));
    assert_eq!(load(&through).await, Ok(true));
    assert!(through.pool().size <= 2);
}

/// Whoever had to give up on one connection spares the next from trying all others.
#[tokio::test]
async fn of_many_silent_connections_the_next_caller_meets_none() {
    let Some(store) = postgres_store().await else { return };
    insert(&store, &new_token(1)).await;
    let gate = Gate::before(&store).await;
    let through = Store::connect(&StoreOptions { pool_size: 8, ..gate.options() }).await.unwrap();
    let mut readers = Vec::new();
    for _ in 0..8 {
        readers.push(through.read().await.unwrap());
    }
    drop(readers);
    assert_eq!(through.pool().idle, 8);
    gate.way.send_replace(Way::Silent);
    for _ in 0..2 {
        assert!(load(&through).await.unwrap_err().is_unavailable());
    }
    gate.open();
    assert_eq!(load(&through).await, Ok(true));
}

#[tokio::test]
async fn a_caller_that_gave_up_leaves_no_half_done_call_to_the_next() {
    let Some((_store, gate, through)) = behind_a_gate().await else { return };
    assert_eq!(load(&through).await, Ok(true));
    gate.way.send_replace(Way::Silent);
    assert!(tokio::time::timeout(Duration::from_millis(50), load(&through)).await.is_err());
    gate.open();
    assert_eq!(load(&through).await, Ok(true));
}

#[tokio::test]
async fn after_a_restart_of_the_server_one_call_fails_at_most() {
    let Some((_store, gate, through)) = behind_a_gate().await else { return };
    let (mut one, mut two) = (through.read().await.unwrap(), through.read().await.unwrap());
    for reader in [&mut one, &mut two] {
        assert!(grants::load(reader.conn(), &Wanted::token(hash(1))).await.unwrap().is_some());
    }
    drop((one, two));
    gate.cut();
    assert!(load(&through).await.unwrap_err().is_unavailable());
    gate.open();
    assert_eq!([load(&through).await, load(&through).await], [Ok(true), Ok(true)]);
}

/// As by a firewall, or by an administrator.
#[tokio::test]
async fn a_connection_that_was_closed_while_it_rested_fails_no_call() {
    let Some((_store, gate, through)) = behind_a_gate().await else { return };
    assert_eq!(load(&through).await, Ok(true));
    gate.cut();
    // Longer than a connection is trusted without being asked.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    gate.open();
    assert_eq!(load(&through).await, Ok(true));
}

#[tokio::test]
async fn a_commit_without_an_answer_is_not_called_undone() {
    let Some(store) = postgres_store().await else { return };
    let gate = Gate::before(&store).await;
    let through = Store::connect(&gate.options()).await.unwrap();
    let mut tx = through.begin().await.unwrap();
    service_tokens::insert(tx.conn(), &new_token(1)).await.unwrap();
    gate.way.send_replace(Way::Deaf);
    let outcome = tx.commit().await;
    assert!(matches!(outcome, Err(CommitError::OutcomeUnknown(_))), "{outcome:?}");
    // It was done.
    assert!(by_id(&store, 1).await.is_some());
}

#[tokio::test]
async fn a_change_whose_connection_is_lost_is_undone() {
    let Some(store) = postgres_store().await else { return };
    let gate = Gate::before(&store).await;
    let through = Store::connect(&gate.options()).await.unwrap();
    let mut tx = through.begin().await.unwrap();
    service_tokens::insert(tx.conn(), &new_token(1)).await.unwrap();
    gate.cut();
    let lost = service_tokens::insert(tx.conn(), &new_token(2)).await.unwrap_err();
    assert!(lost.is_unavailable(), "{lost}");
    let outcome = tx.commit().await;
    assert!(matches!(outcome, Err(CommitError::NotCommitted(_))), "{outcome:?}");
    assert_eq!(by_id(&store, 1).await, None);
}

#[tokio::test]
async fn a_caller_that_goes_away_in_the_middle_leaves_no_lock() {
    for store in test_stores().await {
        insert(&store, &new_token(1)).await;
        for _ in 0..10 {
            let mut tx = store.begin().await.unwrap();
            service_tokens::lock_for_change(tx.conn(), None, credential_id(1)).await.unwrap();
            let revoke = service_tokens::revoke(tx.conn(), credential_id(1), NOW, None);
            let _ = tokio::time::timeout(Duration::ZERO, revoke).await;
        }
        assert_eq!(by_id(&store, 1).await.unwrap().revoked_at, None, "{:?}", store.engine());
        let revoked = change(&store, async |c| service_tokens::revoke(c, credential_id(1), NOW, None).await);
        assert!(revoked.await);
    }
}

#[tokio::test]
async fn a_slow_statement_is_stopped_and_its_connection_lives_on() {
    let Some(store) = postgres_store().await else { return };
    let options = StoreOptions { statement_timeout: Duration::from_millis(50), ..store.options().clone() };
    let store = Store::connect(&options).await.unwrap();
    let mut reader = store.read().await.unwrap();
    let Conn::Postgres(link) = reader.conn() else { unreachable!() };
    let slow = call!(&mut *link, |c| sqlx::query::<Postgres>("SELECT pg_sleep(60)").execute(c));
    assert!(matches!(slow, Err(StoreError::Timeout(_))), "{slow:?}");
    let after = call!(link, |c| sqlx::query_scalar::<Postgres, i32>("SELECT 1").fetch_one(c));
    assert_eq!(after, Ok(1));
}

#[tokio::test]
async fn connections_have_the_settings_that_promises_rest_on() {
    for store in test_stores().await {
        let mut tx = store.begin().await.unwrap();
        let settings: Vec<(&str, String)> = match tx.conn() {
            Conn::Sqlite(link) => {
                let mut found = Vec::new();
                for (name, text) in [
                    ("journal_mode", "PRAGMA journal_mode"),
                    ("synchronous", "SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous"),
                    ("foreign_keys", "SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys"),
                ] {
                    let value = call!(&mut *link, |c| sqlx::query_scalar(text).fetch_one(c));
                    found.push((name, value.unwrap()));
                }
                found
            }
            Conn::Postgres(link) => {
                let mut found = Vec::new();
                for name in
                    ["synchronous_commit", "transaction_isolation", "statement_timeout", "application_name"]
                {
                    let query = sqlx::query_scalar("SELECT current_setting($1)").bind(name);
                    found.push((name, call!(&mut *link, |c| query.fetch_one(c)).unwrap()));
                }
                found
            }
        };
        let expected: Vec<(&str, &str)> = match store.engine() {
            Engine::Sqlite => vec![("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1")],
            Engine::Postgres => vec![
                ("synchronous_commit", "on"),
                ("transaction_isolation", "read committed"),
                ("statement_timeout", "5s"),
                ("application_name", "keywright"),
            ],
        };
        assert!(settings.iter().map(|(name, value)| (*name, value.as_str())).eq(expected), "{settings:?}");
    }
}

#[tokio::test]
async fn a_locked_sqlite_is_unavailable_for_changes_and_still_read() {
    for store in test_stores().await {
        let Some(path) = store.sqlite_path() else { continue };
        insert(&store, &new_token(1)).await;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let mut stranger = options.connect().await.unwrap();
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut stranger).await.unwrap();
        let Err(refused) = store.begin().await else { panic!("began beside an exclusive lock") };
        assert!(refused.is_unavailable(), "{refused}");
        assert!(by_id(&store, 1).await.is_some());
        stranger.close().await.unwrap();
        insert(&store, &new_token(2)).await;
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_a_wrong_password_is_not() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let options = StoreOptions {
        acquire_timeout: Duration::from_millis(300),
        ..StoreOptions::new(format!("postgres://nobody@127.0.0.1:{port}/nothing"))
    };
    let Err(error) = Store::connect(&options).await else { panic!("connected to nothing") };
    assert!(error.is_unavailable(), "{error}");
    let Some(store) = postgres_store().await else { return };
    let server: PgConnectOptions = store.options().url.parse().unwrap();
    let url = server.database("no_such_database").to_url_lossy().to_string();
    let Err(error) = Store::connect(&StoreOptions::new(url)).await else { panic!("no such database") };
    assert!(matches!(error, StoreError::Unsuitable { .. }), "{error}");
}
