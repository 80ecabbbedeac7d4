//! Is this a database that Keywright's promises can be kept on?

use sqlx::Postgres;

use crate::conn::call;
use crate::error::StoreError;
use crate::link::{Link, lend};
use crate::store::{Engines, Store};

const MIN_POSTGRES: i32 = 130_000;

impl Store {
    /// Refuses a PostgreSQL that is too old, a replica, or reached through a pooler that lends a
    /// connection for one transaction: notifications and settings of the session would be lost.
    /// Nothing to refuse on SQLite.
    ///
    /// # Errors
    /// [`StoreError::Unsuitable`] with the reason.
    pub async fn preflight(&self) -> Result<(), StoreError> {
        let Engines::Postgres { pool, .. } = self.engines() else { return Ok(()) };
        let limit = self.acquire_timeout();
        let mut first = lend(pool, limit).await?;
        let mut second = lend(pool, limit).await?;
        // First, and by the simple protocol: through such a pooler nothing else works reliably.
        if shares_sessions(&mut first, &mut second).await? {
            let reason =
                "a pooler in transaction mode stands before PostgreSQL: connect to PostgreSQL itself, \
                          or to a pooler in session mode"
                    .to_owned();
            return Err(StoreError::Unsuitable { reason });
        }
        match facts(&mut first).await?.refusal() {
            Some(reason) => Err(StoreError::Unsuitable { reason }),
            None => Ok(()),
        }
    }
}

#[derive(Clone, Debug, sqlx::FromRow)]
struct Facts {
    version: i32,
    version_text: String,
    replica: bool,
    read_only: String,
    synchronous_commit: String,
    encoding: String,
}

impl Facts {
    fn refusal(&self) -> Option<String> {
        if self.version < MIN_POSTGRES {
            return Some(format!("PostgreSQL {} is too old: 13 is the oldest that works", self.version_text));
        }
        if self.replica {
            return Some("this PostgreSQL is a replica: connect to the primary".to_owned());
        }
        if self.read_only == "on" {
            return Some("this PostgreSQL takes no changes (default_transaction_read_only is on)".to_owned());
        }
        if self.synchronous_commit == "off" {
            return Some("synchronous_commit is off: acknowledged changes could be lost".to_owned());
        }
        if self.encoding != "UTF8" {
            return Some(format!("the database's encoding is {}: it must be UTF8", self.encoding));
        }
        None
    }
}

async fn facts(link: &mut Link<Postgres>) -> Result<Facts, StoreError> {
    call!(link, |c| sqlx::query_as::<Postgres, Facts>(
        "SELECT current_setting('server_version_num')::INT AS version, \
         current_setting('server_version') AS version_text, pg_is_in_recovery() AS replica, \
         current_setting('default_transaction_read_only') AS read_only, \
         current_setting('synchronous_commit') AS synchronous_commit, \
         current_setting('server_encoding') AS encoding"
    )
    .fetch_one(c))
}

/// By the numbers of the processes behind two connections: while the second holds a transaction, the
/// first must still have the process that it had, and not the second's.
async fn shares_sessions(
    first: &mut Link<Postgres>,
    second: &mut Link<Postgres>,
) -> Result<bool, StoreError> {
    let before = backend(first).await?;
    call!(&mut *second, |c| sqlx::raw_sql("BEGIN").execute(c))?;
    let other = backend(second).await?;
    let after = backend(first).await?;
    call!(&mut *second, |c| sqlx::raw_sql("ROLLBACK").execute(c))?;
    Ok(before != after || before == other)
}

/// Asked by the simple protocol: a pooler in transaction mode knows no prepared statements.
async fn backend(link: &mut Link<Postgres>) -> Result<String, StoreError> {
    use sqlx::{Executor, Row};
    call!(link, |c| async {
        let row = c.fetch_one(sqlx::raw_sql("SELECT pg_backend_pid()::TEXT AS pid")).await?;
        row.try_get::<String, _>("pid")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unsuitable_server_is_refused_with_its_reason() {
        let good = Facts {
            version: 150_004,
            version_text: "15.4".to_owned(),
            replica: false,
            read_only: "off".to_owned(),
            synchronous_commit: "on".to_owned(),
            encoding: "UTF8".to_owned(),
        };
        assert_eq!(good.refusal(), None);
        for (facts, word) in [
            (
                Facts { version: 120_022, version_text: "12.22".to_owned(), ..good.clone() },
                "12.22 is too old",
            ),
            (Facts { replica: true, ..good.clone() }, "replica"),
            (Facts { read_only: "on".to_owned(), ..good.clone() }, "takes no changes"),
            (Facts { synchronous_commit: "off".to_owned(), ..good.clone() }, "synchronous_commit"),
            (Facts { encoding: "SQL_ASCII".to_owned(), ..good.clone() }, "SQL_ASCII"),
        ] {
            let reason = facts.refusal().unwrap();
            assert!(reason.contains(word), "{reason}");
        }
    }
}
