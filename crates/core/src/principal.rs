//! Who a credential speaks for, and who makes a change.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::CredentialId;

/// The kinds of credential (mission.md, Vocabulary).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// `sk_…`
    Service,
}

impl CredentialKind {
    /// `token_type` on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
        }
    }
}

/// The kinds of principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A service token that stands alone is its own principal.
    ServiceToken,
}

impl PrincipalKind {
    /// `principal.type` on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServiceToken => "service_token",
        }
    }
}

/// Who makes a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A verified credential; what it may do is read again inside the change's own transaction.
    Credential {
        /// The credential.
        id: CredentialId,
        /// Its name when it was verified.
        name: String,
    },
    /// The local operator: whoever may open the store or the operator's socket may do everything.
    Operator,
}

impl Actor {
    /// The form in which events and records name the actor.
    pub fn to_ref(&self) -> ActorRef {
        match self {
            Self::Credential { id, name } => {
                ActorRef { kind: ActorKind::ServiceToken, id: Some(id.0), name: name.clone() }
            }
            Self::Operator => ActorRef::operator(),
        }
    }

    /// The credential behind the actor.
    pub const fn credential_id(&self) -> Option<CredentialId> {
        match self {
            Self::Credential { id, .. } => Some(*id),
            Self::Operator => None,
        }
    }
}

/// The kinds of actor that a record can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A stand-alone service token.
    ServiceToken,
    /// The local operator.
    Operator,
    /// Keywright itself: a job.
    System,
}

impl ActorKind {
    /// The text in the store and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServiceToken => "service_token",
            Self::Operator => "operator",
            Self::System => "system",
        }
    }

    /// Reads [`ActorKind::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::ServiceToken, Self::Operator, Self::System].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// An actor as records keep it: it stays readable when the actor is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorRef {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ActorKind,
    /// Its id, where it has one.
    pub id: Option<Uuid>,
    /// Its name at that moment.
    pub name: String,
}

impl ActorRef {
    /// The local operator.
    pub fn operator() -> Self {
        Self { kind: ActorKind::Operator, id: None, name: "local operator".to_owned() }
    }

    /// A job of Keywright itself.
    pub fn system(job: &str) -> Self {
        Self { kind: ActorKind::System, id: None, name: job.to_owned() }
    }
}
