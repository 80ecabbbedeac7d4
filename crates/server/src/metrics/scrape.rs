//! One answer to Prometheus: everything that the parts of this node know, without asking the store.

use std::fmt;

use keywright_authority::jobs::JobRun;
use keywright_store::Engine;
use keywright_verify::clock::boot_micros;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::process::Process;
use super::streams::streams;
use super::text::{Families, Labels};
use crate::http::App;
use crate::http::system::health::seconds;

/// All metrics of this node, as text. It works while the store is away.
pub fn scrape(app: &App) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Node(app.clone())));
    let mut text = String::with_capacity(32 * 1024);
    // Writing to a text fails never.
    let _ = encode(&mut text, &registry);
    text
}

struct Node(App);

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Node")
    }
}

impl Collector for Node {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut to = Families::new(encoder);
        decisions(&self.0, &mut to);
        requests(&self.0, &mut to);
        cache(&self.0, &mut to);
        streams(&self.0, &mut to);
        limits(&self.0, &mut to);
        store(&self.0, &mut to);
        issuers(&self.0, &mut to);
        journal(&self.0, &mut to);
        nodes(&self.0, &mut to);
        jobs(&self.0, &mut to);
        mail(&self.0, &mut to);
        notifications(&self.0, &mut to);
        build(&self.0, &mut to);
        process(&self.0, &mut to);
        to.finish()
    }
}

fn decisions(app: &App, to: &mut Families<'_>) {
    let decisions = app.journal().decisions();
    to.counters(
        "keywright_decisions",
        "Decisions about credentials, by what was asked and how it ended",
        decisions.recorded.iter().map(|(kind, code, count)| {
            let labels: Labels<'_> = vec![("kind", kind.as_str().into()), ("code", code.as_str().into())];
            (labels, *count)
        }),
    );
    to.counter(
        "keywright_decisions_unrecorded",
        "Decisions that were not answered, since the journal did not take their record",
        decisions.unrecorded,
    );
    to.durations(
        "keywright_verification_duration_seconds",
        "Time from the arrival of a verification to its answer, its record included",
        [(Labels::new(), app.requests().verification_durations())],
    );
}

fn requests(app: &App, to: &mut Families<'_>) {
    to.counters(
        "keywright_http_requests",
        "Answered HTTP requests, by route, method and class of status",
        app.requests().counts().into_iter().map(|told| {
            let labels: Labels<'_> = vec![
                ("route", told.route.into()),
                ("method", told.method.into()),
                ("status", told.status.into()),
            ];
            (labels, told.count)
        }),
    );
    to.durations(
        "keywright_http_request_duration_seconds",
        "Time from the arrival of a request to its answer, verifications left out",
        app.requests()
            .durations()
            .into_iter()
            .map(|(route, durations)| (vec![("route", route.into())], durations)),
    );
    to.gauge(
        "keywright_http_connections",
        "Open connections of clients",
        float(app.requests().connections()),
    );
}

fn cache(app: &App, to: &mut Families<'_>) {
    let told = app.authority().verifier().statistics();
    to.counters(
        "keywright_cache_lookups",
        "Look-ups of credentials: known (hit), known to be nobody's (unknown), or to be asked for (miss)",
        [("hit", told.hits), ("unknown", told.unknown_hits), ("miss", told.misses)]
            .map(|(result, count)| (vec![("result", result.into())], count)),
    );
    to.gauges(
        "keywright_cache_entries",
        "Credentials in memory, and hashes remembered as nobody's",
        [("grant", told.entries), ("unknown", told.unknown_entries)]
            .map(|(kind, count)| (vec![("kind", kind.into())], float(count))),
    );
    to.counter(
        "keywright_stale_answers",
        "Look-ups answered in the stale grace, while the store was away",
        told.stale,
    );
    to.counter(
        "keywright_unavailable_answers",
        "Look-ups that could not be answered, as neither cache nor store knew in time",
        told.unavailable,
    );
    to.counter("keywright_store_loads", "Questions to the store about a credential", told.loads);
    to.counter(
        "keywright_store_load_failures",
        "Questions to the store about a credential that it did not answer in time",
        told.failed_loads,
    );
    to.gauge("keywright_store_load_waiting", "Misses that wait for their turn to ask", float(told.waiting));
}

/// The names are the operator's, from the configuration.
fn issuers(app: &App, to: &mut Families<'_>) {
    to.gauge(
        "keywright_remembered_tokens",
        "JWTs whose signature was verified and is not verified again",
        float(app.tokens().remembered() as u64),
    );
    let told = app.tokens().issuers();
    let fetches = told.iter().flat_map(|issuer| {
        [("ok", issuer.fetches), ("failed", issuer.failures)].map(|(result, count)| {
            let labels: Labels<'_> = vec![("issuer", (&*issuer.name).into()), ("result", result.into())];
            (labels, count)
        })
    });
    to.counters("keywright_issuer_fetches", "Fetches of the keys of other issuers", fetches);
    let ages = told.iter().filter_map(|issuer| {
        let labels: Labels<'_> = vec![("issuer", (&*issuer.name).into())];
        Some((labels, float(issuer.age_seconds?)))
    });
    to.gauges(
        "keywright_issuer_keys_age_seconds",
        "Time since the keys of an issuer were fetched last",
        ages,
    );
}

fn limits(app: &App, to: &mut Families<'_>) {
    let told = app.limiter().status();
    to.gauge(
        "keywright_rate_limit_budgets",
        "Budgets of credentials, accounts and publishers that this node counts",
        float(told.budgets),
    );
    to.gauge(
        "keywright_rate_limit_away",
        "1 while this node counts by itself, as the server that all share cannot be reached",
        flag(told.away),
    );
    to.counter(
        "keywright_rate_limit_failures",
        "Times that the server that all share gave no answer, or not in time",
        told.failures,
    );
    let places = app.authority().store().places().status();
    to.gauge(
        "keywright_places_fault",
        "1 while the database of places, as it is now, cannot be read",
        flag(places.is_some_and(|places| places.fault.is_some())),
    );
}

fn store(app: &App, to: &mut Families<'_>) {
    let away = app.authority().verifier().store_is_away();
    to.gauge(
        "keywright_store_breaker_open",
        "1 while the store is taken to be away, and asked by one probe at a time only",
        flag(away),
    );
    let pool = app.authority().store().pool();
    let used = pool.size.saturating_sub(pool.idle);
    to.gauges(
        "keywright_store_connections",
        "Open connections to the store",
        [("used", used), ("idle", pool.idle)]
            .map(|(state, count)| (vec![("state", state.into())], float(count))),
    );
    to.gauge("keywright_store_connections_max", "Most connections to the store", float(pool.max));
    to.gauge(
        "keywright_store_connections_waiting",
        "Callers that wait for a connection to the store",
        float(pool.waiting),
    );
}

fn journal(app: &App, to: &mut Families<'_>) {
    let journal = app.journal();
    let status = journal.status(app.authority().now());
    to.gauge(
        "keywright_journal_writable",
        "1 while decisions can be recorded; at 0 none is answered",
        flag(status.writable),
    );
    to.gauge("keywright_journal_bytes", "Bytes of the journal's files", float(status.bytes));
    to.gauge("keywright_journal_max_bytes", "Most bytes of the journal's files", float(status.max_bytes));
    to.gauge(
        "keywright_journal_pending_bytes",
        "Bytes of records that the store does not have yet",
        float(status.pending_bytes),
    );
    to.gauge(
        "keywright_journal_lag_seconds",
        "Age of the oldest record that the store may not have yet",
        seconds(status.lag_micros),
    );
    to.counter(
        "keywright_journal_rejected_records",
        "Records that the store will never take; they are kept apart",
        status.rejected,
    );
    to.counter(
        "keywright_journal_counted_records",
        "Records of a flood that were only counted, and not kept one by one",
        status.counted,
    );
    to.counter(
        "keywright_journal_sync_failures",
        "Times that the journal could not be brought to the disk",
        status.sync_failures,
    );
    to.gauges(
        "keywright_journal_held_segments",
        "Segments that stay, as they cannot be read on (stuck) or were found damaged at the start (damaged)",
        [("stuck", status.stuck_segments), ("damaged", status.damaged_segments)]
            .map(|(state, count)| (vec![("state", state.into())], float(count))),
    );
    to.counter(
        "keywright_journal_appended_bytes",
        "Bytes of records appended to the journal",
        journal.appended_bytes(),
    );
}

fn nodes(app: &App, to: &mut Families<'_>) {
    let authority = app.authority();
    let lag = authority.verifier().freshness().lag_micros(boot_micros());
    to.gauge(
        "keywright_listener_lag_seconds",
        "Age of the newest heartbeat that came back: up to there the cache is known to be right. Missing \
         before the first",
        lag.map(seconds),
    );
    to.gauge(
        "keywright_clock_skew_seconds",
        "How far the time that decisions are made by is ahead of this machine's clock",
        seconds(authority.clock().skew_micros()),
    );
}

fn jobs(app: &App, to: &mut Families<'_>) {
    let runs = app.authority().board().runs();
    let each = |told: fn(&JobRun) -> f64| {
        let labelled = runs.iter().map(move |(name, run)| (vec![("job_name", (*name).into())], told(run)));
        labelled.collect::<Vec<_>>()
    };
    to.gauges(
        "keywright_job_last_run_timestamp_seconds",
        "When a job of this node began its last run",
        each(|run| seconds(run.began_at.as_micros())),
    );
    to.gauges(
        "keywright_job_last_duration_seconds",
        "How long that took",
        each(|run| seconds(run.duration_micros)),
    );
    to.gauges("keywright_job_last_success", "Whether that went through", each(|run| flag(run.succeeded)));
    to.gauges(
        "keywright_job_last_items",
        "Pieces of work that it found and did: what stays high is a backlog",
        each(|run| float(run.done)),
    );
    to.counters(
        "keywright_job_runs",
        "Runs of a job since the start",
        runs.iter().flat_map(|(name, run)| {
            [("done", run.successes), ("failed", run.failures)].map(|(outcome, count)| {
                let labels: Labels<'_> = vec![("job_name", (*name).into()), ("outcome", outcome.into())];
                (labels, count)
            })
        }),
    );
}

fn mail(app: &App, to: &mut Families<'_>) {
    let counts = app.authority().mail().counts();
    to.gauge(
        "keywright_mail_queued",
        "Mails in the store that are neither delivered nor given up. Missing before the first look",
        counts.waiting.map(|waiting| float(waiting.count)),
    );
    let now = app.authority().now();
    to.gauge(
        "keywright_mail_oldest_age_seconds",
        "Age of the oldest of them; 0 where there is none",
        counts
            .waiting
            .map(|waiting| waiting.oldest_at.map_or(0.0, |oldest| seconds(now.micros_since(oldest)))),
    );
    to.counters(
        "keywright_mail_attempts",
        "Attempts of this node to deliver a mail: delivered, failed and to be repeated, or given up",
        [("delivered", counts.delivered), ("failed", counts.failed), ("given_up", counts.given_up)]
            .map(|(outcome, count)| (vec![("outcome", outcome.into())], count)),
    );
}

fn notifications(app: &App, to: &mut Families<'_>) {
    let counts = app.authority().notifications().counts();
    to.gauge(
        "keywright_notifications_queued",
        "Notifications in the store that wait to be delivered. Missing before the first look",
        counts.waiting.map(|waiting| float(waiting.count)),
    );
    let now = app.authority().now();
    to.gauge(
        "keywright_notifications_oldest_age_seconds",
        "Age of the oldest of them; 0 where there is none",
        counts
            .waiting
            .map(|waiting| waiting.oldest_at.map_or(0.0, |oldest| seconds(now.micros_since(oldest)))),
    );
    to.gauge(
        "keywright_notifications_dead",
        "Notifications that were given up within a day",
        counts.waiting.map(|waiting| float(waiting.dead)),
    );
    to.counters(
        "keywright_notification_attempts",
        "Attempts of this node to deliver a notification: delivered, failed and to be repeated, or given up",
        [("delivered", counts.delivered), ("failed", counts.failed), ("given_up", counts.given_up)]
            .map(|(outcome, count)| (vec![("outcome", outcome.into())], count)),
    );
}

fn build(app: &App, to: &mut Families<'_>) {
    let engine = match app.authority().store().engine() {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgresql",
    };
    let labels = vec![
        ("version", env!("CARGO_PKG_VERSION").into()),
        ("engine", engine.into()),
        ("node_id", app.authority().node().to_string().into()),
    ];
    to.info("keywright_build", "Version of this node, engine of its store, and its id", &labels);
}

fn process(app: &App, to: &mut Families<'_>) {
    let process = Process::look();
    to.counter_of_seconds("process_cpu_seconds", "Time that its threads were running", process.cpu_seconds);
    to.gauge(
        "process_start_time_seconds",
        "When it started, by this machine's clock",
        seconds(app.started_at().as_micros()),
    );
    to.gauge("process_resident_memory_bytes", "Memory that it holds", process.resident_bytes.map(float));
    to.gauge("process_open_fds", "Open files and connections", process.open_fds.map(float));
    to.gauge("process_max_fds", "Most files and connections that it may open", process.max_fds.map(float));
    to.gauge("process_threads", "Threads", process.threads.map(float));
}

const fn flag(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

/// Prometheus has no other numbers.
#[expect(clippy::cast_precision_loss, reason = "beyond 53 bits a gauge may be off by one")]
pub(super) fn float(number: impl TryInto<i64>) -> f64 {
    number.try_into().unwrap_or(i64::MAX) as f64
}
