//! The doors in OAuth's form: introspection (RFC 7662), revocation (RFC 7009), tokens (RFC 6749) and what this server
//! says of them (RFC 8414). Requests are forms, and errors are those of RFC 6749 §5.2.

use crate::{secret::Secret, session::AccessTokenType, wire_enum::wire_enum};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

wire_enum! {
    /// Why a request was not carried out.
    pub enum OAuthErrorCode {
        /// A parameter is missing, stands there twice, or is not what it must be.
        InvalidRequest = "invalid_request",
        /// The client is not who it says, or its service token is not accepted.
        InvalidClient = "invalid_client",
        /// The refresh token is not accepted.
        InvalidGrant = "invalid_grant",
        /// This server gives no tokens for that.
        UnsupportedGrantType = "unsupported_grant_type",
        /// More is asked than the client's service token carries.
        InvalidScope = "invalid_scope",
        /// A token that ends by itself, or with what it was made from.
        UnsupportedTokenType = "unsupported_token_type",
        /// The bearer's own credential is not accepted.
        InvalidToken = "invalid_token",
        /// The caller may not ask.
        InsufficientScope = "insufficient_scope",
        /// The caller's credential may not be used here.
        AccessDenied = "access_denied",
        /// Try again later.
        TemporarilyUnavailable = "temporarily_unavailable",
        /// A fault of the server.
        ServerError = "server_error",
    }
}

/// A request that was not carried out (RFC 6749 §5.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OAuthError {
    /// Why.
    pub error: OAuthErrorCode,
    /// The same in words.
    pub error_description: String,
}

/// How a client says in a form who it is (RFC 6749 §2.3.1), where that does not stand in the header.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientFields {
    /// The client's id: that of a service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub client_id: Option<String>,
    /// A service token of that account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>)]
    pub client_secret: Option<Secret>,
}

/// The token that a form is about (RFC 7662 §2.1, RFC 7009 §2.1).
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenFields {
    /// The token.
    #[schema(value_type = String)]
    pub token: Secret,
    /// A guess at its kind, at which nobody looks: a token shows by itself what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub token_type_hint: Option<String>,
}

/// A token to be looked at (RFC 7662 §2.1). Parameters that are not named here are passed over.
#[derive(Debug, Serialize, ToSchema)]
pub struct IntrospectionForm {
    /// Which token.
    #[serde(flatten)]
    pub token: TokenFields,
    /// From where it is used, of our own. Without it what has an allowlist is not active.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ip_address: Option<String>,
    /// Who asks.
    #[serde(flatten)]
    pub client: ClientFields,
}

/// What there is to tell of a token (RFC 7662 §2.2). What does not apply is left out; of one that is not active
/// all but that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Introspection {
    /// Whether it is accepted.
    pub active: bool,
    /// What it carries, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub scope: Option<String>,
    /// The client that it was made for: the service account, or what an access token says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub client_id: Option<String>,
    /// The address of the user behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub username: Option<String>,
    /// How it is presented.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub token_type: Option<AccessTokenType>,
    /// Its end, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub exp: Option<i64>,
    /// When it was made, of a JWT.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub iat: Option<i64>,
    /// Before when it is not accepted, of a JWT that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub nbf: Option<i64>,
    /// Who it speaks for; of another issuer's token, by that one's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sub: Option<String>,
    /// Whom it is for, of an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub aud: Option<String>,
    /// Who made it, of a JWT.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub iss: Option<String>,
    /// Its own id, of an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub jti: Option<String>,
    /// The credential, as everywhere else; of an access token its session, or the service token that it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub credential_id: Option<Uuid>,
    /// Who it speaks for, as everywhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub principal_id: Option<Uuid>,
    /// What that is: `service_account`, `service_token`, `user` or `external`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub principal_type: Option<String>,
    /// The publisher that was decided for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub publisher_id: Option<Uuid>,
}

/// A token to be ended (RFC 7009 §2.1). Parameters that are not named here are passed over.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevocationForm {
    /// Which token.
    #[serde(flatten)]
    pub token: TokenFields,
    /// Who asks.
    #[serde(flatten)]
    pub client: ClientFields,
}

/// A request for a token (RFC 6749 §4.4.2 and §6). Parameters that are not named here are passed over.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenForm {
    /// `client_credentials` or `refresh_token`.
    pub grant_type: String,
    /// With `client_credentials`: what the token is to carry, separated by spaces. Left out: all that the client's
    /// service token carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub scope: Option<String>,
    /// With `refresh_token`: that token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>)]
    pub refresh_token: Option<Secret>,
    /// Who asks.
    #[serde(flatten)]
    pub client: ClientFields,
}

/// A token that was given (RFC 6749 §5.1).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenGiven {
    /// The access token, a JWT (RFC 9068); shown only here.
    #[schema(value_type = String)]
    pub access_token: Secret,
    /// How it is presented.
    pub token_type: AccessTokenType,
    /// How long it lives, in seconds.
    #[schema(minimum = 0)]
    pub expires_in: u64,
    /// The refresh token that follows the one that was used; shown only here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>)]
    pub refresh_token: Option<Secret>,
    /// What the token carries, of one by `client_credentials`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub scope: Option<String>,
}

/// What this server offers in OAuth's form (RFC 8414 §2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuthorizationServer {
    /// `server.public_url`, exactly.
    pub issuer: String,
    /// `POST /oauth2/token`.
    pub token_endpoint: String,
    /// The keys by which access tokens are verified.
    pub jwks_uri: String,
    /// `POST /oauth2/introspect`.
    pub introspection_endpoint: String,
    /// `POST /oauth2/revoke`.
    pub revocation_endpoint: String,
    /// `none`: there is no authorization endpoint that would give a code or a token.
    pub response_types_supported: Vec<String>,
    /// What tokens are given for.
    pub grant_types_supported: Vec<String>,
    /// How a client says who it is to be given a token.
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// How a caller says who it is to ask about a token.
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    /// By which algorithms an answer about a token may be signed (RFC 9701 §7). Which one does is the operator's choice.
    pub introspection_signing_alg_values_supported: Vec<String>,
    /// How a client says who it is to end a token.
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
}
