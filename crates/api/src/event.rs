//! The audit trail: who changed what, and who used what.

use crate::{
    Time,
    actor::{Actor, PrincipalType, Subject},
    verify::TokenType,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use utoipa::ToSchema;
use uuid::Uuid;

/// One change of a credential, an identity or a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SecurityEvent {
    /// Its id.
    pub id: Uuid,
    /// Its place in the chain; null until it is sealed.
    #[schema(required = true)]
    pub seq: Option<i64>,
    /// What happened, such as `token.rotated`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub occurred_at: Time,
    /// Who did it.
    pub actor: Actor,
    /// What it was done to.
    pub subject: Subject,
    /// The publisher that it concerns; null at platform level.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
    /// Where the call came from.
    #[schema(required = true)]
    pub ip_address: Option<String>,
    /// The `User-Agent` of the call.
    #[schema(required = true)]
    pub user_agent: Option<String>,
    /// The request that did it.
    #[schema(required = true)]
    pub request_id: Option<String>,
    /// Why, in the actor's words.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// What changed, before; without secrets.
    #[schema(value_type = Option<Object>, required = true)]
    pub before: Option<Map<String, Value>>,
    /// What changed, afterwards; without secrets.
    #[schema(value_type = Option<Object>, required = true)]
    pub after: Option<Map<String, Value>>,
    /// What else is to be known.
    #[schema(value_type = Object)]
    pub details: Map<String, Value>,
    /// The node that recorded it.
    #[schema(required = true)]
    pub node_id: Option<Uuid>,
    /// What seals it and its place in the chain; null until it is sealed.
    #[schema(required = true)]
    pub mac: Option<String>,
}

/// A line of an export of security events: with all that it takes to check the chain over it.
///
/// `before`, `after` and `details` are the very bytes that were sealed: an object as it was written, or
/// a string that holds what cannot stand in a line.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExportedSecurityEvent {
    /// Its id.
    pub id: Uuid,
    /// Its place in the chain; null until it is sealed.
    #[schema(required = true)]
    pub seq: Option<u64>,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub occurred_at: Time,
    /// Who did it.
    pub actor: Actor,
    /// What it was done to.
    pub subject: ExportedSubject,
    /// The publisher that it concerns.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
    /// Where the call came from.
    #[schema(required = true)]
    pub ip_address: Option<String>,
    /// The `User-Agent` of the call.
    #[schema(required = true)]
    pub user_agent: Option<String>,
    /// The request that did it.
    #[schema(required = true)]
    pub request_id: Option<String>,
    /// Why, in the actor's words.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// What changed, before.
    #[schema(value_type = Option<Object>, required = true)]
    pub before: Option<Box<RawValue>>,
    /// What changed, afterwards.
    #[schema(value_type = Option<Object>, required = true)]
    pub after: Option<Box<RawValue>>,
    /// What else is to be known.
    #[schema(value_type = Option<Object>, required = true)]
    pub details: Option<Box<RawValue>>,
    /// The node that recorded it.
    #[schema(required = true)]
    pub node_id: Option<Uuid>,
    /// The key that it was sealed with.
    #[schema(required = true)]
    pub key_id: Option<String>,
    /// What seals it and its place in the chain.
    #[schema(required = true)]
    pub mac: Option<String>,
    /// What seals the event before it in the chain; null for the first.
    #[schema(required = true)]
    pub previous_mac: Option<String>,
}

/// What a change was made to, as it is exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportedSubject {
    /// Its kind.
    #[serde(rename = "type")]
    #[schema(required = true)]
    pub kind: Option<String>,
    /// Its id.
    #[schema(required = true)]
    pub id: Option<Uuid>,
    /// Its name at that time.
    #[schema(required = true)]
    pub name: Option<String>,
}

/// One verification, or one refused request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuthenticationEvent {
    /// Its id.
    pub id: Uuid,
    /// What was asked, such as `verify`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub occurred_at: Time,
    /// Whether the credential was valid.
    pub success: bool,
    /// `valid`, or the code of the denial.
    pub code: String,
    /// How many decisions it stands for: more than 1 where a flood of refusals was only counted.
    pub occurrences: u64,
    /// Kind of the credential; null when it has none.
    #[schema(required = true)]
    pub token_type: Option<TokenType>,
    /// The credential; null when it is not known.
    #[schema(required = true)]
    pub credential_id: Option<Uuid>,
    /// Its name.
    #[schema(required = true)]
    pub token_name: Option<String>,
    /// Kind of its principal.
    #[schema(required = true)]
    pub principal_type: Option<PrincipalType>,
    /// Its principal.
    #[schema(required = true)]
    pub principal_id: Option<Uuid>,
    /// E-mail address that the user behind it has today, null once they are deleted; or the one that was given at
    /// a login, where no user has it.
    #[schema(required = true)]
    pub user_email: Option<String>,
    /// The publisher that was decided for.
    #[schema(required = true)]
    pub publisher_id: Option<Uuid>,
    /// The credential that asked about it; null when it was its own bearer.
    #[schema(required = true)]
    pub asked_by_id: Option<Uuid>,
    /// Where the original request came from.
    #[schema(required = true)]
    pub ip_address: Option<String>,
    /// The country of that address; null while none is known.
    #[schema(required = true)]
    pub country: Option<String>,
    /// Its `User-Agent`.
    #[schema(required = true)]
    pub user_agent: Option<String>,
    /// Its method.
    #[schema(required = true)]
    pub method: Option<String>,
    /// Its path.
    #[schema(required = true)]
    pub endpoint: Option<String>,
    /// Its `CF-Ray`.
    #[schema(required = true)]
    pub cloudflare_ray_id: Option<String>,
    /// The request that was answered.
    #[schema(required = true)]
    pub request_id: Option<String>,
    /// The node that answered.
    #[schema(required = true)]
    pub node_id: Option<Uuid>,
    /// How long the decision took.
    #[schema(required = true)]
    pub latency_seconds: Option<f64>,
    /// Whether it was decided from what the node knew while the store was away.
    pub stale: bool,
    /// What more there is to say about a denial.
    #[schema(value_type = Option<Object>, required = true)]
    pub error_details: Option<Map<String, Value>>,
}

/// Whether the chain of security events holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChainVerification {
    /// Whether every sealed event is as it was written, in its place, up to the head.
    pub holds: bool,
    /// How many events were checked.
    pub checked: u64,
    /// The first one kept; null while there is none.
    #[schema(required = true)]
    pub first_seq: Option<i64>,
    /// The last one sealed; null while there is none.
    #[schema(required = true)]
    pub head_seq: Option<i64>,
    /// What seals that one and all before it.
    #[schema(required = true)]
    pub head_mac: Option<String>,
    /// Events that wait to be sealed.
    pub unsealed: u64,
    /// Where it breaks first; null when it holds.
    #[schema(required = true)]
    pub broken_at: Option<ChainBreak>,
}

/// Where the chain of security events breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChainBreak {
    /// The place in the chain.
    pub seq: i64,
    /// The event that stands there; null when none does.
    #[schema(required = true)]
    pub event_id: Option<Uuid>,
    /// What is wrong: `altered`, `missing`, `out_of_place`, `cut_off`.
    pub problem: String,
}
