//! Lists, analytics and exports over ten million events.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{Node, Stage};
use crate::script::Request;

/// p95 of a list or of analytics may take this long.
const BOUND: Duration = Duration::from_millis(50);
const DAYS: i64 = 30;

/// What is asked, and its path for a credential.
type Question = (&'static str, fn(&str) -> String);

/// On PostgreSQL.
pub(super) fn postgres(stage: &Stage) -> Result<Vec<String>> {
    let node = stage.node(Some(&stage.database()?), &[])?;
    let events = stage.pick(10_000_000, 200_000);
    let start = Instant::now();
    let rows = node.rows()?;
    let slice = 500_000.min(events);
    for from in (0..events).step_by(usize::try_from(slice)?) {
        rows.execute(&fill_postgres(from, slice, events))?;
    }
    rows.execute(ROLL_UP_POSTGRES)?;
    rows.execute("ANALYZE")?;
    measured(stage, node, start.elapsed(), events)
}

/// On SQLite, with a tenth of them.
pub(super) fn sqlite(stage: &Stage) -> Result<Vec<String>> {
    let mut node = stage.node(None, &[])?;
    node.server.process.leave()?;
    let events = stage.pick(1_000_000, 50_000);
    let start = Instant::now();
    let rows = node.rows()?;
    rows.execute(&fill_sqlite(events))?;
    rows.execute(ROLL_UP_SQLITE)?;
    rows.execute("ANALYZE")?;
    node.server = node.setup.serve()?;
    measured(stage, node, start.elapsed(), events)
}

fn measured(stage: &Stage, mut node: Node, filled: Duration, events: i64) -> Result<Vec<String>> {
    let tokens = node.server.call(Request::get("/api/v1/auth/tokens?limit=50", &node.root), 200)?;
    let ids: Vec<String> = tokens["items"]
        .as_array()
        .context("no list")?
        .iter()
        .filter_map(|item| item["id"].as_str().map(str::to_owned))
        .collect();
    let mut lines = vec![format!("{events} events, made in {filled:?}")];
    let paths: [Question; 7] = [
        ("newest events", |_| "/api/v1/audit/authentication-events".to_owned()),
        ("events of a credential", |id| {
            format!("/api/v1/audit/authentication-events?credential_id={id}&limit=200")
        }),
        ("failures", |_| "/api/v1/audit/authentication-events?success=false".to_owned()),
        ("denials of one code", |_| "/api/v1/audit/authentication-events?code=expired".to_owned()),
        ("security events", |_| "/api/v1/audit/security-events".to_owned()),
        ("analytics of a credential", |id| format!("/api/v1/auth/tokens/{id}/analytics?days=30")),
        ("summary", |_| "/api/v1/analytics/summary?days=30".to_owned()),
    ];
    let mut slow = Vec::new();
    for (what, path) in paths {
        let mut times = Vec::new();
        for id in ids.iter().cycle().take(stage.pick(100, 20)) {
            let path = path(id);
            let start = Instant::now();
            node.server.call(Request::get(&path, &node.root), 200).with_context(|| path.clone())?;
            times.push(start.elapsed());
        }
        times.sort();
        let p95 = times[times.len() * 95 / 100];
        lines.push(format!("{what}: p50 {:?}, p95 {p95:?}", times[times.len() / 2]));
        if p95 > BOUND {
            slow.push(what);
        }
    }
    node.server.process.leave()?;
    ensure!(slow.is_empty(), "beyond {BOUND:?}: {slow:?}; {}", lines.join("; "));
    Ok(lines)
}

/// Events of the tokens that there are, spread over [`DAYS`] days; one of fifty is a denial.
fn fill_postgres(from: i64, count: i64, events: i64) -> String {
    format!(
        "WITH t AS (SELECT array_agg(id) AS ids FROM service_tokens) \
         INSERT INTO authentication_events (occurred_at, id, event_type, success, code, occurrences, \
         credential_id, token_name, principal_type, principal_id, ip_address, user_agent, method, endpoint, \
         request_id, latency_micros, stale, node_id) \
         SELECT clock_timestamp() - (({events} - n) * interval '{DAYS} days' / {events}), gen_random_uuid(), 'verify', \
         n % 50 <> 0, CASE WHEN n % 50 <> 0 THEN 'valid' WHEN n % 100 = 0 THEN 'expired' ELSE 'revoked' END, 1, \
         t.ids[1 + n % array_length(t.ids, 1)], 'soak', 'service_token', t.ids[1 + n % array_length(t.ids, 1)], \
         ('10.0.' || n % 4 || '.' || n % 17)::inet, 'agent/' || n % 5, 'GET', '/works/' || n % 7, \
         'filled-' || n, 10 + n % 400, FALSE, gen_random_uuid() \
         FROM generate_series({from}, {from} + {count} - 1) AS n, t"
    )
}

fn fill_sqlite(events: i64) -> String {
    format!(
        "WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {events} - 1), \
         t AS MATERIALIZED (SELECT id, ROW_NUMBER() OVER () - 1 AS place, COUNT(*) OVER () AS count FROM service_tokens) \
         INSERT INTO authentication_events (occurred_at, id, event_type, success, code, occurrences, \
         credential_id, token_name, principal_type, principal_id, ip_address, user_agent, method, endpoint, \
         request_id, latency_micros, stale, node_id) \
         SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER) - ({events} - n) * ({DAYS} * 86400000000 / {events}), \
         randomblob(16), 'verify', n % 50 <> 0, \
         CASE WHEN n % 50 <> 0 THEN 'valid' WHEN n % 100 = 0 THEN 'expired' ELSE 'revoked' END, 1, t.id, 'soak', \
         'service_token', t.id, '10.0.' || (n % 4) || '.' || (n % 17), 'agent/' || (n % 5), 'GET', '/works/' || (n % 7), \
         'filled-' || n, 10 + n % 400, 0, randomblob(16) \
         FROM n JOIN t ON t.place = n % t.count"
    )
}

/// The roll-ups of what was filled in, as the mover would have kept them, for each credential and for
/// all together.
const ROLL_UP_POSTGRES: &str = "WITH e AS (SELECT c.credential_id, e.occurred_at, e.code, e.success, \
     host(e.ip_address) AS address, e.user_agent FROM authentication_events e, \
     LATERAL (VALUES (e.credential_id), ('ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)) AS c (credential_id) \
     WHERE e.request_id LIKE 'filled-%'), \
     hourly AS (INSERT INTO usage_hourly (credential_id, hour, endpoint_group, code, country, decisions, latency_0, \
     latency_1, latency_2, latency_3, latency_4, latency_5, latency_6, latency_7, first_at, last_at) \
     SELECT credential_id, date_trunc('hour', occurred_at, 'UTC'), '/works/{id}', code, '', COUNT(*), 0, COUNT(*), 0, 0, \
     0, 0, 0, 0, MIN(occurred_at), MAX(occurred_at) FROM e GROUP BY 1, 2, 4 ON CONFLICT DO NOTHING), \
     daily AS (INSERT INTO usage_daily (day, credential_id, code, decisions, last_at) \
     SELECT date_trunc('day', occurred_at, 'UTC'), credential_id, code, COUNT(*), MAX(occurred_at) FROM e GROUP BY 1, 2, 3 ON CONFLICT DO NOTHING), \
     addresses AS (INSERT INTO usage_sources (credential_id, day, kind, label, decisions, failures, first_at, last_at) \
     SELECT credential_id, date_trunc('day', occurred_at, 'UTC'), 'address', address, COUNT(*), \
     COUNT(*) FILTER (WHERE NOT success), MIN(occurred_at), MAX(occurred_at) FROM e GROUP BY 1, 2, 4 \
     ON CONFLICT DO NOTHING) \
     INSERT INTO usage_sources (credential_id, day, kind, label, decisions, failures, first_at, last_at) \
     SELECT credential_id, date_trunc('day', occurred_at, 'UTC'), 'user_agent', user_agent, COUNT(*), \
     COUNT(*) FILTER (WHERE NOT success), MIN(occurred_at), MAX(occurred_at) FROM e GROUP BY 1, 2, 4 \
     ON CONFLICT DO NOTHING";

const ROLL_UP_SQLITE: &str = "CREATE TEMP TABLE e AS SELECT credential_id, occurred_at, code, success, ip_address, \
     user_agent FROM authentication_events WHERE request_id LIKE 'filled-%'; \
     INSERT INTO temp.e SELECT unhex('ffffffffffffffffffffffffffffffff'), occurred_at, code, success, ip_address, \
     user_agent FROM authentication_events WHERE request_id LIKE 'filled-%'; \
     INSERT OR IGNORE INTO usage_hourly (credential_id, hour, endpoint_group, code, country, decisions, latency_0, \
     latency_1, latency_2, latency_3, latency_4, latency_5, latency_6, latency_7, first_at, last_at) \
     SELECT credential_id, occurred_at / 3600000000 * 3600000000, '/works/{id}', code, '', COUNT(*), 0, COUNT(*), 0, 0, 0, 0, \
     0, 0, MIN(occurred_at), MAX(occurred_at) FROM temp.e GROUP BY 1, 2, 4; \
     INSERT OR IGNORE INTO usage_daily (day, credential_id, code, decisions, last_at) \
     SELECT occurred_at / 86400000000 * 86400000000, credential_id, code, COUNT(*), MAX(occurred_at) FROM temp.e GROUP BY 1, 2, 3; \
     INSERT OR IGNORE INTO usage_sources (credential_id, day, kind, label, decisions, failures, first_at, last_at) \
     SELECT credential_id, occurred_at / 86400000000 * 86400000000, 'address', ip_address, COUNT(*), \
     SUM(NOT success), MIN(occurred_at), MAX(occurred_at) FROM temp.e GROUP BY 1, 2, 4; \
     INSERT OR IGNORE INTO usage_sources (credential_id, day, kind, label, decisions, failures, first_at, last_at) \
     SELECT credential_id, occurred_at / 86400000000 * 86400000000, 'user_agent', user_agent, COUNT(*), \
     SUM(NOT success), MIN(occurred_at), MAX(occurred_at) FROM temp.e GROUP BY 1, 2, 4";
