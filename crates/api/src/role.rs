//! Roles of publishers.

use crate::{
    Time,
    actor::Actor,
    kind::{Id, Scopes, text},
    page::PageQuery,
    request::{Fields, Format, FromFields, Refused},
    service_token_request::MAX_NAME,
};
use serde::{Deserialize, Serialize};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{RefOr, Schema},
};
use uuid::Uuid;

/// The most characters of a description.
pub const MAX_DESCRIPTION: usize = 1_000;

/// A role: a named set of permissions within a publisher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Role {
    /// Its id.
    pub id: Uuid,
    /// The publisher that it belongs to.
    pub publisher_id: Uuid,
    /// Its name, unique within the publisher.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether Keywright brought it along: it keeps its name, and only `publisher_editor` can be given
    /// more permissions.
    pub is_built_in: bool,
    /// All that it grants.
    pub permissions: Vec<String>,
    /// Who made it.
    pub created_by: Actor,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

/// A new role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRole {
    /// Its name, unique within the publisher.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 0, max_length = 1000, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub description: Option<String>,
    /// What it grants; nothing that its maker lacks.
    #[schema(schema_with = permissions_schema)]
    pub permissions: Vec<String>,
}

fn permissions_schema() -> RefOr<Schema> {
    Scopes(0).schema(false, "What it grants; nothing that the caller lacks.")
}

impl FromFields for CreateRole {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let name = fields.required("name", text(1, MAX_NAME).of(Format::Name));
        let description = fields.not_null("description", text(0, MAX_DESCRIPTION).of(Format::Words));
        let permissions = fields.required("permissions", Scopes(0));
        fields.finish(|| Some(Self { name: name?, description, permissions: permissions? }))
    }
}

/// A change of a role, by RFC 7396: what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchRole {
    /// A new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 0, max_length = 1000, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub description: Option<String>,
    /// All that it grants from now on; nothing that the caller lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = permissions_schema)]
    pub permissions: Option<Vec<String>>,
}

impl FromFields for PatchRole {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let change = Self {
            name: fields.not_null("name", text(1, MAX_NAME).of(Format::Name)),
            description: fields.not_null("description", text(0, MAX_DESCRIPTION).of(Format::Words)),
            permissions: fields.not_null("permissions", Scopes(0)),
        };
        fields.finish(|| Some(change))
    }
}

/// The query of `GET /roles`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RoleQuery {
    /// Only those of this publisher.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub publisher_id: Option<Uuid>,
    /// Only the role with exactly this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// Which page of them.
    #[serde(flatten)]
    #[param(ignore)]
    pub page: PageQuery,
}

impl FromFields for RoleQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self {
            publisher_id: fields.optional("publisher_id", Id),
            name: fields.optional("name", text(1, MAX_NAME)),
            page: PageQuery::read(&mut fields),
        };
        fields.finish(|| Some(query))
    }
}
