//! Signing keys.

use crate::{
    Time,
    emergency::NodeConfirmations,
    kind::{Boolean, prose},
    request::{Fields, FromFields, Refused},
    service_token_request::MAX_REASON,
    wire_enum::wire_enum,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

wire_enum! {
    /// State of a signing key.
    pub enum SigningKeyStatus {
        /// It is published, and signs later.
        Next = "next",
        /// It signs.
        Active = "active",
        /// It signs no more; what it signed is accepted until that has ended.
        Retired = "retired",
        /// What it signed is not accepted any more.
        Over = "over",
        /// It was revoked: what it signed is refused.
        Revoked = "revoked",
    }
}

/// A key that signs access tokens. Its private half is in no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SigningKey {
    /// Its id, the `kid` of its tokens.
    pub id: Uuid,
    /// How it signs: `EdDSA`, `ES256` or `RS256`.
    pub algorithm: String,
    /// Its state at the moment of the answer.
    pub status: SigningKeyStatus,
    /// When it was made; it is published from then on.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// From when on it signs.
    #[schema(value_type = String, format = DateTime)]
    pub active_from: Time,
    /// From when on it signs no more.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub retired_at: Option<Time>,
    /// Until when what it signed is accepted; null while it may sign.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub accepted_until: Option<Time>,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub revoked_at: Option<Time>,
    /// Why it was revoked.
    #[schema(required = true)]
    pub revoked_reason: Option<String>,
}

/// A rotation of the signing key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateSigningKey {
    /// Why; it goes into the audit trail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub reason: Option<String>,
    /// Revokes the keys that there were: what they signed is refused at once, and every user has to refresh.
    #[schema(default = false, required = false)]
    pub revoke: bool,
}

impl FromFields for RotateSigningKey {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let reason = fields.not_null("reason", prose(1, MAX_REASON));
        let revoke = fields.not_null("revoke", Boolean).unwrap_or(false);
        fields.finish(|| Some(Self { reason, revoke }))
    }
}

/// A revocation of one signing key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeSigningKey {
    /// Why; it goes into the audit trail.
    #[schema(min_length = 1, max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub reason: String,
}

impl FromFields for RevokeSigningKey {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let reason = fields.required("reason", prose(1, MAX_REASON));
        fields.finish(|| Some(Self { reason: reason? }))
    }
}

/// What a rotation made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotatedSigningKey {
    /// The new key.
    pub key: SigningKey,
    /// The keys that were revoked.
    pub revoked: Vec<Uuid>,
    /// Where it is in force.
    pub nodes: NodeConfirmations,
}

/// The public halves of the keys whose tokens are accepted (RFC 7517 §5).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JsonWebKeySet {
    /// One JWK each; what is in it depends on its type.
    #[schema(value_type = Vec<Object>)]
    pub keys: Vec<Map<String, Value>>,
}
