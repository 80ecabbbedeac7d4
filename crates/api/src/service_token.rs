//! Service tokens, as answers show them.

use crate::{Time, actor::Actor, secret::Secret, wire_enum::wire_enum};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

wire_enum! {
    /// State of a token.
    pub enum TokenStatus {
        /// It works.
        Active = "active",
        /// It was rotated and works until its grace period ends.
        Superseded = "superseded",
        /// It is switched off and can be switched on again.
        Inactive = "inactive",
        /// Its life is over.
        Expired = "expired",
        /// It was revoked, for good.
        Revoked = "revoked",
    }
}

/// How often a credential may be used. Null is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RateLimits {
    /// Uses in any minute.
    #[schema(required = true)]
    pub per_minute: Option<u32>,
    /// Uses in any hour.
    #[schema(required = true)]
    pub per_hour: Option<u32>,
}

/// A service token. Its secret is not in here; see [`CreatedServiceToken`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServiceToken {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique among tokens that are not revoked.
    pub token_name: String,
    /// What may be shown of the secret: prefix, first 4 and last 4 characters.
    #[schema(examples("sk_3f9a…c2d1"))]
    pub token_hint: String,
    /// What it lets its bearer do.
    pub permissions: Vec<String>,
    /// Its state at the moment of the answer.
    pub status: TokenStatus,
    /// Whether it is switched on.
    pub is_active: bool,
    /// Free-form notes, at most 8 KiB.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// The account it belongs to; null when it stands alone.
    #[schema(required = true)]
    pub service_account_id: Option<Uuid>,
    /// Its limits; null is unlimited.
    #[schema(required = true)]
    pub rate_limits: Option<RateLimits>,
    /// The networks it may be used from; null is any.
    #[schema(required = true)]
    pub ip_allowlist: Option<Vec<String>>,
    /// When its life ends; null is never.
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
}

/// A service token as the answer that creates or rotates it shows it, and no other answer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CreatedServiceToken {
    /// The secret, `sk_` and 64 hexadecimal digits; shown this once. Left out when an answer is
    /// repeated for its idempotency key after the secret is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, pattern = "^sk_[0-9a-f]{64}$")]
    pub token: Option<Secret>,
    /// The token.
    #[serde(flatten)]
    pub object: ServiceToken,
}

/// What a cleanup did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CleanupResult {
    /// Expired tokens that were deactivated.
    pub deactivated: u64,
    /// Tokens that were removed.
    pub removed: u64,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{CreatedServiceToken, ServiceToken, TokenStatus};
    use crate::{
        actor::{Actor, ActorType},
        secret::Secret,
    };
    use serde_json::{Map, json};
    use uuid::Uuid;

    pub(crate) fn bare() -> ServiceToken {
        ServiceToken {
            id: Uuid::nil(),
            token_name: "ci".into(),
            token_hint: "sk_3f9a…c2d1".into(),
            permissions: vec!["api_read".into()],
            status: TokenStatus::Active,
            is_active: true,
            metadata: Map::new(),
            service_account_id: None,
            rate_limits: None,
            ip_allowlist: None,
            expires_at: None,
            usage_count: 0,
            last_used_at: None,
            rotated_from_id: None,
            superseded_by_id: None,
            grace_expires_at: None,
            revoked_at: None,
            revoked_reason: None,
            created_by: Actor { kind: ActorType::Operator, id: None, name: None },
            created_at: "2026-01-02T03:04:05Z".into(),
        }
    }

    #[test]
    fn a_token_shows_every_field_of_the_contract_null_ones_too() {
        let expected = json!({
            "id": "00000000-0000-0000-0000-000000000000",
            "token_name": "ci", "token_hint": "sk_3f9a…c2d1", "permissions": ["api_read"],
            "status": "active", "is_active": true, "metadata": {}, "service_account_id": null,
            "rate_limits": null, "ip_allowlist": null, "expires_at": null, "usage_count": 0,
            "last_used_at": null, "rotated_from_id": null, "superseded_by_id": null,
            "grace_expires_at": null, "revoked_at": null, "revoked_reason": null,
            "created_by": {"type": "operator", "id": null, "name": null},
            "created_at": "2026-01-02T03:04:05Z",
        });
        assert_eq!(serde_json::to_value(bare()).unwrap(), expected);
        assert_eq!(serde_json::from_value::<ServiceToken>(expected).unwrap(), bare());
    }

    #[test]
    fn a_created_token_is_the_token_and_its_secret() {
        let created = CreatedServiceToken { token: Some(Secret::new("sk_cafe")), object: bare() };
        let mut json = serde_json::to_value(&created).unwrap();
        assert_eq!(json.as_object_mut().unwrap().remove("token"), Some(json!("sk_cafe")));
        assert_eq!(json, serde_json::to_value(bare()).unwrap());
        assert!(!format!("{created:?}").contains("cafe"));
        let repeated: CreatedServiceToken = serde_json::from_value(json.clone()).unwrap();
        assert!(repeated.token.is_none());
        assert_eq!(serde_json::to_value(&repeated).unwrap(), json);
    }
}
