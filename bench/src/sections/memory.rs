//! Memory of a whole process, by what it holds in its cache.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::context::Context;
use crate::process::Used;
use crate::report::{Bound, Row, Section, Unit};

const HOW: &str = "Resident memory of `keywright serve` over PostgreSQL (`VmRSS`: code and shared \
    libraries included) after each of so many tokens was verified once and the events of that have \
    reached the store.";

/// Measures it.
pub(crate) fn run(context: &Context) -> Result<Section> {
    let mut section = Section::new("Memory", HOW);
    let most = context.pick(1_000_000, 100_000);
    let stage = context.on_postgres(most, &[])?;
    std::thread::sleep(Duration::from_secs(2));
    section.row(row("nothing cached", stage.server.process.used()?, Bound::None));
    for (count, bound) in [(1_000, Bound::AtMost(50.0, 30.0)), (most, Bound::AtMost(400.0, 250.0))] {
        let unanswered = stage.warm(0..count)?;
        let settled = settle(&stage)?;
        let bound = if count == 100_000 { Bound::None } else { bound };
        section.row(row(&format!("{count} tokens cached"), settled, bound));
        let entries = stage.server.status(&stage.root_token)?["cache"]["entries"].as_u64();
        section.note(format!(
            "The cache then holds {} entries; {unanswered} of the verifications that filled it got no answer at first.",
            entries.unwrap_or(0)
        ));
    }
    Ok(section)
}

/// Waits until the journal is empty, and then for what is freed late.
fn settle(stage: &crate::context::Stage<'_>) -> Result<Used> {
    for _ in 0..120 {
        std::thread::sleep(Duration::from_secs(1));
        let status = stage.server.status(&stage.root_token)?;
        if status["journal"]["pending_bytes"].as_u64().is_some_and(|bytes| bytes < 4_096) {
            std::thread::sleep(Duration::from_secs(3));
            return stage.server.process.used();
        }
    }
    ensure!(false, "the journal did not empty within two minutes");
    stage.server.process.used()
}

fn row(what: &str, used: Used, bound: Bound) -> Row {
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
    let mebibytes = used.resident as f64 / (1024.0 * 1024.0);
    Row::absolute(what, Unit::Mebibytes, mebibytes, bound)
}
