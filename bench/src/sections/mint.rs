//! Minting tokens over HTTP.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::answer::Expected;
use crate::compare::Side;
use crate::context::{Context, Stage};
use crate::load::Load;
use crate::report::{Bound, Row, Section, Unit};
use crate::script::{Request, Script, Values};

const HOW: &str = "`POST /auth/tokens`, 64 connections, each with one request in flight. A mint is one \
    transaction: the token and its security event, committed to disk (`fsync` on, SQLite `synchronous=FULL`) \
    before the secret is shown.";

/// Measures it on both engines.
pub(crate) fn run(context: &Context) -> Result<Section> {
    let mut section = Section::new("Minting tokens", HOW);
    let postgres = context.on_postgres(0, &[])?;
    measure(context, &mut section, &postgres, "PostgreSQL", Bound::AtLeast(3_000.0, 8_000.0))?;
    drop(postgres);
    let sqlite = context.on_sqlite(&[])?;
    measure(context, &mut section, &sqlite, "SQLite", Bound::None)?;
    Ok(section)
}

fn measure(
    context: &Context,
    section: &mut Section,
    stage: &Stage<'_>,
    engine: &str,
    bound: Bound,
) -> Result<()> {
    let body = r#"{"token_name":"bench-{}","permissions":["catalog:read","works:read"]}"#;
    let request = Request::post("/api/v1/auth/tokens", &stage.root_token, body);
    let script = Script::new(request, Values::Count, Expected { status: 201, holds: "\"token\":\"sk_" });
    let side = Side { address: stage.server.address, process: &stage.server.process, script: &script };
    let load = Load::with(64, context.pick(Duration::from_secs(4), Duration::from_secs(1)));
    let statements = || stage.database.as_ref().map(crate::postgres::Database::statements).transpose();
    let before = statements()?;
    let mut slices = Vec::new();
    for _ in 0..context.pick(5, 2) {
        let slice = side.slice(load)?;
        ensure!(slice.outcome.errors() == 0, "tokens cannot be minted: {:?}", slice.outcome.bad);
        slices.push(slice);
    }
    let rates = slices.iter().map(|slice| slice.outcome.rate()).collect::<crate::stats::Samples>();
    section.row(Row::absolute(engine, Unit::PerSecond, rates, bound));
    for percent in [50.0, 99.0] {
        let latency = slices.iter().map(|slice| slice.outcome.latency.percentile_micros(percent) / 1_000.0);
        let latency = latency.collect::<crate::stats::Samples>();
        section.row(Row::absolute(format!("{engine}: p{percent}"), Unit::Millis, latency, Bound::None));
    }
    let cpu = slices.iter().map(|slice| slice.cpu_micros).collect::<crate::stats::Samples>();
    section.row(Row::absolute(format!("{engine}: server CPU a mint"), Unit::Micros, cpu, Bound::None));
    if let Some((after, before)) = statements()?.zip(before) {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let each =
            (after - before) as f64 / slices.iter().map(|slice| slice.outcome.sent).sum::<u64>() as f64;
        section.note(format!("{each:.2} statements in PostgreSQL for each mint, BEGIN and COMMIT included."));
    }
    Ok(())
}
