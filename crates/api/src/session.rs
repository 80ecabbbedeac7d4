//! Logins and sessions.

use crate::{
    Time,
    kind::{Id, Plain, text},
    patch::Patch,
    problem::FieldCode,
    request::{Fields, FromFields, Refused},
    secret::Secret,
    wire_enum::wire_enum,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The most characters of an address.
pub const MAX_EMAIL: usize = 320;

wire_enum! {
    /// How an access token is presented.
    pub enum AccessTokenType {
        /// As `Authorization: Bearer`.
        Bearer = "Bearer",
    }
}

/// A login.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    /// The user's address, in any spelling.
    #[schema(min_length = 1, max_length = 320, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub email: String,
    /// The password.
    #[schema(value_type = String)]
    pub password: Secret,
    /// The publisher to act for. Left out: the user's default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher_id: Option<Uuid>,
}

impl FromFields for LogIn {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let email = fields.required("email", text(1, MAX_EMAIL));
        let password = fields.required("password", Plain);
        let publisher_id = fields.optional("publisher_id", Id);
        fields.finish(|| Some(Self { email: email?, password: password?, publisher_id }))
    }
}

/// The use of a refresh token.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The refresh token that was given last.
    #[schema(value_type = String)]
    pub refresh_token: Secret,
}

impl FromFields for Refresh {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let refresh_token = fields.required("refresh_token", Plain);
        fields.finish(|| Some(Self { refresh_token: refresh_token? }))
    }
}

/// Acting for another publisher.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchPublisher {
    /// The publisher to act for; null is the platform itself, for its administrators.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
}

impl FromFields for SwitchPublisher {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        if !fields.has("publisher_id") {
            fields.fault("publisher_id", FieldCode::Required, "is needed");
        }
        let publisher_id = fields.patch("publisher_id", Id);
        fields.finish(|| match publisher_id {
            Patch::Value(id) => Some(Self { publisher_id: Some(id) }),
            Patch::Null => Some(Self { publisher_id: None }),
            Patch::Absent => None,
        })
    }
}

/// The user who logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionUser {
    /// Their id.
    pub id: Uuid,
    /// Their address.
    pub email: String,
    /// What they are called; null until they said so.
    #[schema(required = true)]
    pub display_name: Option<String>,
}

/// The tokens of a session.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LoggedIn {
    /// The access token, a JWT (RFC 9068); shown only here.
    #[schema(value_type = String)]
    pub access_token: Secret,
    /// How it is presented.
    pub token_type: AccessTokenType,
    /// How long it lives, in seconds.
    #[schema(minimum = 0)]
    pub expires_in: u64,
    /// The refresh token, to be used once; shown only here.
    #[schema(value_type = String)]
    pub refresh_token: Secret,
    /// How long that lives, in seconds.
    #[schema(minimum = 0)]
    pub refresh_expires_in: u64,
    /// The session.
    pub session_id: Uuid,
    /// Whose it is.
    pub user: SessionUser,
    /// The publisher that it acts for; null at platform level.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
}

/// An access token for another publisher.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Switched {
    /// The access token, a JWT (RFC 9068); shown only here.
    #[schema(value_type = String)]
    pub access_token: Secret,
    /// How it is presented.
    pub token_type: AccessTokenType,
    /// How long it lives, in seconds.
    #[schema(minimum = 0)]
    pub expires_in: u64,
    /// The session, the same as before.
    pub session_id: Uuid,
    /// Whose it is.
    pub user: SessionUser,
    /// The publisher that it acts for; null at platform level.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
}

/// What was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionsEnded {
    /// How many sessions.
    #[schema(minimum = 0)]
    pub ended: u64,
}

/// A session that is alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// The publisher that it acts for; null at platform level.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
    /// Whether it is the one that calls.
    pub current: bool,
    /// When the user logged in.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When tokens were made from it last.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen_at: Time,
    /// Its end, however much it is used.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
    /// Its end when it is not used.
    #[schema(value_type = String, format = DateTime)]
    pub idle_expires_at: Time,
    /// From where it was seen last.
    #[schema(required = true)]
    pub ip_address: Option<String>,
    /// In which country that is; null where it is not known.
    #[schema(required = true)]
    pub country: Option<String>,
    /// With what the user logged in.
    #[schema(required = true)]
    pub user_agent: Option<String>,
}
