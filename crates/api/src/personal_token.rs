//! Personal access tokens, as answers show them.

use crate::{
    Time,
    actor::Actor,
    secret::Secret,
    service_token::{RateLimits, TokenStatus},
    wire_enum::wire_enum,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

wire_enum! {
    /// Whether a token may be used within a publisher, as far as that one wants to approve it.
    pub enum ApprovalState {
        /// The publisher asks for no approval.
        NotRequired = "not_required",
        /// It waits for somebody who manages users.
        Pending = "pending",
        /// It may be used.
        Approved = "approved",
    }
}

/// What a publisher says of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenApproval {
    /// The publisher.
    pub publisher_id: Uuid,
    /// Whether the token may be used there.
    pub approval: ApprovalState,
    /// When it was approved.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub approved_at: Option<Time>,
}

/// A personal access token. Its secret is not in here; see [`CreatedPersonalToken`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PersonalToken {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// Its name, unique among the owner's tokens that are not revoked.
    pub name: String,
    /// What may be shown of the secret: prefix, first 4 and last 4 characters.
    #[schema(examples("pat_3f9a…c2d1"))]
    pub token_hint: String,
    /// What it carries at most; it carries what its owner may do of that at the moment of each use. Empty when
    /// it inherits.
    pub scopes: Vec<String>,
    /// Whether it carries all that its owner may do at the moment of each use.
    pub inherit_user_permissions: bool,
    /// The publishers that it is for; null is all of the owner's.
    #[schema(required = true)]
    pub publisher_ids: Option<Vec<Uuid>>,
    /// Publishers whose administrators took it out: it is of no use there.
    pub excluded_publisher_ids: Vec<Uuid>,
    /// What the publishers that it is for, and that the owner belongs to, say of it.
    pub approvals: Vec<TokenApproval>,
    /// Its state at the moment of the answer; inactive also while approval is waited for wherever it is for.
    pub status: TokenStatus,
    /// Whether it is switched on.
    pub is_active: bool,
    /// Its limits; null is unlimited.
    #[schema(required = true)]
    pub rate_limits: Option<RateLimits>,
    /// The networks it may be used from; null is any.
    #[schema(required = true)]
    pub ip_allowlist: Option<Vec<String>>,
    /// When its life ends; null is never. A publisher may end it sooner, for itself.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub expires_at: Option<Time>,
    /// How often it was used.
    #[schema(minimum = 0)]
    pub usage_count: u64,
    /// When it was used last; null is never.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub last_used_at: Option<Time>,
    /// The token that this one replaced.
    #[schema(required = true)]
    pub rotated_from_id: Option<Uuid>,
    /// The token that replaced this one.
    #[schema(required = true)]
    pub superseded_by_id: Option<Uuid>,
    /// When a superseded token stops working.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub grace_expires_at: Option<Time>,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub revoked_at: Option<Time>,
    /// Why it was revoked.
    #[schema(required = true)]
    pub revoked_reason: Option<String>,
    /// Who made it.
    pub created_by: Actor,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

/// A personal token as the answer that creates or rotates it shows it, and no other answer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CreatedPersonalToken {
    /// The secret, `pat_`, 64 hexadecimal digits and 8 of checksum; shown this once. Left out when an answer is
    /// repeated for its idempotency key after the secret is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, pattern = "^pat_[0-9a-f]{72}$")]
    pub token: Option<Secret>,
    /// The token.
    #[serde(flatten)]
    pub object: PersonalToken,
}

/// What the caller could grant to a token, publisher by publisher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GrantableScopes {
    /// Where, and what. The one at platform level, where there is one, comes first.
    pub items: Vec<Grantable>,
}

/// What the caller could grant in one publisher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grantable {
    /// The publisher; null at platform level.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
    /// Its name.
    #[schema(required = true)]
    pub publisher_name: Option<String>,
    /// What the caller may do there, and so grant.
    pub scopes: Vec<String>,
    /// Whether the caller may make tokens for it.
    pub may_create: bool,
    /// The longest life of a token there, in days; null is any.
    #[schema(required = true)]
    pub max_days: Option<u32>,
    /// Whether a token is approved before it is used there.
    pub require_approval: bool,
}

/// What was revoked with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PersonalTokensRevoked {
    /// How many tokens could be used before.
    pub revoked: u64,
}
