//! What people ask about their own accounts.

use crate::{
    kind::{Id, Metadata, Plain, text},
    patch::Patch,
    request::{Fields, Format, FromFields, Refused},
    secret::Secret,
    service_token_request::MAX_NAME,
    user::MAX_ADDRESS,
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// An invitation being accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptInvitation {
    /// The secret in the link.
    #[schema(value_type = String)]
    pub token: Secret,
    /// The password to be set: 15 to 256 characters, of any kind, that are not guessed first.
    #[schema(value_type = String)]
    pub password: Secret,
    /// What the user wants to be called; left out, what the invitation says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub display_name: Option<String>,
}

impl FromFields for AcceptInvitation {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let (token, password) = (fields.required("token", Plain), fields.required("password", Plain));
        let display_name = fields.not_null("display_name", text(1, MAX_NAME).of(Format::Name));
        fields.finish(|| Some(Self { token: token?, password: password?, display_name }))
    }
}

/// A change of one's own password.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The password of now.
    #[schema(value_type = String)]
    pub current_password: Secret,
    /// The one to be set: 15 to 256 characters, of any kind, that are not guessed first.
    #[schema(value_type = String)]
    pub new_password: Secret,
}

impl FromFields for ChangePassword {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let current_password = fields.required("current_password", Plain);
        let new_password = fields.required("new_password", Plain);
        fields.finish(|| Some(Self { current_password: current_password?, new_password: new_password? }))
    }
}

/// An address to which a link is to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskForLink {
    /// The address.
    #[schema(min_length = 1, max_length = 320, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub email: String,
}

impl FromFields for AskForLink {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let email = fields.required("email", text(1, MAX_ADDRESS).of(Format::Email));
        fields.finish(|| Some(Self { email: email? }))
    }
}

/// A new password, set by a link.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmPasswordReset {
    /// The secret in the link.
    #[schema(value_type = String)]
    pub token: Secret,
    /// The password to be set: 15 to 256 characters, of any kind, that are not guessed first.
    #[schema(value_type = String)]
    pub new_password: Secret,
}

impl FromFields for ConfirmPasswordReset {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let (token, new_password) = (fields.required("token", Plain), fields.required("new_password", Plain));
        fields.finish(|| Some(Self { token: token?, new_password: new_password? }))
    }
}

/// A link being used.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UseLink {
    /// The secret in the link.
    #[schema(value_type = String)]
    pub token: Secret,
}

impl FromFields for UseLink {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let token = fields.required("token", Plain);
        fields.finish(|| Some(Self { token: token? }))
    }
}

/// A change of one's own address.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeEmail {
    /// The new address, to which a link is sent.
    #[schema(min_length = 1, max_length = 320, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub new_email: String,
    /// The password, once more.
    #[schema(value_type = String)]
    pub password: Secret,
}

impl FromFields for ChangeEmail {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let new_email = fields.required("new_email", text(1, MAX_ADDRESS).of(Format::Email));
        let password = fields.required("password", Plain);
        fields.finish(|| Some(Self { new_email: new_email?, password: password? }))
    }
}

/// A change of one's own profile, by RFC 7396: what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchMe {
    /// What the user wants to be called; null is nothing.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<String>, required = false, min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub display_name: Patch<String>,
    /// Merged into the preferences; null empties them. `locale` is `en` or `de`.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<Object>, required = false)]
    pub preferences: Patch<Map<String, Value>>,
    /// The publisher to act for when none is named; null is none.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<Uuid>, required = false)]
    pub default_publisher_id: Patch<Uuid>,
}

impl FromFields for PatchMe {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let change = Self {
            display_name: fields.patch("display_name", text(1, MAX_NAME).of(Format::Name)),
            preferences: fields.patch("preferences", Metadata),
            default_publisher_id: fields.patch("default_publisher_id", Id),
        };
        fields.forbidden(&["email", "email_verified_at", "platform_role", "password", "status"]);
        fields.finish(|| Some(change))
    }
}
