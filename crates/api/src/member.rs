//! Members of publishers.

use crate::{
    Time,
    actor::Actor,
    kind::Id,
    page::PageQuery,
    request::{Fields, FromFields, Refused},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A member of a publisher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// The user.
    pub user_id: Uuid,
    /// The publisher.
    pub publisher_id: Uuid,
    /// The user's address.
    pub email: String,
    /// The user's name; null as long as an invitation is open.
    #[schema(required = true)]
    pub display_name: Option<String>,
    /// Whether the user is disabled, and so acts for nobody.
    pub is_disabled: bool,
    /// The role.
    pub role_id: Uuid,
    /// The role's name.
    pub role: String,
    /// Who added the member.
    pub created_by: Actor,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When the membership was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

/// A new member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddMember {
    /// The user. Within a publisher only its own users are known: others are invited.
    pub user_id: Uuid,
    /// The role, one of the publisher; it grants nothing that the caller lacks.
    pub role_id: Uuid,
}

impl FromFields for AddMember {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let (user_id, role_id) = (fields.required("user_id", Id), fields.required("role_id", Id));
        fields.finish(|| Some(Self { user_id: user_id?, role_id: role_id? }))
    }
}

/// A change of a membership, by RFC 7396: what is left out stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchMember {
    /// Another role of the publisher; it grants nothing that the caller lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub role_id: Option<Uuid>,
}

impl FromFields for PatchMember {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let role_id = fields.not_null("role_id", Id);
        fields.finish(|| Some(Self { role_id }))
    }
}

/// The query of `GET /publishers/{id}/members`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MemberQuery {
    /// Only those who hold this role.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false)]
    pub role_id: Option<Uuid>,
    /// Which page of them.
    #[serde(flatten)]
    #[param(ignore)]
    pub page: PageQuery,
}

impl FromFields for MemberQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self { role_id: fields.optional("role_id", Id), page: PageQuery::read(&mut fields) };
        fields.finish(|| Some(query))
    }
}
