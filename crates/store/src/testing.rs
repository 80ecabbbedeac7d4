//! Stores for tests, of this crate and of those above it: an empty, migrated database for each test,
//! on each engine. The suite runs on both; which is told by the environment.

use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use keywright_core::{SessionId, Timestamp, UserId};

use crate::conn::{Conn, change};
use crate::dialect::{fold, statements};
use crate::engine::{Engine, StoreOptions};
use crate::error::StoreError;
use crate::platform::{self, Reached};
use crate::sessions::{self, NewSession};
use crate::store::Store;
use crate::types::Time;

statements! {
    USER = [
        "INSERT INTO users (id, email, email_folded, email_verified_at, display_name, name_folded, preferences, \
         platform_role, session_epoch, created_by_type, created_by_name, created_at, updated_at, version) \
         VALUES ($1, $2, $3, $6, $4, $5, '{}', $7, 0, 'system', 'test', $6, $6, 1)"
    ];
    ACCEPT = ["UPDATE users SET password_hash = 'no hash' WHERE id = $1"];
    DISABLE_USER = ["UPDATE users SET disabled_at = $2 WHERE id = $1"];
}

/// The superuser's URL of a PostgreSQL cluster that tests may make databases in.
pub const POSTGRES_URL: &str = "KEYWRIGHT_TEST_POSTGRES_URL";
/// `sqlite`, `postgres`, or both, separated by a comma (default).
pub const ENGINES: &str = "KEYWRIGHT_TEST_ENGINES";

/// An empty, migrated store that is gone when this is dropped.
pub struct TestStore {
    store: Store,
    options: StoreOptions,
    _home: Home,
}

enum Home {
    Folder { _folder: tempfile::TempDir },
    Database { _database: Database },
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl TestStore {
    /// How to connect to it once more, as another node does.
    pub fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// Another connection pool to it.
    pub async fn another(&self) -> Store {
        Store::connect(&self.options).await.expect("the test's database is there")
    }
}

/// The engines that the tests are to run on.
pub fn engines() -> Vec<Engine> {
    let both = [Engine::Sqlite, Engine::Postgres];
    let Ok(names) = std::env::var(ENGINES) else { return both.to_vec() };
    let engine = |name: &str| both.into_iter().find(|engine| engine.as_str() == name);
    names
        .split(',')
        .map(|name| engine(name).unwrap_or_else(|| panic!("{ENGINES} is {names:?}, not sqlite,postgres")))
        .collect()
}

/// A store on each engine, migrated.
pub async fn test_stores() -> Vec<TestStore> {
    let mut stores = Vec::new();
    for engine in engines() {
        stores.push(test_store(engine, true).await);
    }
    stores
}

/// A store on each engine, without a schema.
pub async fn blank_stores() -> Vec<TestStore> {
    let mut stores = Vec::new();
    for engine in engines() {
        stores.push(test_store(engine, false).await);
    }
    stores
}

/// A store on PostgreSQL alone, migrated; `None` when the tests are to run on SQLite only.
pub async fn postgres_store() -> Option<TestStore> {
    store_on(Engine::Postgres).await
}

/// A database on PostgreSQL without a schema, for another system; `None` when the tests are to run on SQLite only.
pub async fn foreign_database() -> Option<TestStore> {
    if engines().contains(&Engine::Postgres) { Some(test_store(Engine::Postgres, false).await) } else { None }
}

/// A store on this engine, migrated; `None` when the tests are not to run on it.
pub async fn store_on(engine: Engine) -> Option<TestStore> {
    if engines().contains(&engine) { Some(test_store(engine, true).await) } else { None }
}

async fn test_store(engine: Engine, migrated: bool) -> TestStore {
    let (options, home) = match engine {
        Engine::Sqlite => {
            let folder = tempfile::tempdir().expect("tests may write to the temporary folder");
            let url = format!("sqlite:{}", folder.path().join("keywright.db").display());
            (StoreOptions::new(url), Home::Folder { _folder: folder })
        }
        Engine::Postgres => {
            let database = Database::create(migrated).await;
            (StoreOptions::new(database.url.clone()), Home::Database { _database: database })
        }
    };
    let store = Store::connect(&options).await.expect("a test's database can be reached");
    if migrated {
        store.migrate(|_| ()).await.expect("the migrations can be applied");
    }
    TestStore { store, options, _home: home }
}

/// Raises the epoch of service tokens, as an emergency over the whole platform does.
///
/// # Errors
/// As the store.
pub async fn raise_service_epoch(mut conn: Conn<'_>) -> Result<u64, StoreError> {
    let epoch = platform::next_epoch(conn.reborrow()).await?;
    platform::raise(conn, epoch, Reached { service: true, ..Reached::default() }).await?;
    Ok(epoch)
}

/// Inserts a user who has an address, and who may be an administrator of the platform.
///
/// # Errors
/// As any query.
pub async fn insert_user(
    conn: Conn<'_>,
    id: UserId,
    email: &str,
    platform_role: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let name = email.split('@').next().unwrap_or(email);
    change!(conn, USER; id.0, email, fold(email), name, fold(name), Time(now), platform_role)?;
    Ok(())
}

/// Makes a user one who has accepted the invitation: with a password, that nothing matches.
///
/// # Errors
/// As any query.
pub async fn accept_invitation(conn: Conn<'_>, id: UserId) -> Result<(), StoreError> {
    change!(conn, ACCEPT; id.0)?;
    Ok(())
}

/// Disables a user, and does nothing else.
///
/// # Errors
/// As any query.
pub async fn disable_user(conn: Conn<'_>, id: UserId, now: Timestamp) -> Result<(), StoreError> {
    change!(conn, DISABLE_USER; id.0, Time(now))?;
    Ok(())
}

/// Inserts a session of a user, of thirty days.
///
/// # Errors
/// As any query.
pub async fn insert_session(
    conn: Conn<'_>,
    id: SessionId,
    user: UserId,
    epoch: u64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let new = NewSession {
        id,
        user_id: user,
        publisher_id: None,
        epoch,
        ip_address: None,
        country: None,
        user_agent: None,
        created_at: now,
        expires_at: now.plus_days(30),
        idle_expires_at: now.plus_days(30),
    };
    sessions::insert(conn, &new).await.map(drop)
}

/// A database of its own, dropped with this.
struct Database {
    url: String,
    name: String,
}

fn server() -> PgConnectOptions {
    let url = std::env::var(POSTGRES_URL).unwrap_or_else(|_| {
        panic!(
            "{POSTGRES_URL} is not set: run scripts/test, which starts a PostgreSQL of its own, \
             or set {ENGINES}=sqlite"
        )
    });
    url.parse::<PgConnectOptions>().expect("the URL of the test cluster").disable_statement_logging()
}

async fn execute(connection: &mut PgConnection, sql: String) {
    connection.execute(AssertSqlSafe(sql)).await.expect("the test cluster does what a superuser asks");
}

impl Database {
    async fn create(migrated: bool) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("keywright_test_{}_{number}", std::process::id());
        let server = server();
        let mut connection = server.connect().await.expect("the test cluster can be reached");
        let template =
            if migrated { template(&server, &mut connection).await } else { "template0".to_owned() };
        // A process number comes again; what its last bearer left behind goes.
        execute(&mut connection, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        execute(&mut connection, format!("CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'")).await;
        let _ = connection.close().await;
        let url = server.database(&name).to_url_lossy().to_string();
        Self { url, name }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = self.name.clone();
        // A drop cannot await, and the test's runtime may be ending.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let Ok(mut connection) = server().connect().await else { return };
                let _ = connection
                    .execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")))
                    .await;
                let _ = connection.close().await;
            });
            Ok::<_, std::io::Error>(())
        });
        let _ = dropping.join();
    }
}

/// A migrated database to copy from: made once for each state of the migrations, whoever comes first.
async fn template(server: &PgConnectOptions, connection: &mut PgConnection) -> String {
    let name = format!("keywright_template_{:016x}", crate::schema::postgres_fingerprint());
    let exists = "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate)";
    execute(connection, "SELECT pg_advisory_lock(7035941)".to_owned()).await;
    let ready: bool = sqlx::query_scalar(exists)
        .bind(&name)
        .fetch_one(&mut *connection)
        .await
        .expect("the catalogue can be read");
    if !ready {
        execute(connection, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        execute(connection, format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")).await;
        let url = server.clone().database(&name).to_url_lossy().to_string();
        let store = Store::connect(&StoreOptions::new(url)).await.expect("the template can be reached");
        store.migrate(|_| ()).await.expect("the migrations can be applied");
        store.close().await;
        execute(connection, format!("ALTER DATABASE {name} WITH IS_TEMPLATE true")).await;
    }
    execute(connection, "SELECT pg_advisory_unlock(7035941)".to_owned()).await;
    name
}
