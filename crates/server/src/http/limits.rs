//! Limits as they are told: in the headers of an answer, in words, and by themselves.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use keywright_api::WireEnum;
use keywright_api::verify::{LimitReach, LimitStates, RateLimit, RateWindow, ReachedLimit};
use keywright_core::{Budget, Grant};
use keywright_verify::{LimitState, Taken};

use super::App;
use super::answer::json_no_store;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// What an answer tells of the limits that its request came under: the tightest one, under the name of its window
/// (draft-ietf-httpapi-ratelimit-headers-11).
pub fn put(headers: &mut HeaderMap, taken: &Taken) {
    let LimitState { window, limit, remaining, reset_seconds } = taken.tightest;
    let (name, seconds) = (window.as_str(), window.seconds());
    let policy = format!("\"{name}\";q={limit};w={seconds}");
    let state = format!("\"{name}\";r={remaining};t={reset_seconds}");
    for (name, text) in [(POLICY, policy), (STATE, state)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
}

/// How much of its limits a credential has left.
pub async fn states(app: &App, grant: &Grant) -> Response {
    let (limiter, now) = (app.limiter(), app.authority().now());
    let budgets = grant.bounds.as_deref().map(|bounds| &*bounds.budgets).unwrap_or_default();
    let states = limiter.states(budgets, now).await;
    let reached = |(state, budget): (&LimitState, &Budget)| {
        let RateLimit { window, limit, remaining, reset_seconds } = self::state(state);
        ReachedLimit { of: reach(grant, budget), window, limit, remaining, reset_seconds }
    };
    let body = LimitStates {
        credential_id: grant.credential_id.0,
        rate_limit: LimitState::tightest(&states).map(|tightest| state(&tightest)),
        limits: states.iter().zip(budgets).map(reached).collect(),
        shared: !limiter.counts_here(),
    };
    json_no_store(StatusCode::OK, &body)
}

fn reach(grant: &Grant, budget: &Budget) -> LimitReach {
    if grant.account().is_some_and(|account| account.id.0 == budget.key) {
        LimitReach::ServiceAccount
    } else if grant.publisher().is_some_and(|publisher| publisher.0 == budget.key) {
        LimitReach::Publisher
    } else {
        LimitReach::Credential
    }
}

/// The state of a limit on the wire.
pub fn state(state: &LimitState) -> RateLimit {
    RateLimit {
        window: RateWindow::from_word(state.window.as_str()).unwrap_or(RateWindow::Minute),
        limit: state.limit,
        remaining: state.remaining,
        reset_seconds: state.reset_seconds,
    }
}

/// How a limit is told in words: "60 in any minute".
pub fn in_words(state: &LimitState) -> String {
    format!("{} in any {}", state.limit, state.window.as_str())
}
