//! What can go wrong with a store, sorted by what the caller can do about it.
//!
//! The texts are for the log: they tell what an engine said in its primary message, never the
//! values that a statement carried.

use std::path::PathBuf;

use keywright_verify::SourceError;

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, is shutting down, locked or full, or has no connection to spare.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// It did not answer in time.
    #[error("the store did not answer in time: {0}")]
    Timeout(String),
    /// Another change stood in the way, and this one was undone whole. It may be tried again.
    #[error("the store undid the change for another one: {0}")]
    Contention(String),
    /// A live sibling bears that name already: another credential, another publisher, another role of the
    /// publisher.
    #[error("a live sibling bears that name already")]
    NameTaken,
    /// Another account has the address, in some spelling.
    #[error("another account has the address")]
    EmailTaken,
    /// Something else that must be unique is there already.
    #[error("there is such a row already: {0}")]
    Duplicate(String),
    /// A value that the engine cannot keep.
    #[error("the store cannot keep a value: {0}")]
    Data(String),
    /// A database that Keywright cannot work on.
    #[error("the database cannot be used: {reason}")]
    Unsuitable {
        /// Why, and what to do about it.
        reason: String,
    },
    /// The schema was made by a newer Keywright that says that this one cannot read it.
    #[error(
        "the schema needs Keywright's migration {min_compatible_version}, this binary knows up to {known_version}"
    )]
    TooNew {
        /// The oldest migration that a binary must know.
        min_compatible_version: i64,
        /// The newest migration that this binary knows.
        known_version: i64,
    },
    /// Something stored cannot be read back.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
    /// Another server, or command, holds the database.
    #[error("{} is in use{}", path.display(), holder.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    InUse {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, where it is known.
        holder: Option<u32>,
    },
    /// Anything else.
    #[error("the store failed: {0}")]
    Other(String),
}

impl StoreError {
    /// Whether trying later may help: the answer is 503, never a statement about a credential.
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Timeout(_) | Self::Contention(_))
    }

    pub(crate) fn corrupt(what: impl std::fmt::Display) -> Self {
        Self::Corrupt(what.to_string())
    }
}

impl From<StoreError> for SourceError {
    fn from(error: StoreError) -> Self {
        if error.is_unavailable() {
            Self::Unavailable(error.to_string())
        } else {
            Self::Failed(error.to_string())
        }
    }
}

/// How a commit failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Nothing was changed.
    #[error("nothing was changed: {0}")]
    NotCommitted(#[source] StoreError),
    /// The connection was lost between the commit and its answer: it may have been done.
    #[error("the outcome is unknown: {0}")]
    OutcomeUnknown(#[source] StoreError),
}

impl From<CommitError> for StoreError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::NotCommitted(error) | CommitError::OutcomeUnknown(error) => error,
        }
    }
}

/// A failed call, and what it says about the connection that it came from.
pub(crate) struct Fault {
    pub(crate) error: StoreError,
    /// The connection is of no further use.
    pub(crate) broken: bool,
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        let broken = |error| Self { error, broken: true };
        let intact = |error| Self { error, broken: false };
        match error {
            sqlx::Error::Database(error) => database_fault(&*error),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed => broken(StoreError::Unavailable(error.to_string())),
            sqlx::Error::Protocol(_) => broken(StoreError::Other(error.to_string())),
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::TypeNotFound { .. } => intact(StoreError::corrupt(error)),
            sqlx::Error::Configuration(_) => intact(StoreError::Unsuitable { reason: error.to_string() }),
            other => intact(StoreError::Other(other.to_string())),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Fault::from(error).error
    }
}

fn database_fault(error: &dyn sqlx::error::DatabaseError) -> Fault {
    if error.is_unique_violation() {
        return Fault { error: duplicate(error), broken: false };
    }
    let code = error.code().unwrap_or_default();
    let message = error.message().to_owned();
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        Fault { error: sqlite_error(code.parse().unwrap_or(0), message), broken: false }
    } else {
        postgres_fault(&code, message)
    }
}

/// PostgreSQL names the constraint; SQLite names table and column in its message.
fn duplicate(error: &dyn sqlx::error::DatabaseError) -> StoreError {
    const NAMES: [(&str, &str); 13] = [
        ("service_tokens_live_name_key", "service_tokens.token_name"),
        ("service_tokens_account_name_key", "service_tokens.token_name"),
        ("service_accounts_live_name_key", "service_accounts.name"),
        ("service_accounts_platform_name_key", "service_accounts.name"),
        ("publishers_live_name_key", "publishers.name"),
        ("personal_tokens_live_name_key", "personal_tokens.name"),
        ("roles_live_name_key", "roles.name"),
        ("notification_channels_live_name_key", "notification_channels.name"),
        ("notification_channels_platform_name_key", "notification_channels.name"),
        ("event_subscriptions_live_name_key", "event_subscriptions.name"),
        ("event_subscriptions_platform_name_key", "event_subscriptions.name"),
        ("maintenance_windows_live_name_key", "maintenance_windows.name"),
        ("maintenance_windows_platform_name_key", "maintenance_windows.name"),
    ];
    let email_taken = match error.constraint() {
        Some(constraint) => constraint == "users_live_email_key",
        None => error.message().contains("users.email_folded"),
    };
    if email_taken {
        return StoreError::EmailTaken;
    }
    let name_taken = match error.constraint() {
        Some(constraint) => NAMES.iter().any(|(key, _)| *key == constraint),
        None => NAMES.iter().any(|(_, column)| error.message().contains(column)),
    };
    if name_taken { StoreError::NameTaken } else { StoreError::Duplicate(error.message().to_owned()) }
}

/// Result codes of SQLite (sqlite.org/rescode.html); the low byte is the primary code.
fn sqlite_error(code: i64, message: String) -> StoreError {
    const BUSY: i64 = 5;
    const LOCKED: i64 = 6;
    const READONLY: i64 = 8;
    const IOERR: i64 = 10;
    const CORRUPT: i64 = 11;
    const FULL: i64 = 13;
    const CANTOPEN: i64 = 14;
    const NOTADB: i64 = 26;
    const TOOBIG: i64 = 18;
    const CONSTRAINT: i64 = 19;
    const MISMATCH: i64 = 20;
    match code & 0xff {
        TOOBIG | CONSTRAINT | MISMATCH => StoreError::Data(message),
        BUSY | LOCKED | READONLY | IOERR | FULL | CANTOPEN => StoreError::Unavailable(message),
        CORRUPT | NOTADB => StoreError::Corrupt(message),
        _ => StoreError::Other(message),
    }
}

/// SQLSTATEs of PostgreSQL (its manual, appendix A).
fn postgres_fault(code: &str, message: String) -> Fault {
    let class = code.get(..2).unwrap_or_default();
    match (class, code) {
        // query_canceled: the statement timeout.
        (_, "57014") => Fault { error: StoreError::Timeout(message), broken: false },
        // A pooler that keeps no session refuses our settings of it.
        (_, "08P01") if message.contains("startup parameter") => {
            let reason = format!("{message}: connect to PostgreSQL itself, not through a connection pooler");
            Fault { error: StoreError::Unsuitable { reason }, broken: true }
        }
        // Connection exceptions, shutdown, and a primary that has become a replica.
        ("08" | "57", _) | (_, "25006" | "25P03") => {
            Fault { error: StoreError::Unavailable(message), broken: true }
        }
        // Insufficient resources: connections, memory, disk.
        ("53", _) => Fault { error: StoreError::Unavailable(message), broken: false },
        // serialization_failure, deadlock_detected, lock_not_available.
        (_, "40001" | "40P01" | "55P03") => Fault { error: StoreError::Contention(message), broken: false },
        // Wrong password, no such role, no such database.
        ("28" | "3D", _) => Fault { error: StoreError::Unsuitable { reason: message }, broken: true },
        // Data exceptions, integrity constraints, and program limits such as a row that is too long.
        ("22" | "23" | "54", _) => Fault { error: StoreError::Data(message), broken: false },
        // data_corrupted, index_corrupted.
        (_, "XX001" | "XX002") => Fault { error: StoreError::Corrupt(message), broken: false },
        _ => Fault { error: StoreError::Other(message), broken: false },
    }
}
