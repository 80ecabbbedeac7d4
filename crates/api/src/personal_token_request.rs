//! What may be asked of personal access tokens.

use crate::{
    Time,
    bounds::{ChangeRateLimits, networks, networks_schema, rate_limits_schema},
    kind::{Boolean, Id, Scopes, choice, expiry, integer, list, text},
    page::PageQuery,
    patch::Patch,
    problem::FieldCode,
    request::{Fields, Format, FromFields, Refused},
    service_token::TokenStatus,
    service_token_request::{Expiry, MAX_DAYS, MAX_EXPIRY_DAYS, MAX_NAME, one_end},
};
use serde::Serialize;
use utoipa::{
    IntoParams, ToSchema,
    openapi::{RefOr, Schema},
};
use uuid::Uuid;

/// The most publishers that a token may name.
pub const MAX_PUBLISHERS: usize = 50;

fn scopes_schema() -> RefOr<Schema> {
    Scopes(0).schema(
        false,
        "What it carries at most; nothing that the caller lacks in a publisher that it is for.",
    )
}

fn limits_schema() -> RefOr<Schema> {
    rate_limits_schema("How often it may be used; null is unlimited.")
}

fn allowlist_schema() -> RefOr<Schema> {
    networks_schema("The networks that it may be used from; null, and none, is from anywhere.")
}

/// A new personal token. It carries chosen `scopes`, or all that its owner may (`inherit_user_permissions`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePersonalToken {
    /// Its name, unique among the caller's tokens that are not revoked.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: String,
    /// What it carries at most. Needed, unless it inherits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, schema_with = scopes_schema)]
    pub scopes: Option<Vec<String>>,
    /// Whether it carries all that its owner may do at the moment of each use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub inherit_user_permissions: Option<bool>,
    /// The publishers that it is for; null, and left out, is all of the caller's.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<Vec<Uuid>>, min_items = 1, max_items = 50, required = false)]
    pub publisher_ids: Patch<Vec<Uuid>>,
    /// When its life ends; null is never. Left out together with `expires_in_days`, the server's default applies.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    pub expires_at: Patch<Time>,
    /// How many days it lives, instead of `expires_at`; null is for ever.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 36_500, required = false)]
    pub expires_in_days: Patch<u32>,
    /// How often it may be used; null is unlimited.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = limits_schema)]
    pub rate_limits: Patch<ChangeRateLimits>,
    /// The networks that it may be used from; null is any.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = allowlist_schema)]
    pub ip_allowlist: Patch<Vec<String>>,
}

impl CreatePersonalToken {
    /// How long the token shall live.
    pub fn expiry(&self) -> Expiry<'_> {
        Expiry::of(&self.expires_at, self.expires_in_days)
    }
}

impl FromFields for CreatePersonalToken {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        one_end(&mut fields);
        let name = fields.required("name", text(1, MAX_NAME).of(Format::Name));
        let (scopes, inherit_user_permissions) = rights(&mut fields, true);
        let publisher_ids = publishers(&mut fields);
        let expires_at = fields.patch("expires_at", expiry());
        let expires_in_days = fields.patch("expires_in_days", integer(1, MAX_EXPIRY_DAYS));
        let rate_limits = ChangeRateLimits::field(&mut fields, "rate_limits");
        let ip_allowlist = fields.patch("ip_allowlist", networks());
        fields.forbidden(&["is_active"]);
        fields.finish(|| {
            Some(Self {
                name: name?,
                scopes,
                inherit_user_permissions,
                publisher_ids,
                expires_at,
                expires_in_days,
                rate_limits,
                ip_allowlist,
            })
        })
    }
}

/// Chosen scopes, or all of the owner's: one of the two.
fn rights(fields: &mut Fields<'_>, needed: bool) -> (Option<Vec<String>>, Option<bool>) {
    let (chosen, said) = (fields.has("scopes"), fields.has("inherit_user_permissions"));
    let scopes = fields.not_null("scopes", Scopes(0));
    let inherits = fields.not_null("inherit_user_permissions", Boolean);
    if inherits == Some(true) && scopes.as_ref().is_some_and(|scopes| !scopes.is_empty()) {
        let detail = "say either these or inherit_user_permissions";
        fields.fault("scopes", FieldCode::Conflict, detail);
    }
    if !chosen && (inherits == Some(false) || (needed && !said)) {
        fields.fault("scopes", FieldCode::Required, "is needed, unless inherit_user_permissions is true");
    }
    (scopes, inherits)
}

fn publishers(fields: &mut Fields<'_>) -> Patch<Vec<Uuid>> {
    let publishers = fields.patch("publisher_ids", list(MAX_PUBLISHERS, Id));
    if matches!(&publishers, Patch::Value(ids) if ids.is_empty()) {
        fields.fault("publisher_ids", FieldCode::TooShort, "must have at least one item");
    }
    publishers
}

/// A personal token as it shall be from now on. Members of the token that only the server sets may be sent along
/// as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplacePersonalToken {
    /// Its name.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: String,
    /// What it carries at most. Needed, unless it inherits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, schema_with = scopes_schema)]
    pub scopes: Option<Vec<String>>,
    /// Whether it carries all that its owner may do at the moment of each use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub inherit_user_permissions: Option<bool>,
    /// The publishers that it is for; null, and left out, is all of the caller's.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<Vec<Uuid>>, min_items = 1, max_items = 50, required = false)]
    pub publisher_ids: Patch<Vec<Uuid>>,
    /// When its life ends; null is never.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub expires_at: Patch<Time>,
    /// How often it may be used; null, and left out, is unlimited.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = limits_schema)]
    pub rate_limits: Patch<ChangeRateLimits>,
    /// The networks that it may be used from; null, and left out, is any.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = allowlist_schema)]
    pub ip_allowlist: Patch<Vec<String>>,
    /// Whether it is switched on; left out, it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub is_active: Option<bool>,
}

impl ReplacePersonalToken {
    /// What only the server sets, and may be sent along as it is.
    pub const READ_ONLY: [&str; 16] = [
        "id",
        "user_id",
        "token_hint",
        "excluded_publisher_ids",
        "approvals",
        "status",
        "usage_count",
        "last_used_at",
        "rotated_from_id",
        "superseded_by_id",
        "grace_expires_at",
        "revoked_at",
        "revoked_reason",
        "created_by",
        "created_at",
        "updated_at",
    ];
}

impl FromFields for ReplacePersonalToken {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        if !fields.has("expires_at") {
            fields.fault("expires_at", FieldCode::Required, "is needed; null is never");
        }
        let name = fields.required("name", text(1, MAX_NAME).of(Format::Name));
        let (scopes, inherit_user_permissions) = rights(&mut fields, true);
        let publisher_ids = publishers(&mut fields);
        let expires_at = fields.patch("expires_at", text(1, 64).of(Format::Time));
        let rate_limits = ChangeRateLimits::field(&mut fields, "rate_limits");
        let ip_allowlist = fields.patch("ip_allowlist", networks());
        let is_active = fields.not_null("is_active", Boolean);
        fields.finish(|| {
            Some(Self {
                name: name?,
                scopes,
                inherit_user_permissions,
                publisher_ids,
                expires_at,
                rate_limits,
                ip_allowlist,
                is_active,
            })
        })
    }
}

/// A change of a personal token, by RFC 7396: what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchPersonalToken {
    /// A new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// What it carries at most from now on; it then inherits no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, schema_with = scopes_schema)]
    pub scopes: Option<Vec<String>>,
    /// Whether it carries all that its owner may; `false` needs `scopes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub inherit_user_permissions: Option<bool>,
    /// The publishers that it is for; null is all of the caller's.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<Vec<Uuid>>, min_items = 1, max_items = 50, required = false)]
    pub publisher_ids: Patch<Vec<Uuid>>,
    /// A new end of its life; null is never.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    pub expires_at: Patch<Time>,
    /// How often it may be used; null is unlimited.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = limits_schema)]
    pub rate_limits: Patch<ChangeRateLimits>,
    /// The networks that it may be used from; null is any.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = allowlist_schema)]
    pub ip_allowlist: Patch<Vec<String>>,
    /// Switches it on or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub is_active: Option<bool>,
}

impl FromFields for PatchPersonalToken {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let name = fields.not_null("name", text(1, MAX_NAME).of(Format::Name));
        let (scopes, inherit_user_permissions) = rights(&mut fields, false);
        let change = Self {
            name,
            scopes,
            inherit_user_permissions,
            publisher_ids: publishers(&mut fields),
            expires_at: fields.patch("expires_at", expiry()),
            rate_limits: ChangeRateLimits::field(&mut fields, "rate_limits"),
            ip_allowlist: fields.patch("ip_allowlist", networks()),
            is_active: fields.not_null("is_active", Boolean),
        };
        fields.finish(|| Some(change))
    }
}

/// The query of lists of personal tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PersonalTokenQuery {
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
    /// Only tokens that are for this publisher.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub publisher_id: Option<Uuid>,
    /// Only live tokens that expire within so many days.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 0, maximum = 36_500)]
    pub expiring_within_days: Option<u32>,
    /// Only tokens that were never used, or only those that were.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub never_used: Option<bool>,
    /// Which page of them.
    #[serde(flatten)]
    #[param(ignore)]
    pub page: PageQuery,
}

impl FromFields for PersonalTokenQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self {
            status: fields.optional("status", choice()),
            name: fields.optional("name", text(1, MAX_NAME)),
            q: fields.optional("q", text(1, MAX_NAME)),
            publisher_id: fields.optional("publisher_id", Id),
            expiring_within_days: fields.optional("expiring_within_days", integer(0, MAX_DAYS)),
            never_used: fields.optional("never_used", Boolean),
            page: PageQuery::read(&mut fields),
        };
        fields.finish(|| Some(query))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::FormatFault;

    #[expect(clippy::unnecessary_wraps, reason = "it stands for rules that may find fault")]
    fn any_form(_: Format, _: &str) -> Result<(), FormatFault> {
        Ok(())
    }

    fn fault<T: FromFields + std::fmt::Debug>(body: &str) -> (String, String) {
        let problem = T::from_body(body.as_bytes(), &any_form).unwrap_err();
        let errors = serde_json::to_value(problem).unwrap()["errors"].clone();
        assert_eq!(errors.as_array().map(Vec::len), Some(1), "{errors}");
        let text = |name: &str| errors[0][name].as_str().unwrap_or_default().to_owned();
        (text("field"), text("code"))
    }

    #[test]
    fn a_token_has_chosen_scopes_or_all_of_its_owner() {
        let both = r#"{"name":"n","scopes":["a"],"inherit_user_permissions":true}"#;
        assert_eq!(fault::<CreatePersonalToken>(both), ("scopes".to_owned(), "conflict".to_owned()));
        for neither in [r#"{"name":"n"}"#, r#"{"name":"n","inherit_user_permissions":false}"#] {
            assert_eq!(fault::<CreatePersonalToken>(neither), ("scopes".to_owned(), "required".to_owned()));
        }
        let off = r#"{"inherit_user_permissions":false}"#;
        assert_eq!(fault::<PatchPersonalToken>(off), ("scopes".to_owned(), "required".to_owned()));
        // As an answer shows one that inherits.
        let shown = r#"{"name":"n","scopes":[],"inherit_user_permissions":true,"expires_at":null}"#;
        assert!(ReplacePersonalToken::from_body(shown.as_bytes(), &any_form).is_ok());
    }

    #[test]
    fn a_token_for_no_publisher_is_refused() {
        let body = r#"{"name":"n","scopes":[],"publisher_ids":[]}"#;
        assert_eq!(fault::<CreatePersonalToken>(body).0, "publisher_ids");
    }
}
