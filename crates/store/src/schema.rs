//! Migrations, and whether a schema is one that this binary can work on.

use std::fs::File;
use std::path::Path;

use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::{ConnectOptions, Connection, Postgres, Sqlite};

use crate::conn::{Conn, call, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::lock;
use crate::store::{Engines, Store};

statements! {
    NEWEST = ["SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations"];
    MIN_COMPATIBLE = ["SELECT min_compatible_version FROM schema_compatibility WHERE id = 1"];
}

/// What the schema is, seen by this binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// It can be worked on. A newer Keywright may have added to it.
    Current {
        /// Its newest migration.
        version: i64,
    },
    /// Migrations are missing.
    Behind {
        /// Its newest migration.
        version: i64,
        /// The newest that this binary knows.
        known_version: i64,
    },
    /// There is none.
    Empty,
    /// A newer Keywright made it, and says that this binary cannot work on it.
    TooNew {
        /// The oldest migration that a binary must know.
        min_compatible_version: i64,
        /// The newest that this binary knows.
        known_version: i64,
    },
}

impl SchemaState {
    fn of(version: i64, min_compatible_version: i64, known_version: i64) -> Self {
        if min_compatible_version > known_version {
            Self::TooNew { min_compatible_version, known_version }
        } else if version < known_version {
            Self::Behind { version, known_version }
        } else {
            Self::Current { version }
        }
    }
}

/// One step of a migration, told before it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationStep {
    /// Which one it is, from 1.
    pub number: usize,
    /// Of how many.
    pub total: usize,
    /// What it does.
    pub description: String,
}

/// Migrations of a newer binary beside it are none of its business: the compatibility row decides.
fn tolerant(mut migrator: Migrator) -> Migrator {
    migrator.set_ignore_missing(true);
    migrator
}

fn sqlite_migrations() -> Migrator {
    tolerant(sqlx::migrate!("migrations/sqlite"))
}

fn postgres_migrations() -> Migrator {
    tolerant(sqlx::migrate!("migrations/postgres"))
}

/// A number that changes with the migrations, for tests that keep a migrated database to copy from.
pub(crate) fn postgres_fingerprint() -> u64 {
    let mut number = 0_u64;
    for byte in postgres_migrations().iter().flat_map(|migration| migration.checksum.to_vec()) {
        number = number.rotate_left(5).wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte);
    }
    number
}

impl Store {
    fn migrations(&self) -> Migrator {
        match self.engines() {
            Engines::Sqlite { .. } => sqlite_migrations(),
            Engines::Postgres { .. } => postgres_migrations(),
        }
    }

    fn known_version(&self) -> i64 {
        self.migrations().iter().map(|migration| migration.version).max().unwrap_or(0)
    }

    /// What the schema is, seen by this binary.
    ///
    /// # Errors
    /// As any query.
    pub async fn schema_state(&self) -> Result<SchemaState, StoreError> {
        let known_version = self.known_version();
        let mut reader = self.read().await?;
        if !has_table(reader.conn(), "_sqlx_migrations").await? {
            return Ok(SchemaState::Empty);
        }
        let version =
            on!(reader.conn(), |c| sqlx::query_scalar::<DB, i64>(NEWEST.text::<DB>()).fetch_one(c))?;
        if version == 0 || !has_table(reader.conn(), "schema_compatibility").await? {
            return Ok(SchemaState::Empty);
        }
        let min_compatible_version =
            on!(reader.conn(), |c| sqlx::query_scalar::<DB, i64>(MIN_COMPATIBLE.text::<DB>())
                .fetch_optional(c))?
            .ok_or_else(|| StoreError::corrupt("the row of schema_compatibility is missing"))?;
        Ok(SchemaState::of(version, min_compatible_version, known_version))
    }

    /// Brings the schema up to date. Any number of processes may do so at once: one does the work,
    /// the others wait and find it done.
    ///
    /// # Errors
    /// [`StoreError::TooNew`] for a schema that this binary cannot work on, else what failed; each
    /// migration is done whole or not at all.
    pub async fn migrate(&self, mut progress: impl FnMut(MigrationStep)) -> Result<(), StoreError> {
        self.refuse_too_new().await?;
        // Connections apart: closing them ends whatever a dropped or failed migration left behind,
        // the lock included.
        match self.engines() {
            Engines::Sqlite { path, writer, .. } => {
                let _lock = lock_migrations(path).await?;
                let connection = writer.manager().connect().await?;
                run::<Sqlite>(&sqlite_migrations(), connection, &mut progress).await
            }
            Engines::Postgres { options, .. } => {
                // Waiting for another node's migration, and the migration itself, may take long.
                let options = options.clone().options([("statement_timeout", "0")]);
                run::<Postgres>(&postgres_migrations(), options.connect().await?, &mut progress).await?;
                self.prepare_months().await
            }
        }
    }

    /// The events of the first months find their partitions. Where somebody has the table locked, the
    /// job that does so later on will.
    async fn prepare_months(&self) -> Result<(), StoreError> {
        let Some(now) = self.now().await? else { return Ok(()) };
        match self.make_partitions(now).await {
            Ok(_) | Err(StoreError::Contention(_) | StoreError::Timeout(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn refuse_too_new(&self) -> Result<(), StoreError> {
        match self.schema_state().await? {
            SchemaState::TooNew { min_compatible_version, known_version } => {
                Err(StoreError::TooNew { min_compatible_version, known_version })
            }
            _ => Ok(()),
        }
    }
}

async fn run<DB: sqlx::Database>(
    migrator: &Migrator,
    mut connection: DB::Connection,
    progress: &mut impl FnMut(MigrationStep),
) -> Result<(), StoreError>
where
    DB::Connection: Migrate,
{
    let fault = |error: MigrateError| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => StoreError::from(error),
        other => StoreError::Unsuitable { reason: other.to_string() },
    };
    // Before the first table: two that make it at once stumble over each other on PostgreSQL. The
    // lock counts how often it is taken, so that the migrator takes it once more inside.
    connection.lock().await.map_err(fault)?;
    connection.ensure_migrations_table(&migrator.table_name).await.map_err(fault)?;
    let applied = connection.list_applied_migrations(&migrator.table_name).await.map_err(fault)?;
    let pending: Vec<_> =
        migrator.iter().filter(|known| applied.iter().all(|done| done.version != known.version)).collect();
    for (index, migration) in pending.iter().enumerate() {
        let description = migration.description.to_string();
        progress(MigrationStep { number: index + 1, total: pending.len(), description });
        migrator.run_direct(Some(migration.version), &mut connection, false).await.map_err(fault)?;
    }
    // Nothing pending: the checksums of what is applied are compared all the same.
    migrator.run_direct(None, &mut connection, false).await.map_err(fault)?;
    connection.unlock().await.map_err(fault)?;
    Ok(connection.close().await?)
}

/// SQLite has no lock that spans several transactions; a file beside the database has.
async fn lock_migrations(database: &Path) -> Result<File, StoreError> {
    let path = lock::beside(database, ".migrate.lock");
    tokio::task::spawn_blocking(move || lock::wait_for(&path))
        .await
        .map_err(|error| StoreError::Other(error.to_string()))?
}

async fn has_table(conn: Conn<'_>, name: &str) -> Result<bool, StoreError> {
    match conn {
        Conn::Sqlite(link) => {
            let count = call!(link, |c| sqlx::query_scalar::<Sqlite, i64>(
                "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = $1"
            )
            .bind(name)
            .fetch_one(c))?;
            Ok(count > 0)
        }
        Conn::Postgres(link) => {
            call!(link, |c| sqlx::query_scalar::<Postgres, bool>("SELECT to_regclass($1) IS NOT NULL")
                .bind(name)
                .fetch_one(c))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_judged_by_its_own_word_and_not_by_its_age_alone() {
        for (version, min_compatible_version, known_version, state) in [
            (3, 1, 3, SchemaState::Current { version: 3 }),
            (4, 3, 3, SchemaState::Current { version: 4 }),
            (2, 1, 3, SchemaState::Behind { version: 2, known_version: 3 }),
            (4, 4, 3, SchemaState::TooNew { min_compatible_version: 4, known_version: 3 }),
        ] {
            assert_eq!(SchemaState::of(version, min_compatible_version, known_version), state);
        }
    }
}
