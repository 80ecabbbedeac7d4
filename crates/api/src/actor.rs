//! Who did something, and to what.

use crate::wire_enum::wire_enum;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

wire_enum! {
    /// Kind of principal that a credential speaks for.
    pub enum PrincipalType {
        /// The identity of an external system.
        ServiceAccount = "service_account",
        /// A service token that stands alone.
        ServiceToken = "service_token",
        /// A person.
        User = "user",
        /// An identity that another issuer vouches for.
        External = "external",
    }
}

wire_enum! {
    /// Kind of actor behind a call or a change.
    pub enum ActorType {
        /// The identity of an external system.
        ServiceAccount = "service_account",
        /// A service token that stands alone.
        ServiceToken = "service_token",
        /// A person.
        User = "user",
        /// An identity that another issuer vouches for.
        External = "external",
        /// The operator at the machine, without a credential.
        Operator = "operator",
        /// Keywright itself: a job.
        System = "system",
    }
}

impl From<PrincipalType> for ActorType {
    fn from(principal: PrincipalType) -> Self {
        match principal {
            PrincipalType::ServiceAccount => Self::ServiceAccount,
            PrincipalType::ServiceToken => Self::ServiceToken,
            PrincipalType::User => Self::User,
            PrincipalType::External => Self::External,
        }
    }
}

/// Who a verified credential speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Principal {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: PrincipalType,
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

/// Who called or changed something. The operator and Keywright's own jobs have no id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Actor {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: ActorType,
    /// Its id, when it has one.
    #[schema(required = true)]
    pub id: Option<Uuid>,
    /// Its name at that time, when it has one.
    #[schema(required = true)]
    pub name: Option<String>,
}

impl From<Principal> for Actor {
    fn from(principal: Principal) -> Self {
        Self { kind: principal.kind.into(), id: Some(principal.id), name: Some(principal.name) }
    }
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Subject {
    /// Its kind, such as `service_token` or `platform`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its id, when it has one.
    #[schema(required = true)]
    pub id: Option<Uuid>,
    /// Its name at that time, when it has one.
    #[schema(required = true)]
    pub name: Option<String>,
}
