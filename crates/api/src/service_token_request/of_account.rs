//! What may be asked of the tokens of one service account.

use super::{
    CreateServiceToken, MAX_DAYS, MAX_GRACE_SECONDS, MAX_NAME, MAX_REASON, ServiceTokenQuery,
    allowlist_schema, limits_schema, permissions_schema, scopes_schema,
};
use crate::{
    Time,
    bounds::ChangeRateLimits,
    kind::{choice, integer, prose, text},
    page::PageQuery,
    patch::Patch,
    request::{Fields, FromFields, Refused},
    service_token::TokenStatus,
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

/// A new token of the service account in the path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAccountToken {
    /// Its name, unique among the tokens of the account that are not revoked.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub token_name: String,
    /// What it may do, within what its account and its maker may; left out, all that the account may.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = permissions_schema)]
    pub permissions: Option<Vec<String>>,
    /// The same as `permissions`, which is then left out. Always none once read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = scopes_schema)]
    pub scopes: Option<Vec<String>>,
    /// When its life ends; null is never. Left out together with `expires_in_days`, the server's
    /// default applies.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    pub expires_at: Patch<Time>,
    /// How many days it lives, instead of `expires_at`; null is for ever.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 36_500, required = false)]
    pub expires_in_days: Patch<u32>,
    /// Free-form notes, at most 8 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
    /// Its own limits, within its account's.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = limits_schema)]
    pub rate_limits: Patch<ChangeRateLimits>,
    /// Its own networks, within its account's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = allowlist_schema)]
    pub ip_allowlist: Option<Vec<String>>,
}

impl FromFields for CreateAccountToken {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let token = CreateServiceToken::read(&mut fields);
        fields.forbidden(&["service_account_id"]);
        fields.finish(|| {
            let token = token?;
            Some(Self {
                token_name: token.token_name,
                permissions: token.permissions,
                scopes: None,
                expires_at: token.expires_at,
                expires_in_days: token.expires_in_days,
                metadata: token.metadata,
                rate_limits: token.rate_limits,
                ip_allowlist: token.ip_allowlist,
            })
        })
    }
}

impl From<CreateAccountToken> for CreateServiceToken {
    fn from(token: CreateAccountToken) -> Self {
        Self {
            token_name: token.token_name,
            permissions: token.permissions,
            scopes: None,
            expires_at: token.expires_at,
            expires_in_days: token.expires_in_days,
            metadata: token.metadata,
            service_account_id: None,
            rate_limits: token.rate_limits,
            ip_allowlist: token.ip_allowlist,
        }
    }
}

/// A rotation of all tokens of a service account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateAllTokens {
    /// Why; it goes into the audit trail.
    #[schema(min_length = 1, max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub reason: String,
    /// How long the old secrets go on working: at most 30 days, never past their own expiry. 24 hours
    /// when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 2_592_000)]
    pub grace_seconds: Option<u32>,
}

impl FromFields for RotateAllTokens {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let reason = fields.required("reason", prose(1, MAX_REASON));
        let grace_seconds = fields.optional("grace_seconds", integer(0, MAX_GRACE_SECONDS));
        fields.finish(|| Some(Self { reason: reason?, grace_seconds }))
    }
}

/// The query of `GET /service-accounts/{id}/tokens`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AccountTokenQuery {
    /// Only tokens in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, inline)]
    pub status: Option<TokenStatus>,
    /// Only the token with exactly this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// Only tokens whose name contains this, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub q: Option<String>,
    /// Only live tokens that expire within so many days.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 0, maximum = 36_500)]
    pub expiring_within_days: Option<u32>,
    /// Which page of them.
    #[serde(flatten)]
    #[param(ignore)]
    pub page: PageQuery,
}

impl FromFields for AccountTokenQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self {
            status: fields.optional("status", choice()),
            name: fields.optional("name", text(1, MAX_NAME)),
            q: fields.optional("q", text(1, MAX_NAME)),
            expiring_within_days: fields.optional("expiring_within_days", integer(0, MAX_DAYS)),
            page: PageQuery::read(&mut fields),
        };
        fields.finish(|| Some(query))
    }
}

impl From<AccountTokenQuery> for ServiceTokenQuery {
    fn from(query: AccountTokenQuery) -> Self {
        Self {
            service_account_id: None,
            status: query.status,
            name: query.name,
            q: query.q,
            expiring_within_days: query.expiring_within_days,
            page: query.page,
        }
    }
}
