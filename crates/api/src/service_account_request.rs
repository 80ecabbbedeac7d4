//! What may be asked of service accounts.

use crate::{
    bounds::{ChangeRateLimits, networks, networks_schema, rate_limits_schema},
    kind::{Id, Metadata, Scopes, choice, text},
    page::PageQuery,
    patch::Patch,
    problem::FieldCode,
    request::{Fields, Format, FromFields, Refused},
    role::MAX_DESCRIPTION,
    service_account::{AccountStatus, ServiceType},
    service_token_request::MAX_NAME,
    user::MAX_ADDRESS,
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{RefOr, Schema},
};
use uuid::Uuid;

/// What an account shows that no change may set, beside what no object lets its caller set.
const READ_ONLY: &[&str] = &["publisher_id", "disabled_at", "disabled_reason"];

/// A new service account.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateServiceAccount {
    /// Its name, unique within the publisher, or at platform level.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 0, max_length = 1000, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub description: Option<String>,
    /// What it stands for.
    pub service_type: ServiceType,
    /// The publisher that it belongs to. Left out, it is that of the caller, or none: then it acts for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher_id: Option<Uuid>,
    /// What its tokens may do at most; nothing that its maker lacks.
    #[schema(schema_with = scopes_schema)]
    pub scopes: Vec<String>,
    /// How often its tokens may be used together.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = limits_schema)]
    pub rate_limits: Patch<ChangeRateLimits>,
    /// The networks that they may be used from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = allowlist_schema)]
    pub ip_allowlist: Option<Vec<String>>,
    /// Whom to ask about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 320, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub owner_email: Option<String>,
    /// Free-form notes, at most 8 KiB; handed to whoever verifies one of its tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
}

fn scopes_schema() -> RefOr<Schema> {
    Scopes(0).schema(false, "What its tokens may do at most; nothing that the caller lacks.")
}

fn limits_schema() -> RefOr<Schema> {
    rate_limits_schema("How often its tokens may be used together; null is unlimited.")
}

fn allowlist_schema() -> RefOr<Schema> {
    networks_schema("The networks that its tokens may be used from; null or none is any.")
}

impl FromFields for CreateServiceAccount {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let account = PutServiceAccount::read(&mut fields);
        let publisher_id = fields.optional("publisher_id", Id);
        fields.finish(|| {
            let account = account?;
            Some(Self {
                name: account.name,
                description: account.description,
                service_type: account.service_type,
                publisher_id,
                scopes: account.scopes,
                rate_limits: account.rate_limits,
                ip_allowlist: account.ip_allowlist,
                owner_email: account.owner_email,
                metadata: account.metadata,
            })
        })
    }
}

/// A service account as it shall be from now on: what is left out is as by default.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutServiceAccount {
    /// Its name.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 0, max_length = 1000, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub description: Option<String>,
    /// What it stands for.
    pub service_type: ServiceType,
    /// What its tokens may do at most; nothing that the caller lacks.
    #[schema(schema_with = scopes_schema)]
    pub scopes: Vec<String>,
    /// How often its tokens may be used together.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = limits_schema)]
    pub rate_limits: Patch<ChangeRateLimits>,
    /// The networks that they may be used from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = allowlist_schema)]
    pub ip_allowlist: Option<Vec<String>>,
    /// Whom to ask about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 320, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub owner_email: Option<String>,
    /// Free-form notes, at most 8 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
}

impl PutServiceAccount {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.required("name", text(1, MAX_NAME).of(Format::Name));
        let description = fields.not_null("description", text(0, MAX_DESCRIPTION).of(Format::Words));
        let service_type = fields.required("service_type", choice());
        let scopes = fields.required("scopes", Scopes(0));
        let rate_limits = ChangeRateLimits::field(fields, "rate_limits");
        let ip_allowlist = fields.optional("ip_allowlist", networks());
        let owner_email = fields.optional("owner_email", text(1, MAX_ADDRESS).of(Format::Email));
        let metadata = fields.optional("metadata", Metadata);
        Some(Self {
            name: name?,
            description,
            service_type: service_type?,
            scopes: scopes?,
            rate_limits,
            ip_allowlist,
            owner_email,
            metadata,
        })
    }
}

impl FromFields for PutServiceAccount {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let account = Self::read(&mut fields);
        fields.forbidden(READ_ONLY);
        fields.finish(|| account)
    }
}

/// A change of a service account, by RFC 7396: what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchServiceAccount {
    /// A new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 0, max_length = 1000, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub description: Option<String>,
    /// What it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ServiceType, required = false)]
    pub service_type: Option<ServiceType>,
    /// What its tokens may do at most from now on; nothing that the caller lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = scopes_schema)]
    pub scopes: Option<Vec<String>>,
    /// Merged into the present limits; null takes them back.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = limits_schema)]
    pub rate_limits: Patch<ChangeRateLimits>,
    /// The networks that its tokens may be used from from now on.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = allowlist_schema)]
    pub ip_allowlist: Patch<Vec<String>>,
    /// Whom to ask about it.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 320, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$", required = false)]
    pub owner_email: Patch<String>,
    /// Merged into the present notes; null empties them.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<Object>, required = false)]
    pub metadata: Patch<Map<String, Value>>,
}

impl FromFields for PatchServiceAccount {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let change = Self {
            name: fields.not_null("name", text(1, MAX_NAME).of(Format::Name)),
            description: fields.not_null("description", text(0, MAX_DESCRIPTION).of(Format::Words)),
            service_type: fields.not_null("service_type", choice()),
            scopes: fields.not_null("scopes", Scopes(0)),
            rate_limits: ChangeRateLimits::field(&mut fields, "rate_limits"),
            ip_allowlist: fields.patch("ip_allowlist", networks()),
            owner_email: fields.patch("owner_email", text(1, MAX_ADDRESS).of(Format::Email)),
            metadata: fields.patch("metadata", Metadata),
        };
        fields.forbidden(READ_ONLY);
        fields.finish(|| Some(change))
    }
}

/// What the tokens of a service account shall be able to do at most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutAccountScopes {
    /// The scopes; nothing that the caller lacks.
    #[schema(schema_with = scopes_schema)]
    pub scopes: Vec<String>,
}

impl FromFields for PutAccountScopes {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let scopes = fields.required("scopes", Scopes(0));
        fields.finish(|| Some(Self { scopes: scopes? }))
    }
}

/// How often the tokens of a service account shall be usable together; what is left out is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutRateLimits {
    /// Uses in any minute; null is unlimited.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000_000)]
    pub per_minute: Option<u32>,
    /// Uses in any hour; null is unlimited.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000_000)]
    pub per_hour: Option<u32>,
}

impl FromFields for PutRateLimits {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let ChangeRateLimits { per_minute, per_hour } = ChangeRateLimits::read(&mut fields);
        fields.finish(|| Some(Self { per_minute: per_minute.value(), per_hour: per_hour.value() }))
    }
}

/// From where the tokens of a service account shall be usable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutAllowlist {
    /// The networks; null or none is any.
    #[schema(required = true, schema_with = allowlist_schema)]
    pub ip_allowlist: Option<Vec<String>>,
}

impl FromFields for PutAllowlist {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        // It must be said: forgotten, it would open the account to every network.
        if !fields.has("ip_allowlist") {
            fields.fault("ip_allowlist", FieldCode::Required, "is needed");
        }
        let ip_allowlist = fields.optional("ip_allowlist", networks());
        fields.finish(|| Some(Self { ip_allowlist }))
    }
}

/// The query of `GET /service-accounts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ServiceAccountQuery {
    /// Only those of this publisher.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub publisher_id: Option<Uuid>,
    /// Only accounts in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, inline)]
    pub status: Option<AccountStatus>,
    /// Only accounts of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, inline)]
    pub service_type: Option<ServiceType>,
    /// Only the accounts with exactly this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// Only accounts whose name contains this, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub q: Option<String>,
    /// Which page of them.
    #[serde(flatten)]
    #[param(ignore)]
    pub page: PageQuery,
}

impl FromFields for ServiceAccountQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self {
            publisher_id: fields.optional("publisher_id", Id),
            status: fields.optional("status", choice()),
            service_type: fields.optional("service_type", choice()),
            name: fields.optional("name", text(1, MAX_NAME)),
            q: fields.optional("q", text(1, MAX_NAME)),
            page: PageQuery::read(&mut fields),
        };
        fields.finish(|| Some(query))
    }
}
