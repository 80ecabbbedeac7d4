//! Service accounts, as answers show them.

use crate::{
    Time,
    actor::Actor,
    analytics::{Course, UsedToken},
    emergency::NodeConfirmations,
    service_token::{CreatedServiceToken, RateLimits},
    wire_enum::wire_enum,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

wire_enum! {
    /// What kind of system a service account stands for.
    pub enum ServiceType {
        /// A platform that works for many, such as a distributor.
        Platform = "platform",
        /// A partner.
        Partner = "partner",
        /// A system of one's own.
        Internal = "internal",
        /// A pipeline.
        CiCd = "ci_cd",
        /// What counts and reports.
        Analytics = "analytics",
        /// The back end of an app.
        Mobile = "mobile",
    }
}

wire_enum! {
    /// State of a service account.
    pub enum AccountStatus {
        /// Its tokens work.
        Active = "active",
        /// It is switched off, and none of its tokens is accepted.
        Disabled = "disabled",
    }
}

/// A service account: the identity of an external system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServiceAccount {
    /// Its id.
    pub id: Uuid,
    /// The publisher that it belongs to; null at platform level.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
    /// Its name, unique within the publisher, or at platform level.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it stands for.
    pub service_type: ServiceType,
    /// Its state.
    pub status: AccountStatus,
    /// What its tokens may do at most.
    pub scopes: Vec<String>,
    /// How often they may be used together; null is unlimited.
    #[schema(required = true)]
    pub rate_limits: Option<RateLimits>,
    /// The networks that they may be used from; null is any.
    #[schema(required = true)]
    pub ip_allowlist: Option<Vec<String>>,
    /// Whom to ask about it.
    #[schema(required = true)]
    pub owner_email: Option<String>,
    /// Free-form notes, at most 8 KiB; handed to whoever verifies one of its tokens.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// Since when it is disabled.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub disabled_at: Option<Time>,
    /// Why it is disabled.
    #[schema(required = true)]
    pub disabled_reason: Option<String>,
    /// Who made it.
    pub created_by: Actor,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

/// What the tokens of a service account may do at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountScopes {
    /// The scopes.
    pub scopes: Vec<String>,
}

/// From where the tokens of a service account may be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountAllowlist {
    /// The networks; null is any.
    #[schema(required = true)]
    pub ip_allowlist: Option<Vec<String>>,
}

/// New tokens in the place of others.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RotatedTokens {
    /// Each with its secret, which is shown this once.
    pub items: Vec<CreatedServiceToken>,
}

/// All tokens of a service account were revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokensRevoked {
    /// How many there were.
    pub revoked: u64,
    /// Where it is in force.
    pub nodes: NodeConfirmations,
}

/// How the tokens of a service account were used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AccountUsage {
    /// The account.
    pub service_account_id: Uuid,
    /// Its name.
    pub name: String,
    /// The decisions about all of its tokens.
    #[serde(flatten)]
    pub course: Course,
    /// Those of its tokens that were asked about, the most used first, at most 200.
    pub tokens: Vec<UsedToken>,
}
