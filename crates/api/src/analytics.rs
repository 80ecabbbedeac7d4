//! How credentials are used. All figures come from sums that are kept by hour and day (UTC), within
//! seconds of the decisions.

use crate::{
    Time,
    kind::integer,
    request::{Fields, FromFields, Refused},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Days looked back on when nothing is said.
pub const DEFAULT_DAYS: u32 = 30;
/// The most days that can be looked back on.
pub const MAX_DAYS: u32 = 400;

/// How far to look back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AnalyticsQuery {
    /// How many days (UTC), today included; 30 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(nullable = false, minimum = 1, maximum = 400)]
    pub days: Option<u32>,
}

impl FromFields for AnalyticsQuery {
    fn from_fields(mut fields: Fields<'_>) -> Result<Self, Refused> {
        let days = fields.optional("days", integer(1, MAX_DAYS));
        fields.finish(|| Some(Self { days }))
    }
}

/// How a service token was used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TokenAnalytics {
    /// The token.
    pub token_id: Uuid,
    /// Its name.
    pub token_name: String,
    /// How often it was accepted since it was made.
    pub usage_count: u64,
    /// When it was accepted first, as far as that is kept; null is never.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub first_used_at: Option<Time>,
    /// When it was accepted last; null is never.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub last_used_at: Option<Time>,
    /// The decisions about it.
    #[serde(flatten)]
    pub course: Course,
    /// The 24 hours of the day (UTC).
    pub by_hour_of_day: Vec<HourOfDayCount>,
    /// Endpoints asked for, ids in their paths as `{id}`.
    pub endpoints: Ranking,
    /// Addresses of clients.
    pub addresses: Ranking,
    /// Countries of clients.
    pub countries: Ranking,
    /// User agents of clients.
    pub user_agents: Ranking,
    /// How long the decisions took; null when there were none.
    #[schema(required = true)]
    pub latency: Option<Latency>,
}

/// How all service tokens were used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnalyticsSummary {
    /// The tokens that there are, by state.
    pub service_tokens: TokenNumbers,
    /// All decisions, those about credentials that are not known included.
    #[serde(flatten)]
    pub course: Course,
    /// The tokens accepted most often, at most 10.
    pub most_used: Vec<UsedToken>,
    /// The addresses from which most was denied, at most 10.
    pub failing_addresses: Vec<RankedCount>,
}

/// Tokens by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenNumbers {
    /// All of them.
    pub total: u64,
    /// Those that work and were not rotated.
    pub active: u64,
    /// Those in their grace period.
    pub superseded: u64,
    /// Those switched off.
    pub inactive: u64,
    /// Those whose life is over.
    pub expired: u64,
    /// Those revoked.
    pub revoked: u64,
    /// Those that work and will be over within 7 days.
    pub expiring_within_7_days: u64,
    /// Those that work and will be over within 30 days.
    pub expiring_within_30_days: u64,
}

/// Decisions over a number of days.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Course {
    /// How many days (UTC), today included.
    pub days: u32,
    /// The begin of the first of them.
    #[schema(value_type = String, format = DateTime)]
    pub since: Time,
    /// The moment of the answer.
    #[schema(value_type = String, format = DateTime)]
    pub until: Time,
    /// All decisions.
    pub decisions: u64,
    /// Those that accepted the credential.
    pub successes: u64,
    /// Those that did not.
    pub denials: u64,
    /// Successes in decisions, from 0 to 1; null when there were none.
    #[schema(required = true)]
    pub success_rate: Option<f64>,
    /// Denials by code, the most frequent first.
    pub denials_by_code: Vec<CodeCount>,
    /// Every day, the oldest first.
    pub by_day: Vec<DayCount>,
    /// The last 48 hours, whatever the number of days; the last one is under way.
    pub last_48_hours: Vec<HourCount>,
}

/// Denials with a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CodeCount {
    /// The code.
    #[schema(examples("expired"))]
    pub code: String,
    /// How many.
    pub denials: u64,
}

/// Decisions of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DayCount {
    /// The day (UTC).
    #[schema(value_type = String, format = Date, examples("2027-01-31"))]
    pub day: String,
    /// All decisions.
    pub decisions: u64,
    /// Those that denied.
    pub denials: u64,
}

/// Decisions of an hour of the day, on all days together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HourOfDayCount {
    /// 0 to 23.
    #[schema(minimum = 0, maximum = 23)]
    pub hour: u8,
    /// All decisions.
    pub decisions: u64,
    /// Those that denied.
    pub denials: u64,
}

/// Decisions of an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HourCount {
    /// Its begin.
    #[schema(value_type = String, format = DateTime)]
    pub hour: Time,
    /// All decisions.
    pub decisions: u64,
    /// Those that denied.
    pub denials: u64,
}

/// What was seen most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Ranking {
    /// At most 10, the most frequent first.
    pub top: Vec<RankedCount>,
    /// All others together.
    pub other: RankedCount,
}

/// One of a ranking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RankedCount {
    /// What it is, as the client told it; null when it is not known.
    #[schema(required = true)]
    pub name: Option<String>,
    /// All decisions.
    pub decisions: u64,
    /// Those that denied.
    pub denials: u64,
    /// Its decisions in all that there were, from 0 to 1.
    pub share: f64,
}

/// Time from a request's arrival to its decision, in milliseconds. These are estimates: decisions are
/// counted in classes, and what took longer than 50 ms is told as 50.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Latency {
    /// Half of the decisions took no longer.
    pub p50_ms: f64,
    /// 95 of 100 took no longer.
    pub p95_ms: f64,
    /// 99 of 100 took no longer.
    pub p99_ms: f64,
}

/// How often a token was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsedToken {
    /// The token.
    pub token_id: Uuid,
    /// Its name; null when it has been removed.
    #[schema(required = true)]
    pub token_name: Option<String>,
    /// How often it was accepted.
    pub successes: u64,
    /// How often it was denied.
    pub denials: u64,
    /// The last decision about it.
    #[schema(value_type = String, format = DateTime)]
    pub last_decision_at: Time,
}
