//! `GET /auth/tokens/{id}/analytics` and `GET /analytics/summary`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::analytics::{
    AnalyticsQuery, AnalyticsSummary, CodeCount, Course, DEFAULT_DAYS, DayCount, HourCount, HourOfDayCount,
    Latency, RankedCount, Ranking, TokenAnalytics, TokenNumbers, UsedToken,
};
use keywright_authority::analytics::{self, Tally};
use keywright_store::service_tokens::TokenTotals;
use keywright_store::usage::CredentialCount;

use super::answer::{Refused, json_no_store};
use super::gate::{AnalyticsRead, Caller, TokensRead};
use super::input::{PathId, Query};
use super::{App, view};

/// How a service token was used.
#[utoipa::path(
    get, path = "/auth/tokens/{id}/analytics", tag = "analytics", operation_id = "get_service_token_analytics",
    params(("id" = uuid::Uuid, Path, description = "The token"), AnalyticsQuery),
    responses((status = 200, description = "What was decided about it", body = TokenAnalytics),
        Refused),
)]
pub async fn of_token(
    State(app): State<App>,
    caller: Caller<TokensRead>,
    Query(query): Query<AnalyticsQuery>,
    PathId(id): PathId,
) -> Result<Response, Refused> {
    let days = query.days.unwrap_or(DEFAULT_DAYS);
    let found = analytics::of_token(app.authority(), &caller.call, id, days).await?;
    Ok(json_no_store(StatusCode::OK, &shown(found, days)))
}

/// How a token was used.
pub(super) fn shown(found: analytics::TokenAnalytics, days: u32) -> TokenAnalytics {
    let decisions = found.course.total.decisions;
    let of_day = |(hour, tally): (u8, &Tally)| HourOfDayCount {
        hour,
        decisions: tally.decisions,
        denials: tally.denials,
    };
    TokenAnalytics {
        token_id: found.token.id.0,
        token_name: found.token.name.as_str().to_owned(),
        usage_count: found.token.usage_count,
        first_used_at: found.first_used_at.map(view::time),
        last_used_at: found.token.last_used_at.map(view::time),
        by_hour_of_day: (0..24).zip(&found.course.by_hour_of_day).map(of_day).collect(),
        course: course(found.course, days),
        endpoints: ranking(found.endpoints, decisions),
        addresses: ranking(found.addresses, decisions),
        countries: ranking(found.countries, decisions),
        user_agents: ranking(found.user_agents, decisions),
        latency: found.latency.map(latency),
    }
}

/// How all service tokens were used.
#[utoipa::path(
    get, path = "/analytics/summary", tag = "analytics", operation_id = "get_analytics_summary",
    params(AnalyticsQuery),
    responses((status = 200, description = "What was decided", body = AnalyticsSummary),
        Refused),
)]
pub async fn summary(
    State(app): State<App>,
    caller: Caller<AnalyticsRead>,
    Query(query): Query<AnalyticsQuery>,
) -> Result<Response, Refused> {
    let days = query.days.unwrap_or(DEFAULT_DAYS);
    let found = analytics::summary(app.authority(), &caller.call, days).await?;
    let decisions = found.course.total.decisions;
    let failing = found.failing_addresses.into_iter();
    let body = AnalyticsSummary {
        service_tokens: numbers(&found.totals),
        course: course(found.course, days),
        most_used: found.most_used.into_iter().map(used).collect(),
        failing_addresses: failing.map(|(name, tally)| ranked(Some(name), tally, decisions)).collect(),
    };
    Ok(json_no_store(StatusCode::OK, &body))
}

fn numbers(totals: &TokenTotals) -> TokenNumbers {
    TokenNumbers {
        total: totals.total,
        active: totals.active,
        superseded: totals.superseded,
        inactive: totals.inactive,
        expired: totals.expired,
        revoked: totals.revoked,
        expiring_within_7_days: totals.expiring_7_days,
        expiring_within_30_days: totals.expiring_30_days,
    }
}

pub(super) fn used(count: CredentialCount) -> UsedToken {
    UsedToken {
        token_id: count.credential_id.0,
        token_name: count.token_name,
        successes: count.successes,
        denials: count.failures,
        last_decision_at: view::time(count.last_at),
    }
}

pub(super) fn course(course: analytics::Course, days: u32) -> Course {
    let Tally { decisions, denials } = course.total;
    let successes = decisions.saturating_sub(denials);
    let code = |(code, denials)| CodeCount { code, denials };
    let day = |day: &analytics::Since| DayCount {
        day: view::time(day.begin).chars().take(10).collect(),
        decisions: day.tally.decisions,
        denials: day.tally.denials,
    };
    let hour = |hour: &analytics::Since| HourCount {
        hour: view::time(hour.begin),
        decisions: hour.tally.decisions,
        denials: hour.tally.denials,
    };
    Course {
        days,
        since: view::time(course.since),
        until: view::time(course.until),
        decisions,
        successes,
        denials,
        success_rate: (decisions > 0).then(|| share(successes, decisions)),
        denials_by_code: course.denials_by_code.into_iter().map(code).collect(),
        by_day: course.by_day.iter().map(day).collect(),
        last_48_hours: course.last_48_hours.iter().map(hour).collect(),
    }
}

fn ranking(ranking: analytics::Ranking, all: u64) -> Ranking {
    let known = |name: String| Some(name).filter(|name| !name.is_empty());
    Ranking {
        top: ranking.top.into_iter().map(|(name, tally)| ranked(known(name), tally, all)).collect(),
        other: ranked(None, ranking.other, all),
    }
}

fn ranked(name: Option<String>, tally: Tally, all: u64) -> RankedCount {
    let Tally { decisions, denials } = tally;
    RankedCount { name, decisions, denials, share: share(decisions, all) }
}

/// A part of a whole, to four digits.
#[expect(clippy::cast_precision_loss, reason = "four digits are told, and counts are far below 2^52")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0
}

fn latency(latency: analytics::Latency) -> Latency {
    let millis = |micros: f64| micros.round() / 1_000.0;
    Latency { p50_ms: millis(latency.p50), p95_ms: millis(latency.p95), p99_ms: millis(latency.p99) }
}
