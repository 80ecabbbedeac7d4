//! What may be asked about a credential.

use crate::{
    kind::{self, Boolean, Fact, Id, MAX_SCOPE_LENGTH, MAX_SCOPES, Plain, Scopes, integer},
    request::{Fields, Format, Formats, FromFields, Refused},
    secret::Secret,
};
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};
use uuid::Uuid;

/// The most units that one verification takes from a limit.
pub const MAX_COST: u32 = 10_000;

// The facts of an original request, whoever tells them.
pub(crate) const IP_ADDRESS: Fact = Fact(64);
pub(crate) const USER_AGENT: Fact = Fact(512);
pub(crate) const METHOD: Fact = Fact(32);
pub(crate) const ENDPOINT: Fact = Fact(1024);
pub(crate) const CLOUDFLARE_RAY_ID: Fact = Fact(64);

/// A verification. Without `token` it is about the credential that the request itself bears.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// The credential to decide on; any text, since a wrong one is `malformed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub token: Option<Secret>,
    /// Permissions that it must all have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, schema_with = required_scopes_schema)]
    pub required_scopes: Vec<String>,
    /// Permissions of which it must have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = any_scopes_schema)]
    pub any_scopes: Option<Vec<String>>,
    /// The publisher to decide for. Left out: the credential's only one, else its owner's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher_id: Option<Uuid>,
    /// The address that the original request came from. One that is malformed counts as unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
    /// Its `User-Agent`; kept up to 512 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Its method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Its path; kept up to 1,024 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Its `CF-Ray`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloudflare_ray_id: Option<String>,
    /// Units to take from the rate limit; 1 when left out, 0 looks without taking.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 10_000)]
    pub cost: Option<u32>,
    /// Whether the answer should tell what a cache may keep of it. Of the caller's own credential nothing may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cacheable: Option<bool>,
}

fn required_scopes_schema() -> RefOr<Schema> {
    Scopes(0).schema(true, "Permissions that it must all have.")
}

fn any_scopes_schema() -> RefOr<Schema> {
    Scopes(1).schema(true, "Permissions of which it must have one.")
}

impl FromFields for VerifyRequest {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let request = Self::read(&mut fields);
        fields.finish(|| Some(request))
    }
}

impl VerifyRequest {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            token: fields.optional("token", Plain),
            required_scopes: fields.optional("required_scopes", Scopes(0)).unwrap_or_default(),
            any_scopes: fields.optional("any_scopes", Scopes(1)),
            publisher_id: fields.optional("publisher_id", Id),
            ip_address: fields.optional("ip_address", IP_ADDRESS),
            user_agent: fields.optional("user_agent", USER_AGENT),
            method: fields.optional("method", METHOD),
            endpoint: fields.optional("endpoint", ENDPOINT),
            cloudflare_ray_id: fields.optional("cloudflare_ray_id", CLOUDFLARE_RAY_ID),
            cost: fields.optional("cost", integer(0, MAX_COST)),
            cacheable: fields.optional("cacheable", Boolean),
        }
    }
}

/// The most credentials of one batch.
pub const MAX_BATCH: usize = 100;

/// Several verifications at once, each with facts of its own.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyBatchRequest {
    /// The verifications.
    #[schema(min_items = 1, max_items = 100)]
    pub items: Vec<VerifyRequest>,
}

impl FromFields for VerifyBatchRequest {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let items = fields.nested_list("items", MAX_BATCH, |item| Some(VerifyRequest::read(item)));
        fields.finish(|| Some(Self { items: items? }))
    }
}

/// A verification as nearly every caller writes it, read without copying a single text.
///
/// It is a shortcut on the hot path, not a second rule: it takes a body only when [`VerifyRequest`]
/// takes it to the same effect, and leaves every other to that one, which then finds the words for
/// what is wrong.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BorrowedVerify<'a> {
    /// See [`VerifyRequest::token`].
    #[serde(default)]
    pub token: Option<&'a str>,
    /// See [`VerifyRequest::required_scopes`].
    #[serde(default, borrow)]
    pub required_scopes: Option<Vec<&'a str>>,
    /// See [`VerifyRequest::any_scopes`].
    #[serde(default, borrow)]
    pub any_scopes: Option<Vec<&'a str>>,
    /// See [`VerifyRequest::publisher_id`].
    #[serde(default)]
    pub publisher_id: Option<&'a str>,
    /// See [`VerifyRequest::ip_address`].
    #[serde(default)]
    pub ip_address: Option<&'a str>,
    /// See [`VerifyRequest::user_agent`].
    #[serde(default)]
    pub user_agent: Option<&'a str>,
    /// See [`VerifyRequest::method`].
    #[serde(default)]
    pub method: Option<&'a str>,
    /// See [`VerifyRequest::endpoint`].
    #[serde(default)]
    pub endpoint: Option<&'a str>,
    /// See [`VerifyRequest::cloudflare_ray_id`].
    #[serde(default)]
    pub cloudflare_ray_id: Option<&'a str>,
    /// See [`VerifyRequest::cost`].
    #[serde(default)]
    pub cost: Option<u32>,
}

impl<'a> BorrowedVerify<'a> {
    /// Reads a body, or leaves it to [`VerifyRequest`].
    pub fn read(body: &'a [u8], formats: &dyn Formats) -> Option<Self> {
        // A derived reader would take an array of the values as well.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return None;
        }
        let request: Self = serde_json::from_slice(body).ok()?;
        let keeps = |fact: Fact, text: Option<&str>| text.is_none_or(|text| fact.keeps(text));
        let scopes = |list: &Option<Vec<&str>>, least: usize| {
            list.as_deref().is_none_or(|list| {
                (least..=MAX_SCOPES).contains(&list.len())
                    && list.iter().all(|scope| is_plain_scope(scope, formats))
            })
        };
        let taken = keeps(IP_ADDRESS, request.ip_address)
            && keeps(USER_AGENT, request.user_agent)
            && keeps(METHOD, request.method)
            && keeps(ENDPOINT, request.endpoint)
            && keeps(CLOUDFLARE_RAY_ID, request.cloudflare_ray_id)
            && scopes(&request.required_scopes, 0)
            && scopes(&request.any_scopes, 1)
            && request.publisher_id.is_none_or(|id| kind::id(id).is_some())
            && request.cost.is_none_or(|cost| cost <= MAX_COST);
        taken.then_some(request)
    }
}

fn is_plain_scope(scope: &str, formats: &dyn Formats) -> bool {
    (1..=MAX_SCOPE_LENGTH).contains(&scope.len())
        && !scope.chars().any(char::is_control)
        && formats.check(Format::Scope, scope).is_ok()
}

#[cfg(test)]
mod tests;
