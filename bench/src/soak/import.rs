//! An AUTH-2 database taken over: a million tokens, ten million events, killed on the way.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Stage;
use super::rows::Rows;
use crate::keywright::Setup;
use crate::process::Process;

/// All of it may take so long, what is done twice after the kills included.
const BOUND: Duration = Duration::from_mins(10);
/// What the process may hold at most, in bytes.
const MOST_RESIDENT: u64 = 400 * 1024 * 1024;
const DAYS: i64 = 90;
/// Rows made by one statement.
const SLICE: i64 = 1_000_000;

const SCHEMA: &str = "CREATE TABLE service_tokens (\
     id UUID PRIMARY KEY DEFAULT gen_random_uuid(), token_name VARCHAR(255) UNIQUE NOT NULL, \
     token_hash VARCHAR(64) UNIQUE NOT NULL, token_metadata JSONB NOT NULL DEFAULT '{}', \
     expires_at TIMESTAMP WITH TIME ZONE, is_active BOOLEAN NOT NULL DEFAULT TRUE, \
     usage_count INTEGER NOT NULL DEFAULT 0, last_used TIMESTAMP WITH TIME ZONE, \
     created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()); \
     CREATE TABLE authentication_events (\
     id UUID PRIMARY KEY DEFAULT gen_random_uuid(), user_email VARCHAR(255), service_token_name VARCHAR(255), \
     event_type VARCHAR(100) NOT NULL, success BOOLEAN NOT NULL, ip_address INET, user_agent TEXT, \
     endpoint VARCHAR(255), cloudflare_ray_id VARCHAR(50), error_details JSONB, \
     created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW())";
const INDEXES: &str =
    "CREATE INDEX idx_auth_events_created_at ON authentication_events (created_at); ANALYZE";

/// Takes one over.
pub(super) fn import(stage: &Stage) -> Result<Vec<String>> {
    let (tokens, events) =
        (stage.count("TOKENS", 1_000_000, 20_000)?, stage.count("EVENTS", 10_000_000, 100_000)?);
    let old = stage.database()?;
    let source = Rows::of(&old)?;
    let filling = Instant::now();
    fill(&source, tokens, events)?;
    let filled = filling.elapsed();
    let setup = Setup::new(&stage.program, Some(&stage.database()?))?.with("KEYWRIGHT_IMPORT_FROM", &old);
    setup.migrate()?;
    let target = Rows::of(&setup.database_url)?;
    let (begin, mut resident) = (Instant::now(), 0);
    // Within the tokens, early and late within the events. These are counted where it costs little: in the roll-ups.
    let (taken, decided) =
        ("SELECT COUNT(*) FROM imported_tokens", format!("SELECT {} WHERE {ALL}", sum("usage_daily")));
    for (counted, rows) in [(taken, tokens / 2), (&decided, events / 10), (&decided, events / 2)] {
        let mut running = start(&setup)?;
        while !running.has_ended()? && target.number(counted)? < rows {
            resident = resident.max(peak(&running));
            std::thread::sleep(Duration::from_secs(1));
        }
        running.kill()?;
    }
    let mut last = start(&setup)?;
    while !last.has_ended()? {
        resident = resident.max(peak(&last));
        std::thread::sleep(Duration::from_millis(100));
    }
    let took = begin.elapsed();
    let lines = checked(&setup, &target, (tokens, events))?;
    source.execute("DROP TABLE service_tokens, authentication_events")?;
    ensure!(took <= BOUND, "it took {took:?}");
    ensure!(resident <= MOST_RESIDENT, "the process held {resident} bytes");
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    let rate = (tokens + events) as f64 / took.as_secs_f64();
    let mut told = vec![
        format!(
            "{tokens} tokens and {events} events made in {filled:?}, taken over in {took:?}, killed three times"
        ),
        format!("{rate:.0} rows/s; the process held {} MB at most", resident / 1024 / 1024),
    ];
    told.extend(lines);
    Ok(told)
}

/// The roll-ups of all credentials together.
const ALL: &str = "credential_id = 'ffffffff-ffff-ffff-ffff-ffffffffffff'";

/// The decisions that a table of roll-ups counts.
fn sum(table: &str) -> String {
    format!("COALESCE(CAST(SUM(decisions) AS BIGINT), 0) FROM {table}")
}

fn start(setup: &Setup) -> Result<Process> {
    let mut command = setup.command(&["import", "auth2", "--quiet"]);
    Process::start(command.stdout(Stdio::null()).stderr(Stdio::inherit()))
}

/// The most that a process has held so far; 0 of one that has ended.
fn peak(process: &Process) -> u64 {
    process.peak_resident().unwrap_or(0)
}

/// That all of it is there once, and adds up.
fn checked(setup: &Setup, target: &Rows, (tokens, events): (i64, i64)) -> Result<Vec<String>> {
    let number = |what: &str| target.number(&format!("SELECT COUNT(*) FROM {what}"));
    for (what, wanted) in [
        ("service_tokens", tokens),
        ("imported_tokens", tokens),
        ("credential_usage", tokens),
        ("security_events WHERE type = 'token.imported'", tokens),
        ("authentication_events", events),
        ("(SELECT DISTINCT request_id FROM authentication_events) e", events),
        ("security_events WHERE seq IS NULL", 0),
    ] {
        let found = number(what)?;
        ensure!(found == wanted, "{found} rows in {what} instead of {wanted}");
    }
    for table in ["usage_hourly", "usage_daily"] {
        for condition in [ALL.to_owned(), format!("NOT {ALL}")] {
            let found = target.number(&format!("SELECT {} WHERE {condition}", sum(table)))?;
            ensure!(found == events, "{table} says {found} where {condition}, the rows {events}");
        }
    }
    let again = setup.command(&["import", "auth2", "--json"]).stderr(Stdio::inherit()).output()?;
    let again: Value = serde_json::from_slice(&again.stdout).context("the second run told nothing")?;
    ensure!(again["tokens"]["taken"] == 0 && again["events"]["taken"] == 0, "taken twice: {again}");
    Ok(vec![format!(
        "all of it is there once; {} rows of roll-ups by hour, {} by day, {} of sources",
        number("usage_hourly")?,
        number("usage_daily")?,
        number("usage_sources")?
    )])
}

/// As such systems are: most tokens are hardly used, a few thousand make most of the events.
fn fill(source: &Rows, tokens: i64, events: i64) -> Result<()> {
    source.execute(SCHEMA)?;
    for from in (1..=tokens).step_by(usize::try_from(SLICE)?) {
        let to = tokens.min(from + SLICE - 1);
        source.execute(&format!(
            "INSERT INTO service_tokens (token_name, token_hash, token_metadata, expires_at, usage_count, last_used, \
             created_at) SELECT 'token-' || n, encode(sha256(('sk_' || lpad(to_hex(n), 64, '0'))::bytea), 'hex'), \
             jsonb_build_object('permissions', jsonb_build_array('api_read', 'works:read'), 'team', 'team-' || n % 50), \
             NOW() + INTERVAL '1 year', 1 + n % 1000, NOW() - INTERVAL '1 hour', \
             NOW() - INTERVAL '300 days' + n * INTERVAL '10 seconds' FROM generate_series({from}, {to}) n"
        ))?;
    }
    for from in (1..=events).step_by(usize::try_from(SLICE)?) {
        let to = events.min(from + SLICE - 1);
        source.execute(&format!(
            "INSERT INTO authentication_events (service_token_name, event_type, success, ip_address, user_agent, \
             endpoint, cloudflare_ray_id, error_details, created_at) \
             SELECT 'token-' || 1 + ({tokens} * power(r, 8))::BIGINT % {tokens}, 'service_token_auth', n % 50 > 0, \
             ('10.0.' || n % 4 || '.' || (r * 40)::INT)::inet, 'agent/' || n % 3, '/api/v1/works/' || n % 1000, \
             to_hex(n), CASE WHEN n % 50 = 0 THEN '{{\"error\": \"token_expired\"}}'::jsonb END, \
             NOW() - INTERVAL '{DAYS} days' + n * (INTERVAL '{DAYS} days' / {events}) \
             FROM (SELECT n, random() AS r FROM generate_series({from}, {to}) n) g"
        ))?;
    }
    source.execute(INDEXES)
}
