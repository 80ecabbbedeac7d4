//! [`Reader`] and [`Tx`]: a lent connection, for queries and for a change.

use sqlx::{AssertSqlSafe, Postgres, SqlSafeStr, Sqlite};

use crate::conn::{Conn, call};
use crate::error::{CommitError, StoreError};
use crate::holds::{self, Hold};
use crate::link::Link;

/// A lent connection to either engine.
pub(crate) enum Lent {
    Sqlite(Link<Sqlite>),
    Postgres(Link<Postgres>),
}

/// The same on whichever link it is.
macro_rules! each {
    ($lent:expr, $link:ident => $body:expr) => {
        match $lent {
            Lent::Sqlite($link) => $body,
            Lent::Postgres($link) => $body,
        }
    };
}

impl Lent {
    fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(link) => Conn::Sqlite(link),
            Self::Postgres(link) => Conn::Postgres(link),
        }
    }

    async fn run(&mut self, sql: impl SqlSafeStr) -> Result<(), StoreError> {
        each!(self, link => call!(link, |c| sqlx::raw_sql(sql).execute(c)).map(|_| ()))
    }

    fn take(&mut self) -> Self {
        match self {
            Self::Sqlite(link) => Self::Sqlite(link.take()),
            Self::Postgres(link) => Self::Postgres(link.take()),
        }
    }
}

/// A connection for queries that change nothing.
pub struct Reader(Lent);

impl Reader {
    pub(crate) const fn new(lent: Lent) -> Self {
        Self(lent)
    }

    /// The connection.
    pub fn conn(&mut self) -> Conn<'_> {
        self.0.conn()
    }
}

/// A transaction. Dropping it rolls back.
pub struct Tx {
    lent: Lent,
    open: bool,
}

impl Tx {
    /// SQLite's are IMMEDIATE: of two that read first and write then, one would fail as locked,
    /// however long it waited.
    pub(crate) async fn begin(lent: Lent, hold: Hold<'_>) -> Result<Self, StoreError> {
        let begin = match &lent {
            Lent::Sqlite(_) => "BEGIN IMMEDIATE".to_owned(),
            Lent::Postgres(_) => holds::begin(hold),
        };
        // Open from the first byte on: whoever gives up in the middle of it may have begun.
        let mut tx = Self { lent, open: true };
        // Keywords and numbers alone.
        tx.lent.run(AssertSqlSafe(begin)).await?;
        Ok(tx)
    }

    /// The connection.
    pub fn conn(&mut self) -> Conn<'_> {
        self.lent.conn()
    }

    /// Commits. A transaction in which any statement failed is rolled back instead: on PostgreSQL
    /// it is void from then on, and its COMMIT would be answered as if all were well.
    ///
    /// # Errors
    /// [`CommitError`] tells whether nothing was changed, or whether that is not known.
    pub async fn commit(mut self) -> Result<(), CommitError> {
        if each!(&self.lent, link => link.has_failed() || !link.is_usable()) {
            let reason = "a statement of this transaction had failed".to_owned();
            return Err(CommitError::NotCommitted(StoreError::Other(reason)));
        }
        match self.lent.run("COMMIT").await {
            Ok(()) => {
                self.open = false;
                Ok(())
            }
            Err(error) => {
                // It is closed, and with it whatever may be left of the transaction.
                each!(&mut self.lent, link => link.give_up());
                Err(match error {
                    StoreError::Contention(_)
                    | StoreError::Duplicate(_)
                    | StoreError::NameTaken
                    | StoreError::EmailTaken => CommitError::NotCommitted(error),
                    _ => CommitError::OutcomeUnknown(error),
                })
            }
        }
    }

    /// Rolls back and gives the connection back at once; a drop does so in the background.
    pub async fn rollback(mut self) {
        if self.lent.run("ROLLBACK").await.is_ok() {
            self.open = false;
        } else {
            each!(&mut self.lent, link => link.give_up());
        }
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        // In the middle of a call, or without a runtime: closing the connection rolls back too.
        let usable = each!(&self.lent, link => link.is_usable());
        let (true, Ok(runtime)) = (usable, tokio::runtime::Handle::try_current()) else {
            each!(&mut self.lent, link => link.give_up());
            return;
        };
        let mut lent = self.lent.take();
        runtime.spawn(async move {
            if lent.run("ROLLBACK").await.is_err() {
                each!(&mut lent, link => link.give_up());
            }
        });
    }
}
