//! Kills, outages, and journals that fill.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::ledger::{Clients, Fate, Ledger};
use super::{Node, Stage, postgres_control};
use crate::http;
use crate::keywright::VERIFY;
use crate::script::Request;

const CLIENTS: usize = 16;
/// A process that was killed answers again within this (promise 5).
const READY: Duration = Duration::from_secs(2);
/// Everything is in the store this long after the last answer, in an idle machine's time.
const MOVED: Duration = Duration::from_mins(3);

/// `kill -9` under load, again and again on the same directory.
pub(super) fn kills(stage: &Stage, database: Option<&str>) -> Result<Vec<String>> {
    let mut node = stage.node(database, &[])?;
    let (mut ledger, mut slowest) = (Ledger::default(), Duration::ZERO);
    let kills = stage.pick(20, 3);
    for round in 0..kills {
        let clients = Clients::start(node.server.address, &node.tokens, CLIENTS, &format!("soak-{round}"));
        // Never at the same moment of the syncer's and the mover's rounds.
        std::thread::sleep(Duration::from_millis(700 + 137 * (round % 9)));
        node.server.process.kill()?;
        ledger.add(clients.finish()?);
        let start = Instant::now();
        node.server = node.setup.serve_at(node.server.address)?;
        slowest = slowest.max(start.elapsed());
    }
    ensure!(slowest <= READY, "ready only {slowest:?} after a crash");
    let moved = node.until_moved(MOVED)?;
    let rows = node.rows()?.check(&ledger)?;
    node.server.process.leave()?;
    Ok(vec![
        rows,
        format!("{kills} kills; slowest ready {slowest:?} after a start; moved {moved:?} after the last one"),
    ])
}

/// PostgreSQL stopped for a minute under load.
pub(super) fn outage(stage: &Stage) -> Result<Vec<String>> {
    let mut node =
        stage.node(Some(&stage.database()?), &[("KEYWRIGHT_VERIFY__STALE_GRACE_SECONDS", "120")])?;
    let clients = Clients::start(node.server.address, &node.tokens, CLIENTS, "soak-outage");
    std::thread::sleep(Duration::from_secs(3));
    postgres_control("stop -m fast")?;
    let stopped = Instant::now();
    std::thread::sleep(Duration::from_secs(5));
    let unknown = format!("sk_{}", "0".repeat(64));
    let start = Instant::now();
    let answered = http::call(node.server.address, Request::post(VERIFY, &unknown, ""))?;
    let late = start.elapsed();
    ensure!(answered.status == 503, "an unknown token while the store is away: {}", answered.status);
    ensure!(late <= Duration::from_millis(500), "503 for an unknown token only after {late:?}");
    std::thread::sleep(stage.pick(Duration::from_mins(1), Duration::from_secs(5)));
    postgres_control(&format!("start --options='-p {}'", port(&node)?))?;
    let away = stopped.elapsed();
    let back = Instant::now();
    while http::call(node.server.address, Request::post(VERIFY, &unknown, ""))?.status != 200 {
        ensure!(back.elapsed() < Duration::from_secs(5), "no recovery within 5 s");
        std::thread::sleep(Duration::from_millis(20));
    }
    let recovered = back.elapsed();
    std::thread::sleep(Duration::from_secs(2));
    let ledger = clients.finish()?;
    let unavailable = ledger.count(Fate::Unavailable);
    ensure!(unavailable == 0, "{unavailable} known credentials were not answered while the store was away");
    let moved = node.until_moved(MOVED)?;
    let rows = node.rows()?.check(&ledger)?;
    node.server.process.leave()?;
    Ok(vec![
        rows,
        format!(
            "away for {away:?}; unknown tokens got 503 in {late:?}; answers again {recovered:?} after it was back"
        ),
        format!("moved {moved:?} after the last answer"),
    ])
}

/// The store away until the journal is full; then it comes back.
pub(super) fn full(stage: &Stage) -> Result<Vec<String>> {
    let settings =
        [("KEYWRIGHT_VERIFY__STALE_GRACE_SECONDS", "600"), ("KEYWRIGHT_JOURNAL__MAX_BYTES", "8MiB")];
    let mut node = stage.node(Some(&stage.database()?), &settings)?;
    let port = port(&node)?;
    postgres_control("stop -m fast")?;
    let clients = Clients::start(node.server.address, &node.tokens, CLIENTS, "soak-full");
    std::thread::sleep(Duration::from_secs(10));
    let answered = http::call(node.server.address, Request::post(VERIFY, &node.tokens[0], ""))?;
    ensure!(answered.status == 503, "a full journal was answered with {}", answered.status);
    postgres_control(&format!("start --options='-p {port}'"))?;
    let back = Instant::now();
    while http::call(node.server.address, Request::post(VERIFY, &node.tokens[0], ""))?.status != 200 {
        ensure!(back.elapsed() < Duration::from_secs(10), "it did not heal within 10 s");
        std::thread::sleep(Duration::from_millis(20));
    }
    let healed = back.elapsed();
    std::thread::sleep(Duration::from_secs(2));
    let ledger = clients.finish()?;
    node.until_moved(MOVED)?;
    let rows = node.rows()?.check(&ledger)?;
    node.server.process.leave()?;
    Ok(vec![rows, format!("full at 8 MiB; answers again {healed:?} after the store was back")])
}

/// Ten minutes of load with the store away: memory stays flat.
pub(super) fn memory(stage: &Stage) -> Result<Vec<String>> {
    let settings =
        [("KEYWRIGHT_VERIFY__STALE_GRACE_SECONDS", "3600"), ("KEYWRIGHT_JOURNAL__MAX_BYTES", "32GiB")];
    let mut node = stage.node(Some(&stage.database()?), &settings)?;
    let port = port(&node)?;
    postgres_control("stop -m fast")?;
    let clients = Clients::start(node.server.address, &node.tokens, CLIENTS, "soak-memory");
    let mut samples = Vec::new();
    for _ in 0..stage.pick(20, 3) {
        std::thread::sleep(stage.pick(Duration::from_secs(30), Duration::from_secs(3)));
        samples.push(node.server.process.used()?.resident / (1024 * 1024));
    }
    let ledger = clients.finish()?;
    postgres_control(&format!("start --options='-p {port}'"))?;
    let (first, last) = (samples[0], *samples.last().context("no sample")?);
    ensure!(last <= first + first / 4 + 8, "resident memory went from {first} to {last} MiB: {samples:?}");
    node.until_moved(Duration::from_mins(15))?;
    let rows = node.rows()?.check(&ledger)?;
    node.server.process.leave()?;
    Ok(vec![rows, format!("resident memory in MiB: {samples:?}")])
}

fn port(node: &Node) -> Result<String> {
    let url = &node.setup.database_url;
    let (_, rest) = url.rsplit_once(':').context("a URL without a port")?;
    Ok(rest.chars().take_while(char::is_ascii_digit).collect())
}
