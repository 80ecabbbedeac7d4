//! Verification while all its events reach PostgreSQL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::cached::answer_bytes;
use crate::compare::{Rounds, Side};
use crate::context::{Context, Stage, self_form};
use crate::load::Load;
use crate::process::Bare;
use crate::report::{Bound, Row, Section, Unit};
use crate::tokens::tokens;

const TOKENS: u32 = 1_000;
/// Longest wait for events to arrive.
const PATIENCE: Duration = Duration::from_mins(2);

const HOW: &str = "As the section on cached verification (64 connections, self form), but with the events \
    moved to PostgreSQL as they come: Keywright, PostgreSQL and the load share the two cores. After each \
    slice the events that are still in the journal are waited for and counted; the bare handler's turn \
    begins only then. The sustained rate counts that wait as well: it is what could be kept up for ever.";

/// Measures it.
pub(crate) fn run(context: &Context) -> Result<Section> {
    let mut section = Section::new("Cached verification while all events reach PostgreSQL", HOW);
    let stage = context.on_postgres(TOKENS, &[])?;
    stage.warm(0..TOKENS)?;
    let script = self_form(Arc::new(tokens(0..TOKENS)));
    let bare = Bare::start("bare", answer_bytes(&stage, &script)?)?;
    let mut expected = settled(&stage)?;
    let bare = Side { address: bare.address, process: &bare.process, script: &script };
    let keywright = Side { address: stage.server.address, process: &stage.server.process, script: &script };
    let load = Load::with(64, context.pick(Duration::from_secs(10), Duration::from_secs(2)));
    let (mut slices, mut sustained, mut behind) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..context.pick(5, 2) {
        let first = bare.slice(load)?;
        let start = Instant::now();
        let second = keywright.slice(load)?;
        let answered = Instant::now();
        expected += i64::try_from(second.outcome.sent)?;
        until_stored(&stage, expected)?;
        behind.push(answered.elapsed().as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let rate = second.outcome.sent as f64 / start.elapsed().as_secs_f64();
        sustained.push((first.outcome.rate(), rate));
        slices.push((first, second));
    }
    let bound = Bound::AtLeast(0.60, 0.70);
    Rounds(slices).rows(&mut section, "while loaded", bound, [Bound::None, Bound::None])?;
    section.row(Row::beside("sustained, until the last event is stored", Unit::PerSecond, &sustained, bound));
    let behind = behind.into_iter().collect::<crate::stats::Samples>();
    section.row(Row::absolute(
        "from the last answer to the last event stored",
        Unit::Seconds,
        behind,
        Bound::None,
    ));
    let stored = stage.database()?.events()?;
    section.note(format!("{expected} verifications were answered and {stored} events are stored."));
    ensure!(stored == expected, "{stored} events for {expected} verifications");
    Ok(section)
}

/// Waits until the number of events stands still; tells it.
fn settled(stage: &Stage<'_>) -> Result<i64> {
    let mut last = -1;
    loop {
        let now = stage.database()?.events()?;
        if now == last {
            return Ok(now);
        }
        last = now;
        std::thread::sleep(Duration::from_secs(3));
    }
}

/// Waits until so many events are stored.
fn until_stored(stage: &Stage<'_>, expected: i64) -> Result<()> {
    let start = Instant::now();
    while stage.database()?.number(STORED)? < expected {
        ensure!(start.elapsed() < PATIENCE, "events are missing after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Every event is one use of a credential: counting them there costs nothing.
const STORED: &str = "SELECT COALESCE(SUM(usage_count), 0)::bigint FROM credential_usage";
