//! Automated rotation, as answers show it.

use crate::{Time, wire_enum::wire_enum};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

mod policy;

pub use policy::{
    AccountRotationPolicy, ChangedAccountRotationPolicy, ChangedRotationPolicy, EffectiveDelivery,
    EffectiveFlag, EffectiveNumber, EffectiveRotationPolicy, EffectiveWindow, PolicyLevel, RotationPolicy,
    SecretDelivery, SecretDeliveryType,
};

wire_enum! {
    /// Where a rotation stands.
    pub enum RotationStage {
        /// It was decided on; nothing is made yet.
        Scheduled = "scheduled",
        /// The new secret is being delivered. Both work.
        Delivering = "delivering",
        /// The receiver has it. Both work until it is used.
        AwaitingConfirmation = "awaiting_confirmation",
        /// The new one was used: the old one's grace has begun.
        Confirmed = "confirmed",
        /// The old one is retired.
        Closed = "closed",
        /// The new one is revoked, as nothing of it has left; the old one is as it was.
        Failed = "failed",
        /// The new one was not used in time. Both work until somebody decides.
        Unconfirmed = "unconfirmed",
        /// The new one is revoked, and the old one is what counts.
        RolledBack = "rolled_back",
    }
}

wire_enum! {
    /// Why a token is rotated.
    pub enum RotationRule {
        /// It has reached its age.
        MaxAge = "max_age",
        /// Its life ends soon.
        BeforeExpiry = "before_expiry",
        /// It is used much, and has reached the age for that.
        HighUsage = "high_usage",
    }
}

/// An automated rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rotation {
    /// Its id.
    pub id: Uuid,
    /// Where it stands.
    pub state: RotationStage,
    /// The token that is replaced.
    pub credential_id: Uuid,
    /// Its name when that was decided.
    pub token_name: String,
    /// The token that replaces it; null until it is made.
    #[schema(required = true)]
    pub successor_id: Option<Uuid>,
    /// The publisher of the token; null at platform level.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
    /// The account of the token.
    #[schema(required = true)]
    pub service_account_id: Option<Uuid>,
    /// The policy that says where the secret goes to.
    pub policy_id: Uuid,
    /// Why the token is replaced.
    pub rule: RotationRule,
    /// How the secret is delivered.
    pub delivery: SecretDeliveryType,
    /// How often delivery was tried.
    pub attempts: u64,
    /// Whether something of the secret may have left this server.
    pub may_have_sent: bool,
    /// What the receiver answered last, or why nothing was sent.
    #[schema(required = true)]
    pub last_answer: Option<String>,
    /// When delivery is tried next, while it is.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub next_attempt_at: Option<Time>,
    /// Until when the first use is waited for.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub confirm_by: Option<Time>,
    /// When the receiver had it for certain.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub delivered_at: Option<Time>,
    /// When its first use was known, or somebody confirmed by hand.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub confirmed_at: Option<Time>,
    /// The end of the old one's grace; it lives on as long as it is not quiet.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub grace_expires_at: Option<Time>,
    /// How long the old one must not have been used before it is retired, in hours.
    pub quiet_hours: u32,
    /// When nothing followed any more.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub closed_at: Option<Time>,
    /// When it was decided on.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

/// A step of a rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotationStep {
    /// What it was: `scheduled`, `minted`, `attempt`, `delivered`, `not_sent`, `not_delivered`, `used_elsewhere`,
    /// `confirmed`, `unconfirmed`, `failed`, `rolled_back`, `closed`.
    pub kind: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub occurred_at: Time,
    /// More about it.
    #[schema(value_type = Object)]
    pub details: Map<String, Value>,
}

/// Who presented the old secret since there was a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OldSecretCaller {
    /// From where.
    #[schema(required = true)]
    pub ip_address: Option<String>,
    /// With which user agent.
    #[schema(required = true)]
    pub user_agent: Option<String>,
    /// To what.
    #[schema(required = true)]
    pub endpoint: Option<String>,
    /// Whether it was accepted.
    pub success: bool,
    /// How often, among the newest ten thousand events of the old token.
    pub count: u64,
    /// When last.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen_at: Time,
}

/// An automated rotation, with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotationDetails {
    /// The rotation.
    #[serde(flatten)]
    pub rotation: Rotation,
    /// How it came to where it is, the first step first.
    pub steps: Vec<RotationStep>,
    /// Who presented the old secret since there was a new one, those first who did last.
    pub old_secret_callers: Vec<OldSecretCaller>,
}

/// A token that would be rotated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedRotation {
    /// The token.
    pub credential_id: Uuid,
    /// Its name.
    pub token_name: String,
    /// Its publisher; null at platform level.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
    /// Its account.
    #[schema(required = true)]
    pub service_account_id: Option<Uuid>,
    /// Why.
    pub rule: RotationRule,
    /// When that is due.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Time,
    /// When it may begin; null where its window never opens.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub begins_at: Option<Time>,
    /// The window in which it begins; null: at any time.
    #[schema(required = true)]
    pub maintenance_window_id: Option<Uuid>,
    /// How its secret would be delivered.
    pub delivery: SecretDeliveryType,
    /// The policy that says so.
    #[schema(required = true)]
    pub policy_id: Option<Uuid>,
    /// What stands in the way; null when nothing does.
    #[schema(required = true)]
    pub obstacle: Option<String>,
}

/// What would be rotated, as the policies are now. Nothing is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotationPlan {
    /// Whether rotations begin by themselves at all.
    pub enabled: bool,
    /// Until when was looked.
    #[schema(value_type = String, format = DateTime)]
    pub until: Time,
    /// The tokens, those first that begin first.
    pub items: Vec<PlannedRotation>,
    /// Whether there are more.
    pub truncated: bool,
}
