//! The two engines, and how a URL and a few options become connections to one of them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use keywright_verify::Places;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use crate::error::StoreError;

/// The engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Embedded, one server.
    Sqlite,
    /// Shared by any number of nodes.
    Postgres,
}

impl Engine {
    /// Its name in logs and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// Which successful verifications keep an event of their own. Failures always do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SuccessEvents {
    /// Each of them.
    #[default]
    All,
    /// None: they are kept as roll-ups only.
    Rollup,
}

/// How to reach a store, and what is kept there.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// `sqlite:PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub url: String,
    /// Connections that are kept.
    pub pool_size: u32,
    /// Connections beyond those, under load.
    pub max_overflow: u32,
    /// How long PostgreSQL may work on one statement.
    pub statement_timeout: Duration,
    /// How long to wait for a connection.
    pub acquire_timeout: Duration,
    /// Which successful verifications keep an event.
    pub success_events: SuccessEvents,
    /// Where addresses are.
    pub places: Places,
}

impl StoreOptions {
    /// The defaults for a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            pool_size: 10,
            max_overflow: 20,
            statement_timeout: Duration::from_secs(5),
            acquire_timeout: Duration::from_secs(2),
            success_events: SuccessEvents::All,
            places: Places::default(),
        }
    }

    /// The engine that the URL names.
    ///
    /// # Errors
    /// [`StoreError::Unsuitable`] when it names none of ours.
    pub fn engine(&self) -> Result<Engine, StoreError> {
        let scheme = self.url.split(':').next().unwrap_or_default();
        // `postgresql+asyncpg://` names a driver of another language: the database is the same.
        match scheme.split('+').next().unwrap_or_default() {
            "sqlite" => Ok(Engine::Sqlite),
            "postgres" | "postgresql" => Ok(Engine::Postgres),
            _ => Err(StoreError::Unsuitable {
                reason: "the database URL begins with neither sqlite: nor postgres://".to_owned(),
            }),
        }
    }

    /// Where the database is, for SQLite; `None` for PostgreSQL.
    ///
    /// # Errors
    /// [`StoreError::Unsuitable`] for a URL that names no file.
    pub fn sqlite_path(&self) -> Result<Option<PathBuf>, StoreError> {
        if self.engine()? == Engine::Postgres {
            return Ok(None);
        }
        let options = SqliteConnectOptions::from_str(&self.url)?;
        let path = options.get_filename();
        let in_memory = self.url.contains(":memory:") || self.url.contains("mode=memory");
        if in_memory || path.as_os_str().is_empty() {
            return Err(StoreError::Unsuitable {
                reason: "a database in memory is gone with the process, and each of our connections \
                         would see another one: name a file, as in sqlite:data/keywright.db"
                    .to_owned(),
            });
        }
        Ok(Some(path.to_owned()))
    }

    /// Most connections that may be open for reads and changes.
    pub fn max_connections(&self) -> usize {
        usize::try_from(self.pool_size.saturating_add(self.max_overflow))
            .unwrap_or(usize::MAX)
            .clamp(2, 10_000)
    }

    /// How long a call may take altogether before the connection is given up.
    pub(crate) fn call_limit(&self) -> Duration {
        self.statement_timeout + Duration::from_secs(1)
    }

    pub(crate) fn sqlite(&self, path: &Path) -> Result<SqliteConnectOptions, StoreError> {
        let options = SqliteConnectOptions::from_str(&self.url)?
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .pragma("trusted_schema", "OFF")
            .pragma("temp_store", "MEMORY")
            .pragma("wal_autocheckpoint", "4000")
            .pragma("journal_size_limit", "67108864")
            .optimize_on_close(true, 400)
            .thread_name(|id| format!("keywright-sqlite-{id}"));
        Ok(options.disable_statement_logging())
    }

    pub(crate) fn postgres(&self) -> Result<PgConnectOptions, StoreError> {
        let millis = |limit: Duration| limit.as_millis().clamp(1, 86_400_000).to_string();
        let options =
            PgConnectOptions::from_str(&postgres_url(&self.url))?.application_name("keywright").options([
                ("statement_timeout", millis(self.statement_timeout).as_str()),
                // A transaction whose node froze holds locks that everybody waits for; it ends before
                // those who wait, an emergency among them, give up.
                ("idle_in_transaction_session_timeout", millis(self.statement_timeout / 2).as_str()),
                ("synchronous_commit", "on"),
                ("default_transaction_isolation", "read committed"),
                ("jit", "off"),
            ]);
        Ok(options.disable_statement_logging())
    }
}

impl StoreOptions {
    /// How the database of another system is connected to: nothing can be changed there, and counting may take
    /// its time.
    pub(crate) fn postgres_source(&self) -> Result<PgConnectOptions, StoreError> {
        let options = PgConnectOptions::from_str(&postgres_url(&self.url))?;
        Ok(options.application_name("keywright import").options([
            ("default_transaction_read_only", "on"),
            ("statement_timeout", "600000"),
            ("jit", "off"),
        ]))
    }
}

/// The URL as sqlx reads it: without a driver in the scheme, and with `ssl=`, which asyncpg takes,
/// under its own name: an unknown parameter would be ignored, and the encryption with it.
fn postgres_url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
    let scheme = scheme.split('+').next().unwrap_or_default();
    let rest = rest.replace("?ssl=", "?sslmode=").replace("&ssl=", "&sslmode=");
    format!("{scheme}://{rest}")
}

impl fmt::Debug for StoreOptions {
    /// Without the URL, which may bear a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions")
            .field("engine", &self.engine().map(Engine::as_str))
            .field("pool_size", &self.pool_size)
            .field("max_overflow", &self.max_overflow)
            .field("statement_timeout", &self.statement_timeout)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("success_events", &self.success_events)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_url_names_its_engine() {
        for (url, engine) in [
            ("sqlite:data/keywright.db", Engine::Sqlite),
            ("sqlite:///var/lib/keywright.db", Engine::Sqlite),
            ("postgres://u@h/d", Engine::Postgres),
            ("postgresql://u@h/d", Engine::Postgres),
            ("postgresql+asyncpg://u:p@h:5432/d", Engine::Postgres),
        ] {
            assert_eq!(StoreOptions::new(url).engine(), Ok(engine), "{url}");
        }
        for url in ["mysql://u@h/d", "", "data/keywright.db"] {
            assert!(matches!(StoreOptions::new(url).engine(), Err(StoreError::Unsuitable { .. })), "{url}");
        }
    }

    #[test]
    fn a_database_in_memory_is_refused() {
        for url in ["sqlite::memory:", "sqlite://:memory:", "sqlite:x?mode=memory", "sqlite:", "sqlite://"] {
            let refused = StoreOptions::new(url).sqlite_path();
            assert!(matches!(refused, Err(StoreError::Unsuitable { .. })), "{url}: {refused:?}");
        }
    }

    #[test]
    fn another_drivers_url_is_the_same_database() {
        assert_eq!(
            postgres_url("postgresql+asyncpg://u:p@h/d?ssl=require"),
            "postgresql://u:p@h/d?sslmode=require"
        );
    }

    #[test]
    fn a_password_is_not_printed() {
        let options = StoreOptions::new("postgres://keywright:hunter2@db/keywright");
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
