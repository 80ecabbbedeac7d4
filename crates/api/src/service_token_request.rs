//! What may be asked of service tokens.

use crate::{
    Time,
    bounds::{ChangeRateLimits, networks, networks_schema, rate_limits_schema},
    kind::{Boolean, Id, Metadata, Scopes, choice, expiry, integer, prose, text},
    page::PageQuery,
    patch::Patch,
    problem::FieldCode,
    request::{Fields, Format, FromFields, Refused},
    service_token::TokenStatus,
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{RefOr, Schema},
};
use uuid::Uuid;

mod of_account;

pub use of_account::{AccountTokenQuery, CreateAccountToken, RotateAllTokens};

/// The most characters of a name.
pub const MAX_NAME: usize = 255;
/// The most characters of a reason.
pub const MAX_REASON: usize = 500;
/// The most days a new token may be given to live: a hundred years.
pub const MAX_EXPIRY_DAYS: u32 = 36_500;
/// The longest grace period of a rotation: 30 days.
pub const MAX_GRACE_SECONDS: u32 = 2_592_000;
/// The most days that filters and cleanups look back or ahead: a hundred years.
pub const MAX_DAYS: u32 = 36_500;

/// A new service token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateServiceToken {
    /// Its name, unique among tokens that are not revoked.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub token_name: String,
    /// What it may do; nothing that its maker lacks. Needed, unless `scopes` says it, or it belongs to an account:
    /// then it may do all that the account may.
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
    /// The service account that it belongs to; without one it stands alone, at platform level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_id: Option<Uuid>,
    /// Its own limits, within its account's.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = limits_schema)]
    pub rate_limits: Patch<ChangeRateLimits>,
    /// Its own networks, within its account's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = allowlist_schema)]
    pub ip_allowlist: Option<Vec<String>>,
}

fn limits_schema() -> RefOr<Schema> {
    rate_limits_schema("Its own limits, within its account's; null is none of its own.")
}

fn allowlist_schema() -> RefOr<Schema> {
    networks_schema(
        "The networks that it may be used from, within its account's; null or none is no bound of its own.",
    )
}

fn permissions_schema() -> RefOr<Schema> {
    Scopes(0).schema(false, "What it may do; nothing that the caller lacks.")
}

fn scopes_schema() -> RefOr<Schema> {
    Scopes(0).schema(false, "The same as `permissions`, which is then left out.")
}

/// How long a new token shall live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry<'a> {
    /// As long as the server's default says.
    Default,
    /// For ever.
    Never,
    /// Until a moment, RFC 3339.
    At(&'a str),
    /// For so many days.
    InDays(u32),
}

impl<'a> Expiry<'a> {
    /// What `expires_at` and `expires_in_days` say together.
    pub(crate) fn of(expires_at: &'a Patch<Time>, expires_in_days: Patch<u32>) -> Self {
        match (expires_at, expires_in_days) {
            (Patch::Value(moment), _) => Self::At(moment),
            (_, Patch::Value(days)) => Self::InDays(days),
            (Patch::Null, _) | (_, Patch::Null) => Self::Never,
            (Patch::Absent, Patch::Absent) => Self::Default,
        }
    }
}

/// A life has one end: `expires_at` or `expires_in_days`.
pub(crate) fn one_end(fields: &mut Fields<'_>) {
    if fields.has("expires_at") && fields.has("expires_in_days") {
        fields.fault("expires_in_days", FieldCode::Conflict, "say either this or expires_at");
    }
}

impl CreateServiceToken {
    /// How long the token shall live.
    pub fn expiry(&self) -> Expiry<'_> {
        Expiry::of(&self.expires_at, self.expires_in_days)
    }

    /// What all tokens have in common; `None` of a bad one.
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        one_end(fields);
        let token_name = fields.required("token_name", text(1, MAX_NAME).of(Format::Name));
        let token = Self {
            token_name: String::new(),
            permissions: permissions(fields),
            scopes: None,
            expires_at: fields.patch("expires_at", expiry()),
            expires_in_days: fields.patch("expires_in_days", integer(1, MAX_EXPIRY_DAYS)),
            metadata: fields.optional("metadata", Metadata),
            service_account_id: None,
            rate_limits: ChangeRateLimits::field(fields, "rate_limits"),
            ip_allowlist: fields.optional("ip_allowlist", networks()),
        };
        fields.forbidden(&["is_active"]);
        Some(Self { token_name: token_name?, ..token })
    }
}

impl FromFields for CreateServiceToken {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let bare = ["permissions", "scopes", "service_account_id"].iter().all(|name| !fields.has(name));
        let token = Self::read(&mut fields);
        if bare {
            fields.fault("permissions", FieldCode::Required, "is needed");
        }
        let service_account_id = fields.optional("service_account_id", Id);
        fields.finish(|| Some(Self { service_account_id, ..token? }))
    }
}

/// `permissions` or its synonym `scopes`, not both.
fn permissions(fields: &mut Fields<'_>) -> Option<Vec<String>> {
    if fields.has("permissions") && fields.has("scopes") {
        fields.fault("scopes", FieldCode::Conflict, "say either this or permissions");
    }
    let permissions = fields.not_null("permissions", Scopes(0));
    let scopes = fields.not_null("scopes", Scopes(0));
    permissions.or(scopes)
}

/// A change of a service token, by RFC 7396: what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchServiceToken {
    /// A new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub token_name: Option<String>,
    /// Switches it on or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub is_active: Option<bool>,
    /// Merged into the present notes; null empties them.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<Object>, required = false)]
    pub metadata: Patch<Map<String, Value>>,
    /// A new end of its life; null is never.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    pub expires_at: Patch<Time>,
    /// What it may do from now on; nothing that the caller lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = permissions_schema)]
    pub permissions: Option<Vec<String>>,
    /// The same as `permissions`, which is then left out. Always none once read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = scopes_schema)]
    pub scopes: Option<Vec<String>>,
    /// Its own limits, merged into the present ones; null takes them back.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = limits_schema)]
    pub rate_limits: Patch<ChangeRateLimits>,
    /// Its own networks from now on; null or none is no bound of its own.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = allowlist_schema)]
    pub ip_allowlist: Patch<Vec<String>>,
}

impl FromFields for PatchServiceToken {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let change = Self {
            token_name: fields.not_null("token_name", text(1, MAX_NAME).of(Format::Name)),
            is_active: fields.not_null("is_active", Boolean),
            metadata: fields.patch("metadata", Metadata),
            expires_at: fields.patch("expires_at", expiry()),
            permissions: permissions(&mut fields),
            scopes: None,
            rate_limits: ChangeRateLimits::field(&mut fields, "rate_limits"),
            ip_allowlist: fields.patch("ip_allowlist", networks()),
        };
        fields.forbidden(&["service_account_id"]);
        fields.finish(|| Some(change))
    }
}

/// A rotation by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateServiceToken {
    /// Why; it goes into the audit trail.
    #[schema(min_length = 1, max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub reason: String,
    /// How long the old secret goes on working: at most 30 days, never past its own expiry. 24 hours
    /// when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 2_592_000)]
    pub grace_seconds: Option<u32>,
    /// When the new token's life ends; null is never. When left out it lives as long as the old one
    /// did, counted from now.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    pub expires_at: Patch<Time>,
}

impl FromFields for RotateServiceToken {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let reason = fields.required("reason", prose(1, MAX_REASON));
        let grace_seconds = fields.optional("grace_seconds", integer(0, MAX_GRACE_SECONDS));
        let expires_at = fields.patch("expires_at", expiry());
        fields.finish(|| Some(Self { reason: reason?, grace_seconds, expires_at }))
    }
}

/// The query of `DELETE /auth/tokens/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RevokeQuery {
    /// Why; it is shown with the token and in the audit trail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub reason: Option<String>,
}

impl FromFields for RevokeQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let reason = fields.optional("reason", prose(1, MAX_REASON));
        fields.finish(|| Some(Self { reason }))
    }
}

/// A cleanup of expired tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CleanupRequest {
    /// Deactivates only. With `false`, tokens that are past the audit retention are removed.
    #[schema(default = true, required = false)]
    pub deactivate_only: bool,
    /// Only tokens that expired at least so many days ago.
    #[schema(default = 0, minimum = 0, maximum = 36_500, required = false)]
    pub older_than_days: u32,
}

impl Default for CleanupRequest {
    fn default() -> Self {
        Self { deactivate_only: true, older_than_days: 0 }
    }
}

impl FromFields for CleanupRequest {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let deactivate_only = fields.not_null("deactivate_only", Boolean).unwrap_or(true);
        let older_than_days = fields.not_null("older_than_days", integer(0, MAX_DAYS)).unwrap_or(0);
        fields.finish(|| Some(Self { deactivate_only, older_than_days }))
    }
}

/// The query of `GET /auth/tokens`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ServiceTokenQuery {
    /// Only tokens of this service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub service_account_id: Option<Uuid>,
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

impl FromFields for ServiceTokenQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self {
            service_account_id: fields.optional("service_account_id", Id),
            status: fields.optional("status", choice()),
            name: fields.optional("name", text(1, MAX_NAME)),
            q: fields.optional("q", text(1, MAX_NAME)),
            expiring_within_days: fields.optional("expiring_within_days", integer(0, MAX_DAYS)),
            page: PageQuery::read(&mut fields),
        };
        fields.finish(|| Some(query))
    }
}

#[cfg(test)]
mod tests;
