//! Emergency revocation of 100,000 tokens while verification goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::context::{Context, self_form};
use crate::load::{self, Load};
use crate::report::{Bound, Row, Section, Unit};
use crate::script::Request;
use crate::stats::Samples;
use crate::tokens::tokens;

const CALL: &str = r#"{"reason":"bench","scope":{"all":true},"keep_caller":true}"#;

const HOW: &str = "All tokens are cached and verified round and round over 16 connections. Meanwhile \
    `POST /auth/emergency-revoke` revokes all of them; the load goes on for two seconds. Every answer must \
    be `valid` or `revoked`, and `revoked` for every request that was sent after the call had returned. \
    The rows are marked afterwards, in the background.";

/// Measures it; each round on tokens of its own.
pub(crate) fn run(context: &Context) -> Result<Section> {
    let mut section = Section::new("Emergency revocation", HOW);
    let count = context.pick(100_000, 10_000);
    let stage = context.on_postgres(0, &[])?;
    let (mut calls, mut marked) = (Vec::new(), Vec::new());
    let (mut answers, mut errors, mut late) = (0, 0, 0u64);
    for round in 0..context.pick(5, 2) {
        let range = round * count..(round + 1) * count;
        stage.database()?.seed(range.clone())?;
        stage.warm(range.clone())?;
        let script = self_form(Arc::new(tokens(range)));
        let address = stage.server.address;
        let background = std::thread::spawn(move || {
            load::run(address, &script, Load::with(16, Duration::from_secs(3)).cold_start())
        });
        std::thread::sleep(Duration::from_secs(1));
        let start = Instant::now();
        stage.server.call(Request::post("/api/v1/auth/emergency-revoke", &stage.root_token, CALL), 200)?;
        let returned = Instant::now();
        calls.push((returned - start).as_secs_f64() * 1_000.0);
        let outcome = background.join().map_err(|_| anyhow::anyhow!("the load died"))??;
        answers += outcome.sent;
        errors += outcome
            .bad
            .iter()
            .filter(|(what, _)| !what.ends_with(": revoked"))
            .map(|(_, count)| count)
            .sum::<u64>();
        late += u64::from(outcome.last_good.context("no token was valid before the call")? > returned);
        marked.push(until_marked(&stage, start)?);
    }
    // The bound speaks of 100,000.
    let bound = context.pick(Bound::AtMost(250.0, 250.0), Bound::None);
    let samples = |values: Vec<f64>| values.into_iter().collect::<Samples>();
    section.row(Row::absolute(format!("the call, {count} tokens"), Unit::Millis, samples(calls), bound));
    section.row(Row::absolute("until all rows are marked", Unit::Seconds, samples(marked), Bound::None));
    let zero = Bound::AtMost(0.0, 0.0);
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let (errors, late) = (errors as f64, late as f64);
    section.row(Row::absolute("answers that were neither valid nor revoked", Unit::Count, errors, zero));
    section.row(Row::absolute("rounds with a token that was valid after the call", Unit::Count, late, zero));
    section.note(format!("{answers} verifications were answered around the calls."));
    Ok(section)
}

fn until_marked(stage: &crate::context::Stage<'_>, start: Instant) -> Result<f64> {
    let unmarked =
        "SELECT COUNT(*) FROM service_tokens WHERE revoked_at IS NULL AND token_name LIKE 'bench-%'";
    while stage.database()?.number(unmarked)? > 0 {
        ensure!(start.elapsed() < Duration::from_mins(2), "rows are not marked after two minutes");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(start.elapsed().as_secs_f64())
}
