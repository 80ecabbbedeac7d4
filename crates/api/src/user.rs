//! Users: people with an address and a password.

use crate::{
    Time, WireEnum,
    actor::Actor,
    kind::{Boolean, Id, Plain, choice, text},
    page::PageQuery,
    patch::Patch,
    request::{Fields, Format, FromFields, Refused},
    secret::Secret,
    service_token_request::MAX_NAME,
    wire_enum::wire_enum,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type, schema::SchemaType},
};
use uuid::Uuid;

/// The most characters of an address.
pub const MAX_ADDRESS: usize = 320;

wire_enum! {
    /// Where a user stands.
    pub enum UserStatus {
        /// Has not accepted the invitation yet.
        Invited = "invited",
        /// May log in.
        Active = "active",
        /// Is locked out.
        Disabled = "disabled",
    }
}

wire_enum! {
    /// A role of the platform itself.
    pub enum PlatformRole {
        /// Everything, everywhere.
        PlatformAdmin = "platform_admin",
    }
}

wire_enum! {
    /// A language in which people are written to.
    pub enum Locale {
        /// English.
        English = "en",
        /// German.
        German = "de",
    }
}

/// A publisher that a user belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Belonging {
    /// The publisher.
    pub publisher_id: Uuid,
    /// Its name.
    pub name: String,
    /// The user's role there.
    pub role_id: Uuid,
    /// That role's name.
    pub role: String,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Their id.
    pub id: Uuid,
    /// Their address.
    pub email: String,
    /// Since when the address is known to be theirs.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub email_verified_at: Option<Time>,
    /// What they are called.
    #[schema(required = true)]
    pub display_name: Option<String>,
    /// Where they stand.
    pub status: UserStatus,
    /// Their role of the platform.
    #[schema(required = true)]
    pub platform_role: Option<PlatformRole>,
    /// Where they belong, as far as the caller may know.
    pub publishers: Vec<Belonging>,
    /// The publisher that they act for when they name none.
    #[schema(required = true)]
    pub default_publisher_id: Option<Uuid>,
    /// What they prefer; `locale` is the language in which they are written to.
    #[schema(value_type = Object)]
    pub preferences: Map<String, Value>,
    /// When they logged in last.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub last_login_at: Option<Time>,
    /// Since when they are locked out.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub disabled_at: Option<Time>,
    /// Why they are.
    #[schema(required = true)]
    pub disabled_reason: Option<String>,
    /// Who made the account.
    pub created_by: Actor,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

/// The link of an invitation, given to the local operator alone.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct InvitationLink {
    /// The secret in it, for `POST /auth/invitations/accept`.
    #[schema(value_type = String)]
    pub token: Secret,
    /// Where it leads; null as long as mail is not configured.
    #[schema(value_type = Option<String>, required = true)]
    pub url: Option<Secret>,
    /// Until when it works.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
}

/// A user who was invited.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct InvitedUser {
    /// The user.
    #[serde(flatten)]
    pub user: User,
    /// The link, where the local operator asked for it with `show_link`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub invitation: Option<InvitationLink>,
}

/// An invitation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteUser {
    /// The address.
    #[schema(min_length = 1, max_length = 320, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub email: String,
    /// What they are called; they may say otherwise when they accept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub display_name: Option<String>,
    /// The language in which they are written to; `en` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Locale, required = false)]
    pub locale: Option<Locale>,
    /// The publisher; the one that the caller acts for when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub publisher_id: Option<Uuid>,
    /// The role there, by its name or id; it grants nothing that the caller lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub role: Option<String>,
    /// A role of the platform, which only the platform gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = PlatformRole, required = false)]
    pub platform_role: Option<PlatformRole>,
    /// A password, which only the local operator may set: the account is then ready, and nobody is written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, nullable = false, required = false)]
    pub password: Option<Secret>,
    /// Answer with the link instead of sending it, for the local operator alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub show_link: Option<bool>,
}

impl FromFields for InviteUser {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let email = fields.required("email", text(1, MAX_ADDRESS).of(Format::Email));
        let display_name = fields.not_null("display_name", text(1, MAX_NAME).of(Format::Name));
        let locale = fields.not_null("locale", choice());
        let publisher_id = fields.not_null("publisher_id", Id);
        let role = fields.not_null("role", text(1, MAX_NAME));
        let platform_role = fields.not_null("platform_role", choice());
        let password = fields.not_null("password", Plain);
        let show_link = fields.not_null("show_link", Boolean);
        fields.finish(|| {
            let email = email?;
            Some(Self { email, display_name, locale, publisher_id, role, platform_role, password, show_link })
        })
    }
}

/// An invitation that is sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteAgain {
    /// Answer with the link instead of sending it, for the local operator alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub show_link: Option<bool>,
}

impl FromFields for InviteAgain {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let show_link = fields.not_null("show_link", Boolean);
        fields.finish(|| Some(Self { show_link }))
    }
}

/// A change of a user, by RFC 7396: what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchUser {
    /// What they are called; null is nothing.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<String>, required = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub display_name: Patch<String>,
    /// Another address; both are told, and the new one is to be confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 320, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub email: Option<String>,
    /// Their role of the platform, which only the platform gives; null is none.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(schema_with = platform_role_schema, required = false)]
    pub platform_role: Patch<PlatformRole>,
}

fn platform_role_schema() -> RefOr<Schema> {
    let words = PlatformRole::ALL.iter().map(|role| Value::from(role.as_str()));
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(words.chain([Value::Null])))
        .description(Some("Their role of the platform, which only the platform gives; null is none."))
        .into()
}

impl FromFields for PatchUser {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let change = Self {
            display_name: fields.patch("display_name", text(1, MAX_NAME).of(Format::Name)),
            email: fields.not_null("email", text(1, MAX_ADDRESS).of(Format::Email)),
            platform_role: fields.patch("platform_role", choice()),
        };
        fields.forbidden(&["status", "email_verified_at", "password", "default_publisher_id", "preferences"]);
        fields.finish(|| Some(change))
    }
}

/// The query of `GET /users`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UserQuery {
    /// Only those who stand there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, inline)]
    pub status: Option<UserStatus>,
    /// Only the one with this address, in any spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 320, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub email: Option<String>,
    /// Only those whose name or address contains this, in either case.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub q: Option<String>,
    /// Which page of them.
    #[serde(flatten)]
    #[param(ignore)]
    pub page: PageQuery,
}

impl FromFields for UserQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let query = Self {
            status: fields.optional("status", choice()),
            email: fields.optional("email", text(1, MAX_ADDRESS).of(Format::Email)),
            q: fields.optional("q", text(1, MAX_NAME)),
            page: PageQuery::read(&mut fields),
        };
        fields.finish(|| Some(query))
    }
}
