//! What may be asked of publishers.

use crate::{
    anomaly::{self, ChangeAnomalies},
    bounds::{ChangeRateLimits, rate_limits_schema},
    kind::{Boolean, choice, integer, list, prose, text},
    page::PageQuery,
    patch::Patch,
    publisher::PublisherStatus,
    request::{Fields, Format, FromFields, Refused},
    service_token_request::{MAX_EXPIRY_DAYS, MAX_NAME, MAX_REASON},
};
use serde::Serialize;
use utoipa::{
    IntoParams, ToSchema,
    openapi::{
        ArrayBuilder, ObjectBuilder, RefOr, Schema, Type,
        schema::{AdditionalProperties, SchemaType},
    },
};

/// The most domains that a publisher may name.
pub const MAX_DOMAINS: usize = 100;
/// The most characters of a domain.
pub const MAX_DOMAIN: usize = 253;

/// A new publisher.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePublisher {
    /// Its name, unique among publishers that are not deleted.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: String,
    /// What it sets for itself; what is left out is as by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub settings: Option<ChangePublisherSettings>,
}

impl FromFields for CreatePublisher {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let name = fields.required("name", text(1, MAX_NAME).of(Format::Name));
        let settings = fields.nested_not_null("settings", |inner| Some(ChangePublisherSettings::read(inner)));
        fields.finish(|| Some(Self { name: name?, settings }))
    }
}

/// A change of a publisher, by RFC 7396: what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchPublisher {
    /// A new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// Merged into the present settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub settings: Option<ChangePublisherSettings>,
}

impl FromFields for PatchPublisher {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let name = fields.not_null("name", text(1, MAX_NAME).of(Format::Name));
        let settings = fields.nested_not_null("settings", |inner| Some(ChangePublisherSettings::read(inner)));
        fields.finish(|| Some(Self { name, settings }))
    }
}

/// What a publisher shall set for itself. With `PATCH` what is left out stays, with `PUT` it is as by
/// default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePublisherSettings {
    /// The domains whose addresses may log in for it; empty: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = domains_schema)]
    pub allowed_login_domains: Option<Vec<String>>,
    /// The longest life of an access token for it, in minutes; null is what the server sets.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<u32>, minimum = 15, maximum = 60, required = false)]
    pub access_token_max_minutes: Patch<u32>,
    /// The longest life of a session that acts for it, in days; null is what the server sets.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 90, required = false)]
    pub session_max_days: Patch<u32>,
    /// The limits of its credentials that have none of their own; null is unlimited.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = default_limits_schema)]
    pub default_rate_limits: Patch<ChangeRateLimits>,
    /// The limits of all its service tokens and personal tokens together; null is unlimited.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = limits_schema)]
    pub rate_limits: Patch<ChangeRateLimits>,
    /// What it says of personal tokens; null is as by default.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = personal_tokens_schema)]
    pub personal_tokens: Patch<ChangePersonalTokens>,
    /// What it says of anomalies of its credentials; null is as by default.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = anomaly::schema)]
    pub anomalies: Patch<ChangeAnomalies>,
    /// Whether a login for it needs a second factor. True is refused in this version, which has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub require_second_factor: Option<bool>,
}

/// A change of what a publisher says of personal tokens; what is left out stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChangePersonalTokens {
    /// Whether there may be any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<bool>,
    /// The longest life, in days; null is any.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub max_days: Patch<u32>,
    /// Whether they are approved before they are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_approval: Option<bool>,
}

fn domains_schema() -> RefOr<Schema> {
    let domain = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(MAX_DOMAIN))
        .pattern(Some(r"^[^\x00-\x1f\x7f-\x9f]*$"));
    ArrayBuilder::new()
        .items(domain)
        .max_items(Some(MAX_DOMAINS))
        .description(Some("The domains whose addresses may log in for it; empty: any."))
        .into()
}

fn default_limits_schema() -> RefOr<Schema> {
    rate_limits_schema("The limits of its credentials that have none of their own; null is unlimited.")
}

fn limits_schema() -> RefOr<Schema> {
    rate_limits_schema(
        "The limits of all its service tokens and personal tokens together; null is unlimited.",
    )
}

fn personal_tokens_schema() -> RefOr<Schema> {
    let flag =
        |description: &str| ObjectBuilder::new().schema_type(Type::Boolean).description(Some(description));
    let days = ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
        .minimum(Some(1))
        .maximum(Some(MAX_EXPIRY_DAYS))
        .description(Some(
            "The longest life of a token, in days from its making, also of those made before.",
        ));
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .property("allowed", flag("Whether any may be used within it."))
        .property("max_days", days)
        .property(
            "require_approval",
            flag("Whether somebody who manages users approves each before its use."),
        )
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .description(Some("What it says of personal tokens; null is as by default."))
        .into()
}

impl ChangePublisherSettings {
    fn read(fields: &mut Fields<'_>) -> Self {
        let domain = text(1, MAX_DOMAIN).of(Format::Domain);
        Self {
            allowed_login_domains: fields.not_null("allowed_login_domains", list(MAX_DOMAINS, domain)),
            access_token_max_minutes: fields.patch("access_token_max_minutes", integer(15, 60)),
            session_max_days: fields.patch("session_max_days", integer(1, 90)),
            default_rate_limits: ChangeRateLimits::field(fields, "default_rate_limits"),
            rate_limits: ChangeRateLimits::field(fields, "rate_limits"),
            personal_tokens: fields.nested_patch("personal_tokens", |policy| {
                Some(ChangePersonalTokens {
                    allowed: policy.not_null("allowed", Boolean),
                    max_days: policy.patch("max_days", integer(1, MAX_EXPIRY_DAYS)),
                    require_approval: policy.not_null("require_approval", Boolean),
                })
            }),
            anomalies: ChangeAnomalies::field(fields, "anomalies"),
            require_second_factor: fields.not_null("require_second_factor", Boolean),
        }
    }
}

impl FromFields for ChangePublisherSettings {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let change = Self::read(&mut fields);
        fields.finish(|| Some(change))
    }
}

/// Why something is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonGiven {
    /// Why; it goes into the audit trail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub reason: Option<String>,
}

impl FromFields for ReasonGiven {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let reason = fields.not_null("reason", prose(1, MAX_REASON));
        fields.finish(|| Some(Self { reason }))
    }
}

/// The query of `GET /publishers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PublisherQuery {
    /// Only publishers in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, inline)]
    pub status: Option<PublisherStatus>,
    /// Only the publisher with exactly this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// Only publishers whose name contains this, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub q: Option<String>,
    /// Which page of them.
    #[serde(flatten)]
    #[param(ignore)]
    pub page: PageQuery,
}

impl FromFields for PublisherQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self {
            status: fields.optional("status", choice()),
            name: fields.optional("name", text(1, MAX_NAME)),
            q: fields.optional("q", text(1, MAX_NAME)),
            page: PageQuery::read(&mut fields),
        };
        fields.finish(|| Some(query))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::FieldCode;

    fn read(body: &str) -> Result<ChangePublisherSettings, Vec<(String, FieldCode)>> {
        let members = crate::json::parse_body(body.as_bytes()).unwrap();
        let fields = Fields::of_body(members, &|_: Format, _: &str| Ok(()));
        ChangePublisherSettings::from_fields(fields).map_err(|refused| {
            let codes = [FieldCode::InvalidType, FieldCode::OutOfRange, FieldCode::UnknownField];
            let code = |error: &crate::problem::FieldError| codes.into_iter().find(|code| error.is(*code));
            refused.errors.iter().map(|error| (error.field.clone(), code(error).unwrap())).collect()
        })
    }

    #[test]
    fn absence_null_and_a_value_are_three_wishes() {
        let change =
            read(r#"{"session_max_days": null, "default_rate_limits": {"per_hour": null}}"#).unwrap();
        assert_eq!(change.access_token_max_minutes, Patch::Absent);
        assert_eq!(change.session_max_days, Patch::Null);
        let limits = ChangeRateLimits { per_minute: Patch::Absent, per_hour: Patch::Null };
        assert_eq!(change.default_rate_limits, Patch::Value(limits));
        assert_eq!(read(r#"{"default_rate_limits": null}"#).unwrap().default_rate_limits, Patch::Null);
    }

    #[test]
    fn a_bad_field_of_a_nested_object_is_named_by_its_path() {
        let body =
            r#"{"default_rate_limits": {"per_minute": 0, "per_day": 1}, "allowed_login_domains": [1]}"#;
        assert_eq!(
            read(body).unwrap_err(),
            [
                ("allowed_login_domains[0]".to_owned(), FieldCode::InvalidType),
                ("default_rate_limits.per_minute".to_owned(), FieldCode::OutOfRange),
                ("default_rate_limits.per_day".to_owned(), FieldCode::UnknownField),
            ]
        );
    }
}
