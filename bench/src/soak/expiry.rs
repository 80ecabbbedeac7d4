//! A hundred thousand credentials that end within thirty days.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Node, Stage};

/// A round over all of them may take this long.
const BOUND: Duration = Duration::from_secs(10);

/// In a round right after another, at most so many come within their next threshold: one of them ends every 25 s.
const CROSSING: i64 = 20;

/// The first round tells each of them, the next one only those that have come within another threshold meanwhile.
pub(super) fn expiry(stage: &Stage) -> Result<Vec<String>> {
    let mut node = stage.node(Some(&stage.database()?), &[])?;
    node.server.process.leave()?;
    let tokens = stage.pick(100_000, 5_000);
    let rows = node.rows()?;
    rows.execute(&fill(tokens))?;
    rows.execute("ANALYZE")?;
    let mut lines = Vec::new();
    for (what, expected) in [("first round", tokens..=tokens), ("next round", 0..=CROSSING)] {
        node.server = node.setup.serve()?;
        let (took, told) = round(&node)?;
        ensure!(expected.contains(&told), "{what}: {told} alerts, {expected:?} expected");
        ensure!(took <= BOUND, "{what}: {took:?}");
        let used = node.server.process.used()?.resident / (1024 * 1024);
        lines.push(format!("{what} over {tokens} tokens: {took:?}, {told} alerts, {used} MiB resident"));
        node.server.process.leave()?;
    }
    Ok(lines)
}

/// How long the round at the start took, and how many alerts it opened.
fn round(node: &Node) -> Result<(Duration, i64)> {
    let start = Instant::now();
    loop {
        let status = node.server.status(&node.root)?;
        let jobs = status["jobs"].as_array().context("no jobs")?;
        let monitor = jobs.iter().find(|job| job["name"] == "monitor").context("no monitor")?;
        if monitor["last_outcome"] == "done" {
            let seconds = monitor["last_duration_seconds"].as_f64().context("no duration")?;
            let done = monitor["last_done"].as_i64().context("no count")?;
            return Ok((Duration::from_secs_f64(seconds), done));
        }
        ensure!(monitor["last_outcome"] == Value::Null, "the round failed: {monitor}");
        ensure!(start.elapsed() < Duration::from_mins(2), "no round in {:?}", start.elapsed());
        // The status counts all tokens: asked for more often it would be most of the work.
        std::thread::sleep(Duration::from_secs(2));
    }
}

/// Copies of a token, which end evenly spread over thirty days.
fn fill(tokens: i64) -> String {
    format!(
        "INSERT INTO service_tokens (id, token_name, name_folded, token_hash, token_hint, permissions, metadata, \
         is_active, expires_at, epoch, created_by_type, created_by_name, created_at, updated_at, version) \
         SELECT gen_random_uuid(), 'ends-' || n, 'ends-' || n, sha256(('ends-' || n)::bytea), token_hint, permissions, \
         metadata, TRUE, clock_timestamp() + interval '1 hour' + n * interval '29 days' / {tokens}, epoch, \
         created_by_type, created_by_name, clock_timestamp(), clock_timestamp(), 1 \
         FROM (SELECT * FROM service_tokens WHERE token_name = 'soak-0') t, generate_series(1, {tokens}) AS n"
    )
}
