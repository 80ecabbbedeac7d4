//! Who the caller is.

use crate::{
    Time,
    actor::Actor,
    service_token::TokenStatus,
    verify::{RotationState, TokenType},
};
use serde::{Deserialize, Serialize};
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
