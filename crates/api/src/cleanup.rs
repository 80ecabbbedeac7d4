//! Cleaning up what is over.

use crate::{
    kind::Boolean,
    request::{Fields, FromFields, Refused},
    wire_enum::wire_enum,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

wire_enum! {
    /// A kind of what is over.
    pub enum LeftoverKind {
        /// Service tokens that expired a week ago and are still switched on: they are switched off.
        ServiceTokensExpired = "service_tokens_expired",
        /// Service tokens that have been dead for longer than the audit is kept.
        ServiceTokensDead = "service_tokens_dead",
        /// Personal tokens that expired a week ago and are still switched on: they are switched off.
        PersonalTokensExpired = "personal_tokens_expired",
        /// Personal tokens that have been dead for longer than the audit is kept.
        PersonalTokensDead = "personal_tokens_dead",
        /// Sessions that ended a month ago.
        Sessions = "sessions",
        /// Failed logins that are counted no more.
        LoginThrottles = "login_throttles",
        /// Networks in which users were not seen for half a year.
        LoginNetworks = "login_networks",
        /// Secrets in answers to idempotent requests that are not told again.
        IdempotencySecrets = "idempotency_secrets",
        /// Answers to idempotent requests of yesterday.
        IdempotencyAnswers = "idempotency_answers",
        /// Links that were mailed and ended a week ago.
        MailedTokens = "mailed_tokens",
        /// Deliveries that were settled a week ago.
        Deliveries = "deliveries",
        /// Events of successful verifications, older than they are kept.
        EventsOfSuccess = "events_of_success",
        /// Events of failures, older than they are kept.
        EventsOfFailure = "events_of_failure",
        /// Sums of usage by day, older than they are kept.
        Usage = "usage",
        /// Alerts that were resolved longer ago than the audit is kept.
        Alerts = "alerts",
    }
}

/// Whether to clean up, or only to tell what would go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CleanUp {
    /// Only tell.
    #[schema(default = false, required = false)]
    pub dry_run: bool,
}

impl FromFields for CleanUp {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let dry_run = fields.not_null("dry_run", Boolean).unwrap_or(false);
        fields.finish(|| Some(Self { dry_run }))
    }
}

/// What is over, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CleanedUp {
    /// Whether it was only told.
    pub dry_run: bool,
    /// Each kind.
    pub items: Vec<Leftover>,
}

/// How much there was of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Leftover {
    /// The kind.
    pub kind: LeftoverKind,
    /// How much was over.
    pub due: u64,
    /// How much is left: all, if it was only told; some, if another node is at it.
    pub left: u64,
}
