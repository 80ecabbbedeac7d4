//! The grant: an immutable snapshot of all that a decision needs.

use crate::id::CredentialId;
use crate::metadata::Metadata;
use crate::principal::{CredentialKind, PrincipalKind};
use crate::scope::ScopeSet;
use crate::status::{Status, StatusFacts};
use crate::time::Timestamp;

/// Revocation epochs of the platform in force. A credential keeps the epoch of its mint; when the
/// platform's is higher, the credential is revoked, whatever its own row says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epochs {
    /// Of service tokens.
    pub service: u64,
}

/// All that a decision needs to know of one credential, compiled by one query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The credential.
    pub credential_id: CredentialId,
    /// Its kind.
    pub kind: CredentialKind,
    /// Its name; a stand-alone token's principal bears the same.
    pub name: Box<str>,
    /// What its principal is.
    pub principal: PrincipalKind,
    /// What it carries.
    pub scopes: ScopeSet,
    /// Handed to the caller with each valid decision; `None` when empty, as most are.
    pub metadata: Option<Box<Metadata>>,
    /// End of its life; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// Switched on.
    pub is_active: bool,
    /// When it was revoked by itself.
    pub revoked_at: Option<Timestamp>,
    /// Replaced by a rotation.
    pub superseded_by: Option<CredentialId>,
    /// End of its grace, once replaced.
    pub grace_expires_at: Option<Timestamp>,
    /// The platform's epoch at its mint.
    pub epoch: u64,
}

impl Grant {
    /// The credential's status at `now` under `epochs`.
    pub fn status(&self, epochs: Epochs, now: Timestamp) -> Status {
        StatusFacts {
            revoked: self.revoked_at.is_some() || self.epoch < epochs.service,
            is_active: self.is_active,
            expires_at: self.expires_at,
            superseded: self.superseded_by.is_some(),
            grace_expires_at: self.grace_expires_at,
        }
        .at(now)
    }
}
