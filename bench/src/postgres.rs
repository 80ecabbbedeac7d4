//! A throw-away PostgreSQL cluster, by `scripts/postgres`, and what the benchmark asks it directly.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tokio::runtime::Runtime;

use crate::process::Process;
use crate::tokens::SEED;

/// As a careful operator would run it, with the statistics that prove how often it was asked.
const SETTINGS: [&str; 5] = [
    "fsync=on",
    "full_page_writes=on",
    "shared_preload_libraries=pg_stat_statements",
    "max_wal_size=4GB",
    "checkpoint_timeout=15min",
];

/// The statement that a miss asks, as `pg_stat_statements` shows it.
const LOAD: &str = "%FROM platform p LEFT JOIN service_tokens t ON t.token_hash%";

/// A cluster; gone when dropped.
pub(crate) struct Postgres {
    _process: Process,
    url: String,
    runtime: Runtime,
    databases: std::cell::Cell<u32>,
}

/// A database of a cluster.
pub(crate) struct Database<'a> {
    cluster: &'a Postgres,
    pub(crate) url: String,
    connection: std::cell::RefCell<PgConnection>,
}

impl Postgres {
    /// Starts one.
    pub(crate) fn start(root: &Path) -> Result<Self> {
        let script = root.join("scripts/postgres");
        let (process, url) = Process::start_and_hear(Command::new(script).args(SETTINGS))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { _process: process, url, runtime, databases: std::cell::Cell::new(0) })
    }

    /// A new, empty database.
    pub(crate) fn database(&self) -> Result<Database<'_>> {
        let number = self.databases.get() + 1;
        self.databases.set(number);
        let (server, _) = self.url.rsplit_once('/').context("a URL without a database")?;
        let url = format!("{server}/bench_{number}");
        let connection = self.runtime.block_on(async {
            let mut admin = PgConnection::connect(&self.url).await?;
            admin.execute(AssertSqlSafe(format!("CREATE DATABASE bench_{number}"))).await?;
            admin.close().await?;
            let mut connection = PgConnection::connect(&url).await?;
            connection.execute("CREATE EXTENSION pg_stat_statements").await?;
            Ok::<_, sqlx::Error>(connection)
        })?;
        Ok(Database { cluster: self, url, connection: connection.into() })
    }

    /// Its version.
    pub(crate) fn version(&self) -> Result<String> {
        self.runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.url).await?;
            Ok(sqlx::query_scalar("SHOW server_version").fetch_one(&mut connection).await?)
        })
    }
}

impl Database<'_> {
    /// Runs a statement that gives nothing back.
    pub(crate) fn execute(&self, sql: &str) -> Result<u64> {
        let mut connection = self.connection.borrow_mut();
        let done = self.cluster.runtime.block_on(connection.execute(AssertSqlSafe(sql.to_owned())))?;
        Ok(done.rows_affected())
    }

    /// Asks for one number.
    pub(crate) fn number(&self, sql: &str) -> Result<i64> {
        let mut connection = self.connection.borrow_mut();
        let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
        Ok(self.cluster.runtime.block_on(query.fetch_one(&mut *connection))?)
    }

    /// Makes tokens `range` of [`crate::tokens`], in a schema that is there. The n-th has the id that
    /// [`token_id`] tells.
    pub(crate) fn seed(&self, range: std::ops::Range<u32>) -> Result<()> {
        let (from, to) = (range.start, range.end.saturating_sub(1));
        self.execute(&format!(
            "INSERT INTO service_tokens (id, token_name, name_folded, token_hash, token_hint, permissions, \
             metadata, is_active, epoch, created_by_type, created_by_name, created_at, updated_at, version) \
             SELECT ('01980000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'bench-' || n, 'bench-' || n, \
             sha256(convert_to('sk_' || secret, 'UTF8')), 'sk_' || left(secret, 4) || '…' || right(secret, 4), \
             '[\"catalog:read\", \"works:read\"]', '{{}}', TRUE, p.service_epoch, 'system', 'bench', \
             clock_timestamp(), clock_timestamp(), 1 \
             FROM generate_series({from}, {to}) AS n, \
             LATERAL (SELECT encode(sha256(convert_to('{SEED}' || n, 'UTF8')), 'hex') AS secret) AS s, platform p"
        ))?;
        self.execute("ANALYZE service_tokens")?;
        Ok(())
    }

    /// How often the store was asked for a grant since the database was made.
    pub(crate) fn loads(&self) -> Result<i64> {
        self.number(&format!(
            "SELECT COALESCE(SUM(s.calls), 0)::bigint FROM pg_stat_statements s \
             JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database() WHERE s.query LIKE '{LOAD}'"
        ))
    }

    /// Statements run in this database since it was made.
    pub(crate) fn statements(&self) -> Result<i64> {
        self.number(
            "SELECT COALESCE(SUM(s.calls), 0)::bigint FROM pg_stat_statements s \
             JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()",
        )
    }

    /// Authentication events stored.
    pub(crate) fn events(&self) -> Result<i64> {
        self.number("SELECT COUNT(*) FROM authentication_events")
    }

    /// Keeps the store from taking authentication events until [`Database::take_events`]; everything
    /// else goes on.
    pub(crate) fn hold_events(&self) -> Result<()> {
        self.execute("BEGIN")?;
        self.execute("LOCK TABLE authentication_events IN EXCLUSIVE MODE").map(drop)
    }

    /// Lets the store take them again.
    pub(crate) fn take_events(&self) -> Result<()> {
        self.execute("ROLLBACK").map(drop)
    }
}

/// The id of the n-th token that [`Database::seed`] made.
pub(crate) fn token_id(n: u32) -> String {
    format!("01980000-0000-7000-8000-{n:012x}")
}

/// CPU time that the server processes of a database have used by now.
pub(crate) fn backend_cpu(database: &str) -> Result<Duration> {
    let mut nanos = 0;
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        // A process may end between the listing and the look.
        let Ok(line) = std::fs::read_to_string(path.join("cmdline")) else { continue };
        if line.starts_with("postgres: ") && line.split(' ').any(|word| word == database) {
            let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
            nanos += text.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Ok(Duration::from_nanos(nanos))
}
