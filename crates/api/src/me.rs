//! Who the caller is.

use crate::{
    Time,
    actor::Actor,
    service_token::TokenStatus,
    session::Session,
    verify::{RotationState, TokenType},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// The answer of `GET /auth/me`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// Who calls.
    pub principal: Actor,
    /// The publishers in which it may act; empty at platform level, which is everywhere.
    pub publishers: Vec<Uuid>,
    /// What it may do at this moment.
    pub permissions: Vec<String>,
    /// The credential that the call bears; null for the operator at the machine, who needs none.
    #[schema(required = true)]
    pub credential: Option<MyCredential>,
    /// The publisher that the call acts for; null at platform level.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
    /// The user who calls; absent when the caller is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub user: Option<MyUser>,
    /// The session that calls; absent when the call bears no access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub session: Option<Session>,
}

/// The user of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MyUser {
    /// Their id.
    pub id: Uuid,
    /// Their address.
    pub email: String,
    /// Whether that is known to be theirs.
    pub email_verified: bool,
    /// What they are called; null until they said so.
    #[schema(required = true)]
    pub display_name: Option<String>,
    /// What they prefer.
    #[schema(value_type = Object)]
    pub preferences: Map<String, Value>,
    /// The publisher that they act for when they name none.
    #[schema(required = true)]
    pub default_publisher_id: Option<Uuid>,
    /// Their role of the platform, such as `platform_admin`; null for most.
    #[schema(required = true)]
    pub platform_role: Option<String>,
    /// The publishers that they belong to.
    pub memberships: Vec<MyMembership>,
}

/// A publisher that a user belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MyMembership {
    /// The publisher.
    pub publisher_id: Uuid,
    /// Its name.
    pub publisher_name: String,
    /// Whether it is suspended, so that nobody may act for it.
    pub is_suspended: bool,
    /// The role there.
    pub role: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub joined_at: Time,
}

/// The credential of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MyCredential {
    /// Its id.
    pub id: Uuid,
    /// Its kind.
    pub token_type: TokenType,
    /// Its name.
    pub name: String,
    /// What may be shown of the secret; null for a JWT.
    #[schema(required = true)]
    pub token_hint: Option<String>,
    /// Its state; `active` or `superseded`, since no other gets here.
    pub status: TokenStatus,
    /// What it carries.
    pub scopes: Vec<String>,
    /// When its life ends; null is never.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub expires_at: Option<Time>,
    /// Whether it is about to be replaced.
    pub rotation: RotationState,
}
