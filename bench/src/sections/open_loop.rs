//! Latency under a load that comes by the clock, whether the server keeps up or not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::cached::answer_bytes;
use crate::answer;
use crate::context::{Context, self_form};
use crate::histogram::Histogram;
use crate::http::Client;
use crate::process::Bare;
use crate::report::{Bound, Row, Section, Unit};
use crate::script::Script;
use crate::tokens::tokens;

const TOKENS: u32 = 1_000;
/// Requests a second, over so many connections.
const RATE: u32 = 1_000;
const CONNECTIONS: u32 = 8;

const HOW: &str = "1,000 requests a second over 8 connections, self form, cached, events moved to \
    PostgreSQL meanwhile. Latency counts from the moment at which a request was due, so that a late answer \
    delays nobody unseen; the waking of the load's own threads is part of it for both servers.";

/// Measures it.
pub(crate) fn run(context: &Context) -> Result<Section> {
    let mut section = Section::new("1,000 requests a second, open loop", HOW);
    let stage = context.on_postgres(TOKENS, &[])?;
    stage.warm(0..TOKENS)?;
    let script = self_form(Arc::new(tokens(0..TOKENS)));
    let bare = Bare::start("bare", answer_bytes(&stage, &script)?)?;
    let time = context.pick(Duration::from_secs(5), Duration::from_secs(1));
    let mut rounds = Vec::new();
    for _ in 0..context.pick(5, 2) {
        rounds.push((paced(bare.address, &script, time)?, paced(stage.server.address, &script, time)?));
    }
    for (percent, bound) in [(50.0, Bound::None), (99.0, Bound::AtMost(5.0, 1.0)), (99.9, Bound::None)] {
        let millis = |histogram: &Histogram| histogram.percentile_micros(percent) / 1_000.0;
        let ours = rounds.iter().map(|(_, ours)| millis(ours)).collect::<crate::stats::Samples>();
        section.row(Row::absolute(format!("p{percent}"), Unit::Millis, ours, bound));
        let bare = rounds.iter().map(|(bare, _)| millis(bare)).collect::<crate::stats::Samples>();
        section.row(Row::absolute(
            format!("p{percent} of the bare handler"),
            Unit::Millis,
            bare,
            Bound::None,
        ));
    }
    Ok(section)
}

/// A thousand requests a second for so long; how long each took from the moment at which it was due.
pub(crate) fn paced(address: SocketAddr, script: &Arc<Script>, time: Duration) -> Result<Histogram> {
    let start = Instant::now() + Duration::from_millis(50);
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let script = Arc::clone(script);
            std::thread::spawn(move || {
                one(address, &script, start + number * (Duration::from_secs(1) / RATE), time)
            })
        })
        .collect();
    let mut total = Histogram::default();
    for worker in workers {
        match worker.join() {
            Ok(histogram) => total.merge(&histogram?),
            Err(_) => bail!("a thread of the load died"),
        }
    }
    Ok(total)
}

fn one(address: SocketAddr, script: &Script, start: Instant, time: Duration) -> Result<Histogram> {
    let mut client = Client::connect(address)?;
    let mut request = script.template();
    let mut histogram = Histogram::default();
    let mut due = start;
    while due < start + time {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        script.fill(&mut request);
        let answered = client.send(&request)?;
        histogram.add(due.elapsed());
        let answer = answer::Answer { status: answered.status, body: &answered.body, bytes: 0 };
        ensure!(
            script.expected().is_met_by(&answer),
            "an answer that is not the wanted one: {}",
            answered.status
        );
        due += Duration::from_secs(1) * CONNECTIONS / RATE;
    }
    Ok(histogram)
}
