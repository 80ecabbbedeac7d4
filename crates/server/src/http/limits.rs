//! Limits as they are told: in the headers of an answer, in words, and by themselves.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use keywright_api::WireEnum;
use keywright_api::verify::{
    AccountLimitStates, LimitReach, LimitStates, RateLimit, RateWindow, ReachedLimit,
};
use keywright_core::{Budget, Grant, ServiceAccountId};
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
    let budgets = grant.bounds.as_deref().map(|bounds| &*bounds.budgets).unwrap_or_default();
    let (rate_limit, limits) = left(app, budgets, |budget| reach(grant, budget)).await;
    let shared = !app.limiter().counts_here();
    let credential_id = grant.credential_id.0;
    json_no_store(StatusCode::OK, &LimitStates { credential_id, rate_limit, limits, shared })
}

/// How much is left of what all tokens of an account take from.
pub async fn states_of_account(app: &App, id: ServiceAccountId, budgets: &[Budget]) -> Response {
    let reach = |budget: &Budget| {
        if budget.key == id.0 { LimitReach::ServiceAccount } else { LimitReach::Publisher }
    };
    let (rate_limit, limits) = left(app, budgets, reach).await;
    let (service_account_id, shared) = (id.0, !app.limiter().counts_here());
    json_no_store(StatusCode::OK, &AccountLimitStates { service_account_id, rate_limit, limits, shared })
}

/// The tightest of these budgets, and each of them.
async fn left(
    app: &App,
    budgets: &[Budget],
    reach: impl Fn(&Budget) -> LimitReach,
) -> (Option<RateLimit>, Vec<ReachedLimit>) {
    let states = app.limiter().states(budgets, app.authority().now()).await;
    let reached = |(state, budget): (&LimitState, &Budget)| {
        let RateLimit { window, limit, remaining, reset_seconds } = self::state(state);
        ReachedLimit { of: reach(budget), window, limit, remaining, reset_seconds }
    };
    let tightest = LimitState::tightest(&states).map(|tightest| state(&tightest));
    (tightest, states.iter().zip(budgets).map(reached).collect())
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
