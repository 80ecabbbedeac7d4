//! Why a use case was not carried out.

use keywright_core::{Denial, ScopeSet};
use keywright_store::{CommitError, StoreError};

/// A field that cannot be as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// Its path: `expires_at`, `scopes[1]`.
    pub field: String,
    /// What is wrong, in words.
    pub detail: String,
}

/// Why a use case was not carried out. Nothing has changed, but for [`Fault::OutcomeUnknown`].
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// No such object, or none that the actor may know of.
    #[error("there is no such object")]
    NotFound,
    /// The actor's credential is not accepted any more, or does not carry what is needed.
    #[error("the actor's credential is denied: {}", .0.code.as_str())]
    Denied(Denial),
    /// The actor would grant what it lacks.
    #[error("the actor would grant what it lacks")]
    ScopeExceedsGrantor {
        /// What it lacks; empty when it is about time rather than permissions.
        missing: ScopeSet,
        /// In words.
        detail: String,
    },
    /// The call is about a publisher, and names none.
    #[error("the call names no publisher")]
    PublisherRequired,
    /// Address and password do not belong together, or there is no such account: which, nobody is told.
    #[error("address and password do not belong together")]
    InvalidCredentials,
    /// Too many attempts to log in failed.
    #[error("too many attempts failed")]
    TooManyAttempts {
        /// When the next one may be, in seconds.
        retry_after_seconds: u64,
    },
    /// The password was right, but the address is not known to be the user's.
    #[error("the address is not verified")]
    EmailUnverified,
    /// The password was right, but the publisher lets no address of that domain log in.
    #[error("the domain of the address is not allowed")]
    DomainNotAllowed,
    /// A refresh token that was used before: its session has ended.
    #[error("the refresh token was used before")]
    RefreshReused,
    /// The configuration does not say what this needs.
    #[error("not configured: {0}")]
    NotConfigured(&'static str),
    /// Fields that cannot be as they were given.
    #[error("fields are not valid")]
    Invalid(Vec<FieldFault>),
    /// A live sibling has the name.
    #[error("the name is taken")]
    NameTaken,
    /// So many live ones as there may be are there already.
    #[error("there are {0} live ones already")]
    TooManyTokens(u32),
    /// The publisher has as many of them as it may have.
    #[error("there are {most} {what} already")]
    TooManyObjects {
        /// How many that are.
        most: u32,
        /// Of what.
        what: &'static str,
    },
    /// Another account has the address, in some spelling.
    #[error("another account has the address")]
    EmailTaken,
    /// Something still depends on it.
    #[error("it is in use")]
    InUse,
    /// Nobody would be left to administer it.
    #[error("the last administrator would be gone")]
    LastAdministrator,
    /// The user belongs to the publisher already.
    #[error("the user is a member already")]
    AlreadyMember,
    /// A built-in role stays as it is.
    #[error("the role is built in")]
    BuiltInRole,
    /// It is revoked: nothing about it can change.
    #[error("it is revoked")]
    AlreadyRevoked,
    /// Another rotation won, or it is superseded already.
    #[error("a rotation is in progress")]
    RotationInProgress,
    /// There is a policy on the same thing.
    #[error("there is a policy already")]
    PolicyExists,
    /// The rotation is past the point at which this can be decided.
    #[error("the rotation is over")]
    RotationOver,
    /// The old token does not work any more.
    #[error("there is nothing to roll back to")]
    NothingToRollBackTo,
    /// Revoked or expired: there is nothing to rotate.
    #[error("it cannot be rotated")]
    NotRotatable,
    /// The alert is over: there is nothing left to know.
    #[error("the alert is resolved")]
    AlertResolved,
    /// The object is not in the state that the caller expected.
    #[error("the object has changed")]
    PreconditionFailed,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyMismatch,
    /// The first request with this key still runs.
    #[error("the same request is still running")]
    IdempotencyInProgress,
    /// There is a usable token with `*` already.
    #[error("the authority has its first credential")]
    AlreadyBootstrapped,
    /// They have accepted their invitation, or are locked out.
    #[error("the invitation was accepted, or the user is disabled")]
    NotInvited,
    /// A link that was used, replaced, or has ended, or none at all.
    #[error("the link cannot be used")]
    LinkNotUsable,
    /// What is a person's alone was asked with another credential.
    #[error("only a user with a session may do this")]
    UserRequired,
    /// The publisher does not want personal tokens.
    #[error("the publisher lets nobody use personal tokens")]
    PersonalTokensNotAllowed,
    /// There is no way to send a mail.
    #[error("mail is not configured")]
    MailNotConfigured,
    /// The store cannot be reached. Nothing has changed.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The store may or may not have carried it out.
    #[error("the outcome is unknown: {0}")]
    OutcomeUnknown(String),
    /// A fault of ours.
    #[error("internal: {0}")]
    Internal(String),
}

impl Fault {
    /// One field.
    pub fn field(field: &str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldFault { field: field.to_owned(), detail: detail.into() }])
    }

    /// Whether it is a fault of ours rather than of what was asked for.
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::OutcomeUnknown(_) | Self::Internal(_))
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NameTaken => Self::NameTaken,
            StoreError::EmailTaken => Self::EmailTaken,
            error if error.is_unavailable() => Self::Unavailable(error.to_string()),
            error => Self::Internal(error.to_string()),
        }
    }
}

impl From<CommitError> for Fault {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::NotCommitted(error) => error.into(),
            CommitError::OutcomeUnknown(error) => Self::OutcomeUnknown(error.to_string()),
        }
    }
}

impl From<Denial> for Fault {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}
