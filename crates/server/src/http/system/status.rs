//! `GET /system/status`: for operators.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keywright_api::system::{
    CacheStatus, HealthStatus, JobOutcome, JobStatus, JournalGap, JournalStatus, JournalsStatus, NodeStatus,
    PlacesStatus, RateLimitStatus, StoreEngine, StoreStatus, SystemStatus as Body, TokenTotals,
    VerificationStatus,
};
use keywright_authority::jobs::JobReport;
use keywright_authority::status::{Report, StoreAnswer, report};
use keywright_core::Timestamp;
use keywright_store::Engine;
use keywright_verify::LimiterStatus;

use super::health::{Health, seconds};
use crate::http::answer::{Refused, json_no_store};
use crate::http::gate::{Caller, SystemStatus};
use crate::http::input::NoQuery;
use crate::http::{App, view};

/// A node is live when its last beat is younger than this, in microseconds.
const LIVE_MICROS: i64 = 5_000_000;

/// How every part of the authority is doing.
#[utoipa::path(
    get, path = "/system/status", tag = "system", operation_id = "get_system_status",
    responses((status = 200, description = "The status; a store that is away is told, not an error", body = Body),
        Refused),
)]
pub async fn status(
    State(app): State<App>,
    caller: Caller<SystemStatus>,
    _: NoQuery,
) -> Result<Response, Refused> {
    let report = report(app.authority(), &caller.call).await?;
    let health = Health::look(&app).await;
    Ok(json_no_store(StatusCode::OK, &body(&app, health, &report)))
}

fn body(app: &App, health: Health, report: &Report) -> Body {
    let authority = app.authority();
    let answer = report.store.as_ref();
    Body {
        status: health.overall(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node_id: authority.node().0,
        time: view::time(report.now),
        uptime_seconds: u64::try_from(app.uptime_micros() / 1_000_000).unwrap_or(0),
        clock_skew_seconds: seconds(report.skew_micros),
        verification: VerificationStatus {
            able: health.able_to_verify(),
            confirmed_seconds: report.unconfirmed_micros.map_or(-1.0, seconds),
            stale_grace_seconds: app.settings().stale_grace_seconds,
        },
        store: store(app, health, report),
        journal: journal(app),
        journals: answer.map(journals),
        cache: CacheStatus {
            entries: report.verifier.entries,
            hits: report.verifier.hits,
            misses: report.verifier.loads,
        },
        rate_limits: rate_limits(app),
        places: places(app),
        nodes: answer.map(|answer| nodes(answer, report.now, app)).unwrap_or_default(),
        jobs: jobs(app, report),
        service_tokens: answer.map(|answer| TokenTotals {
            total: answer.totals.total,
            active: answer.totals.active,
            superseded: answer.totals.superseded,
            inactive: answer.totals.inactive,
            expired: answer.totals.expired,
            revoked: answer.totals.revoked,
        }),
    }
}

fn store(app: &App, health: Health, report: &Report) -> StoreStatus {
    let answer = report.store.as_ref();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    StoreStatus {
        reachable: health.store == HealthStatus::Ok,
        engine: match app.authority().store().engine() {
            Engine::Sqlite => StoreEngine::Sqlite,
            Engine::Postgres => StoreEngine::Postgresql,
        },
        latency_seconds: answer.map(|answer| seconds(answer.latency_micros)),
        schema_version: answer.and_then(|answer| answer.schema_version),
        connections_in_use: count(report.pool.size.saturating_sub(report.pool.idle)),
        connections_max: count(report.pool.max),
    }
}

fn rate_limits(app: &App) -> RateLimitStatus {
    let LimiterStatus { shared, away, failures, budgets } = app.limiter().status();
    RateLimitStatus { shared, away, failures, budgets: budgets as u64 }
}

fn places(app: &App) -> Option<PlacesStatus> {
    let status = app.authority().store().places().status()?;
    Some(PlacesStatus { built_at: status.built_at.map(view::time), fault: status.fault })
}

fn journal(app: &App) -> JournalStatus {
    let status = app.journal().status(app.authority().now());
    JournalStatus {
        writable: status.writable,
        mode: app.settings().journal_mode,
        lag_seconds: seconds(status.lag_micros),
        pending_bytes: status.pending_bytes,
        bytes: status.bytes,
        max_bytes: status.max_bytes,
        id: app.journal().id().0,
        rejected: status.rejected,
        counted: status.counted,
        sync_failures: status.sync_failures,
        stuck_segments: status.stuck_segments as u64,
        damaged_segments: status.damaged_segments as u64,
    }
}

fn journals(answer: &StoreAnswer) -> JournalsStatus {
    let gap = |row: &keywright_store::journals::JournalRow| JournalGap {
        id: row.id.0,
        node_id: row.node.0,
        address: row.address.clone(),
        dir: row.dir.clone(),
        last_beat_at: view::time(row.last_beat_at),
        what_to_do: keywright_authority::journals::what_to_do(&row.dir),
    };
    JournalsStatus { gaps: answer.gaps.iter().map(gap).collect(), rejects: answer.rejects }
}

fn nodes(answer: &StoreAnswer, now: Timestamp, app: &App) -> Vec<NodeStatus> {
    let own = app.authority().node();
    let alone = !app.authority().has_peers();
    let view = |row: &keywright_store::nodes::NodeRow| NodeStatus {
        id: row.id.0,
        address: row.address.clone(),
        version: row.version.clone(),
        last_beat_at: view::time(if row.id == own && alone { now } else { row.last_beat_at }),
        live: row.stopped_at.is_none()
            && (row.id == own || (!alone && now.micros_since(row.last_beat_at) < LIVE_MICROS)),
    };
    answer.nodes.iter().map(view).collect()
}

fn jobs(app: &App, report: &Report) -> Vec<JobStatus> {
    let own = app.authority().node();
    let view = |job: &JobReport| {
        let run = job.run.as_ref();
        JobStatus {
            name: job.name.to_owned(),
            node_id: Some(job.held_by.unwrap_or(own).0),
            last_run_at: run.map(|run| view::time(run.began_at)),
            last_outcome: run.map(|run| if run.succeeded { JobOutcome::Done } else { JobOutcome::Failed }),
            last_duration_seconds: run.map(|run| seconds(run.duration_micros)),
            last_done: run.map(|run| run.done),
            backlog: job.backlog,
            next_run_at: run.map(|run| view::time(run.next_at)),
            successes: run.map_or(0, |run| run.successes),
            failures: run.map_or(0, |run| run.failures),
        }
    };
    report.jobs.iter().map(view).collect()
}
