//! How often and from where something may be used: fields that several requests share.

use crate::{
    kind::{List, Text, integer, list, text},
    patch::Patch,
    request::{Fields, Format},
};
use serde::Serialize;
use utoipa::openapi::{
    ArrayBuilder, ObjectBuilder, RefOr, Schema, Type,
    schema::{AdditionalProperties, SchemaType},
};

/// The highest rate limit.
pub const MAX_RATE: u32 = 1_000_000_000;
/// The most networks of an allowlist.
pub const MAX_NETWORKS: usize = 100;
/// The most characters of a network.
pub const MAX_NETWORK: usize = 64;

/// A change of rate limits; what is left out stays, null is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChangeRateLimits {
    /// Uses in any minute.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub per_minute: Patch<u32>,
    /// Uses in any hour.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub per_hour: Patch<u32>,
}

impl ChangeRateLimits {
    pub(crate) fn read(fields: &mut Fields<'_>) -> Self {
        let rate = integer(1, MAX_RATE);
        Self { per_minute: fields.patch("per_minute", rate), per_hour: fields.patch("per_hour", rate) }
    }

    /// The field `name` of a request.
    pub(crate) fn field(fields: &mut Fields<'_>, name: &'static str) -> Patch<Self> {
        fields.nested_patch(name, |limits| Some(Self::read(limits)))
    }
}

/// The schema of a [`ChangeRateLimits`] that may be null.
pub(crate) fn rate_limits_schema(description: &str) -> RefOr<Schema> {
    let nullable = |kind| SchemaType::from_iter([kind, Type::Null]);
    let limit = |description: &str| {
        ObjectBuilder::new()
            .schema_type(nullable(Type::Integer))
            .minimum(Some(1))
            .maximum(Some(MAX_RATE))
            .description(Some(description))
    };
    ObjectBuilder::new()
        .schema_type(nullable(Type::Object))
        .property("per_minute", limit("Uses in any minute; null is unlimited."))
        .property("per_hour", limit("Uses in any hour; null is unlimited."))
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .description(Some(description))
        .into()
}

/// The networks of an allowlist.
pub(crate) const fn networks() -> List<Text> {
    list(MAX_NETWORKS, text(1, MAX_NETWORK).of(Format::Network))
}

/// The schema of [`networks`] that may be null.
pub(crate) fn networks_schema(description: &str) -> RefOr<Schema> {
    let network = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(MAX_NETWORK))
        .pattern(Some(r"^[^\x00-\x1f\x7f-\x9f]*$"))
        .examples(["192.0.2.0/24"]);
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(network)
        .max_items(Some(MAX_NETWORKS))
        .description(Some(description))
        .into()
}
