//! `GET /system/health`: public, says little.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::system::{HealthStatus, SystemHealth};
use keywright_authority::status::store_answers;
use keywright_verify::clock::boot_micros;

use crate::http::App;
use crate::http::answer::json_no_store;
use crate::http::input::NoQuery;

/// A journal that is further behind than this is not well, in seconds.
const LAG_SECONDS: f64 = 60.0;

/// How the parts are.
#[derive(Clone, Copy, Debug)]
pub struct Health {
    /// The store answers.
    pub store: HealthStatus,
    /// Decisions can be recorded.
    pub journal: HealthStatus,
    /// Known credentials can be decided on.
    pub verification: HealthStatus,
    /// How far the audit is behind.
    pub journal_lag_seconds: f64,
}

impl Health {
    /// Looks.
    pub async fn look(app: &App) -> Self {
        let authority = app.authority();
        let journal = app.journal().status(authority.now());
        let store = if store_answers(authority).await { HealthStatus::Ok } else { HealthStatus::Unavailable };
        let lag = seconds(journal.lag_micros);
        let journal = match (journal.writable, lag > LAG_SECONDS) {
            (false, _) => HealthStatus::Unavailable,
            (true, true) => HealthStatus::Degraded,
            (true, false) => HealthStatus::Ok,
        };
        let verification = if journal == HealthStatus::Unavailable {
            HealthStatus::Unavailable
        } else if store == HealthStatus::Ok {
            HealthStatus::Ok
        } else if in_grace(app) {
            HealthStatus::Degraded
        } else {
            HealthStatus::Unavailable
        };
        Self { store, journal, verification, journal_lag_seconds: lag }
    }

    /// Whether known credentials get an answer.
    pub fn able_to_verify(self) -> bool {
        self.verification != HealthStatus::Unavailable
    }

    /// The worst of all, but for a store that is bridged.
    pub fn overall(self) -> HealthStatus {
        if self.verification == HealthStatus::Unavailable {
            HealthStatus::Unavailable
        } else if [self.store, self.journal, self.verification].iter().all(|part| *part == HealthStatus::Ok) {
            HealthStatus::Ok
        } else {
            HealthStatus::Degraded
        }
    }
}

fn in_grace(app: &App) -> bool {
    let lag = app.authority().verifier().freshness().lag_micros(boot_micros());
    lag.is_some_and(|lag| seconds(lag) <= f64::from(app.settings().stale_grace_seconds))
}

/// Microseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "shown to people: 285 years fit in 53 bits")]
pub fn seconds(micros: i64) -> f64 {
    micros as f64 / 1_000_000.0
}

/// How the authority is, in a word for each part.
#[utoipa::path(
    get, path = "/system/health", tag = "system", operation_id = "get_system_health", security(()),
    responses((status = 200, description = "It works, perhaps with less than all its parts", body = SystemHealth),
        (status = 503, description = "It cannot verify", body = SystemHealth),
        (status = "4XX", description = "Refused", body = keywright_api::problem::Document, content_type = "application/problem+json")),
)]
pub async fn health(State(app): State<App>, _: NoQuery) -> Response {
    let health = Health::look(&app).await;
    let status = if health.able_to_verify() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = SystemHealth {
        status: health.overall(),
        verification: health.verification,
        store: health.store,
        journal: health.journal,
    };
    json_no_store(status, &body)
}
