//! Many at once: without a single error.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::answer::Expected;
use crate::context::{Context, Stage, body_form, self_form};
use crate::keywright::VERIFY;
use crate::load::{self, Load};
use crate::report::{Bound, Row, Section, Unit};
use crate::script::{Request, Script, Values};
use crate::tokens::tokens;

const TOKENS: u32 = 10_000;

const HOW: &str = "200 connections with one request each at the same moment, 50 times over, and 50 \
    connections that are never idle. An error is every answer but the wanted one, and every connection \
    that breaks. Verifications are of 10,000 tokens that nobody has asked for yet (the burst) or that \
    come round and round (sustained).";

/// Counts the errors.
pub(crate) fn run(context: &Context) -> Result<Section> {
    let mut section = Section::new("200 at once, 50 sustained", HOW);
    let postgres = context.on_postgres(TOKENS, &[])?;
    measure(context, &mut section, &postgres, "PostgreSQL", 0..TOKENS)?;
    drop(postgres);
    // SQLite cannot make the tokens of the benchmark by itself: those that it mints stand in.
    let sqlite = context.on_sqlite(&[])?;
    measure(context, &mut section, &sqlite, "SQLite", 0..0)?;
    Ok(section)
}

fn measure(
    context: &Context,
    section: &mut Section,
    stage: &Stage<'_>,
    engine: &str,
    known: std::ops::Range<u32>,
) -> Result<()> {
    let root = stage.root_token.as_str();
    let known = Arc::new(if known.is_empty() { vec![root.to_owned()] } else { tokens(known) });
    let mint = r#"{"token_name":"bench-{}","permissions":["catalog:read"]}"#;
    let scripts = [
        ("verify (self)", self_form(Arc::clone(&known))),
        ("verify (caller + token)", body_form(root, Arc::clone(&known))),
        ("verify (malformed)", malformed()),
        (
            "mint",
            Script::new(
                Request::post("/api/v1/auth/tokens", root, mint),
                Values::Count,
                Expected { status: 201, holds: "sk_" },
            ),
        ),
        (
            "list tokens",
            Script::new(
                Request::get("/api/v1/auth/tokens?limit=50", root),
                Values::Fixed,
                Expected { status: 200, holds: "items" },
            ),
        ),
    ];
    for (what, script) in scripts {
        let mut errors = std::collections::BTreeMap::new();
        let mut sent = 0;
        let at_once = Load { requests: 200, ..Load::with(200, Duration::from_secs(30)).cold_start() };
        let sustained =
            Load::with(50, context.pick(Duration::from_secs(10), Duration::from_secs(1))).cold_start();
        let bursts = std::iter::repeat_n(at_once, context.pick(50, 5));
        let mut slowest = 0.0_f64;
        for load in bursts.chain([sustained]) {
            let outcome = load::run(stage.server.address, &script, load)?;
            sent += outcome.sent;
            slowest = slowest.max(outcome.latency.longest_micros());
            errors.extend(outcome.bad);
        }
        #[expect(clippy::cast_precision_loss, reason = "few")]
        let count = errors.values().sum::<u64>() as f64;
        section.row(Row::absolute(
            format!("{engine}, {what}: errors"),
            Unit::Count,
            count,
            Bound::AtMost(0.0, 0.0),
        ));
        let kinds = if errors.is_empty() { String::new() } else { format!("; {errors:?}") };
        section
            .note(format!("{engine}, {what}: {sent} requests, slowest {:.1} ms{kinds}.", slowest / 1_000.0));
    }
    Ok(())
}

fn malformed() -> Arc<Script> {
    let expected = Expected { status: 200, holds: "\"code\":\"malformed\"" };
    Script::new(Request::post(VERIFY, "sk_0123", ""), Values::Fixed, expected)
}
