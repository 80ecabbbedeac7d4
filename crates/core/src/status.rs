//! The state of a credential, derived in one place from what is stored.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What a credential is at a moment. The order of the checks is the order of denials in api.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Usable.
    Active,
    /// Rotated; usable until its grace ends.
    Superseded,
    /// Switched off.
    Inactive,
    /// Its life or its grace is over.
    Expired,
    /// Revoked, by itself or by a raised epoch.
    Revoked,
}

/// What the status depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatusFacts {
    /// Revoked, or its epoch has been raised since its mint.
    pub revoked: bool,
    /// Switched on.
    pub is_active: bool,
    /// The end of its life.
    pub expires_at: Option<Timestamp>,
    /// Replaced by a rotation.
    pub superseded: bool,
    /// The end of its grace, once replaced.
    pub grace_expires_at: Option<Timestamp>,
}

impl StatusFacts {
    /// The status at `now`.
    pub fn at(self, now: Timestamp) -> Status {
        if self.revoked {
            Status::Revoked
        } else if now.has_reached(self.expires_at) || now.has_reached(self.grace_expires_at) {
            Status::Expired
        } else if !self.is_active {
            Status::Inactive
        } else if self.superseded {
            Status::Superseded
        } else {
            Status::Active
        }
    }
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Active, Self::Superseded, Self::Inactive, Self::Expired, Self::Revoked];

    /// The text on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Superseded => "superseded",
            Self::Inactive => "inactive",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// Reads [`Status::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether a credential of this status is accepted.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Active | Self::Superseded)
    }
}
