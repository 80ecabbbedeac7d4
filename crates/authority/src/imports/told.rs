//! What an import tells, of each row and in sum.

use std::collections::BTreeMap;

use keywright_core::{CredentialId, Timestamp};
use keywright_store::StoreError;
use serde::Serialize;
use uuid::Uuid;

use crate::fault::Fault;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// Why something is not taken over.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason { $($(#[$doc])* $name,)+ }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// As it is told.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

reasons! {
    /// The row cannot be read.
    Row = "row",
    /// It has no name that a credential can have.
    Name = "name",
    /// Another live token has the name.
    NameTaken = "name_taken",
    /// What it has is no SHA-256.
    Hash = "hash",
    /// It is a hash of another kind, by which no token can be verified.
    HashKind = "hash_kind",
    /// A token of another name has the same secret.
    HashTaken = "hash_taken",
    /// It was taken over before, and has another secret now.
    SecretChanged = "secret_changed",
    /// A permission is none that a token can carry.
    Permission = "permission",
    /// The metadata cannot be kept.
    Metadata = "metadata",
    /// A moment cannot be read.
    Moment = "moment",
    /// There is no such service account.
    Account = "service_account",
    /// It would do more than its service account may.
    BeyondAccount = "beyond_account",
    /// Its service account has as many live tokens as it may.
    AccountFull = "account_full",
    /// An event of which nobody can know yet.
    InTheFuture = "in_the_future",
    /// An event that is older than events are kept.
    BeyondRetention = "beyond_retention",
}

impl Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Why a row is not taken over, with what is wrong in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// In words.
    pub detail: String,
}

impl Refusal {
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is ours from now on.
    Taken,
    /// It was ours before.
    AlreadyThere,
    /// It was ours before, and what changed there since is taken over.
    Updated,
    /// It is not taken over.
    Refused,
}

/// What is told of one token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// What became of it.
    pub outcome: Outcome,
    /// The line of a file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What its source knows it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<Uuid>,
    /// Its name there.
    pub name: String,
    /// The credential of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_id: Option<CredentialId>,
    /// Why it is not taken over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What whoever moves in should know of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What became of tokens, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TokenCounts {
    /// Looked at.
    pub seen: u64,
    /// Taken over.
    pub taken: u64,
    /// There before, and no different.
    pub already_there: u64,
    /// There before, and brought up to date.
    pub updated: u64,
    /// Not taken over, by reason.
    pub refused: BTreeMap<Reason, u64>,
    /// Taken over, with a note.
    pub noted: u64,
}

impl TokenCounts {
    pub(super) fn count(&mut self, told: &Told) {
        self.seen += 1;
        match told.outcome {
            Outcome::Taken => self.taken += 1,
            Outcome::AlreadyThere => self.already_there += 1,
            Outcome::Updated => self.updated += 1,
            Outcome::Refused => *self.refused.entry(told.reason.unwrap_or(Reason::Row)).or_default() += 1,
        }
        self.noted += u64::from(!told.notes.is_empty() && told.outcome != Outcome::Refused);
    }

    /// How many were not taken over.
    pub fn all_refused(&self) -> u64 {
        self.refused.values().sum()
    }
}

/// What became of authentication events, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EventCounts {
    /// Looked at, or counted and left.
    pub seen: u64,
    /// Taken over.
    pub taken: u64,
    /// There before.
    pub already_there: u64,
    /// Not taken over, by reason.
    pub refused: BTreeMap<Reason, u64>,
    /// Taken over, about a token of a name that no token bears there any more, or none that was taken over.
    pub unattributed: u64,
}

impl EventCounts {
    pub(super) fn refuse(&mut self, reason: Reason, count: u64) {
        if count > 0 {
            *self.refused.entry(reason).or_default() += count;
        }
    }
}

/// What an import did.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// What was taken over, without a password.
    pub source: String,
    /// Nothing was changed.
    pub dry_run: bool,
    /// It came to its end; if not, the same command goes on.
    pub complete: bool,
    /// When it began.
    pub began_at: Timestamp,
    /// Tokens.
    pub tokens: TokenCounts,
    /// Events; none where none were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<EventCounts>,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Tokens are taken over.
    Tokens,
    /// Events are taken over.
    Events,
}

/// Hears of an import while it runs.
pub trait Listener: Send {
    /// So much is to be done in this stage; 0 where that is not known.
    fn begin(&mut self, stage: Stage, total: u64);

    /// So much more was done.
    fn advance(&mut self, done: u64);

    /// What became of a token.
    ///
    /// # Errors
    /// When it cannot be kept: the import ends then.
    fn told(&mut self, told: &Told) -> std::io::Result<()>;

    /// Whether to leave after this page.
    fn is_stopped(&self) -> bool;
}

/// Why an import did not come to its end. What was taken until then stays, and the same command goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The source cannot be read.
    #[error("the source cannot be read: {0}")]
    Source(StoreError),
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] super::CsvError),
    /// Our own store, or a fault of ours.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// What was told could not be kept.
    #[error("the report cannot be written: {0}")]
    Report(std::io::Error),
    /// Another process imports.
    #[error("another import is running")]
    Running,
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}
