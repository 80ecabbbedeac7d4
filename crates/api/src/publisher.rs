//! Publishers, as answers show them.

use crate::{Time, actor::Actor, anomaly::AnomalySettings, service_token::RateLimits, wire_enum::wire_enum};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

wire_enum! {
    /// State of a publisher.
    pub enum PublisherStatus {
        /// It may be acted for.
        Active = "active",
        /// Nobody acts for it until it is resumed.
        Suspended = "suspended",
    }
}

/// A publisher: a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Publisher {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique among publishers that are not deleted.
    pub name: String,
    /// Its state.
    pub status: PublisherStatus,
    /// What it sets for itself.
    pub settings: PublisherSettings,
    /// Since when it is suspended.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub suspended_at: Option<Time>,
    /// Why it is suspended.
    #[schema(required = true)]
    pub suspended_reason: Option<String>,
    /// Who made it.
    pub created_by: Actor,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

/// What a publisher says of personal tokens that are used within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PersonalTokenPolicy {
    /// Whether there may be any.
    pub allowed: bool,
    /// The longest life of one, in days from its making, also of those made before; null is any.
    #[schema(required = true)]
    pub max_days: Option<u32>,
    /// Whether somebody who manages users approves each before its use.
    pub require_approval: bool,
}

/// What a publisher sets for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublisherSettings {
    /// The domains whose addresses may log in for it; empty: any.
    pub allowed_login_domains: Vec<String>,
    /// The longest life of an access token for it, in minutes; null is what the server sets.
    #[schema(required = true)]
    pub access_token_max_minutes: Option<u32>,
    /// The longest life of a session that acts for it, in days; null is what the server sets.
    #[schema(required = true)]
    pub session_max_days: Option<u32>,
    /// The limits of its credentials that have none of their own; null is unlimited.
    #[schema(required = true)]
    pub default_rate_limits: Option<RateLimits>,
    /// The limits of all its service tokens and personal tokens together; null is unlimited.
    #[schema(required = true)]
    pub rate_limits: Option<RateLimits>,
    /// What it says of personal tokens.
    pub personal_tokens: PersonalTokenPolicy,
    /// What it says of anomalies of its credentials.
    pub anomalies: AnomalySettings,
    /// Whether a login for it needs a second factor. Always false in this version.
    pub require_second_factor: bool,
}
