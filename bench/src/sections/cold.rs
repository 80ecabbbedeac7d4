//! Verification over HTTP of credentials that the cache does not know: one query each.

use std::sync::Arc;

use anyhow::Result;

use super::cached::answer_bytes;
use crate::compare::{Side, interleave};
use crate::context::{Context, Stage, self_form};
use crate::load::Load;
use crate::process::Bare;
use crate::report::{Bound, Section};
use crate::tokens::tokens;

const HOW: &str = "Every request bears another token out of a set that is far larger than the cache \
    (`verify.cache_capacity` = 1), so that every one is asked of PostgreSQL, which shares the two cores.";

/// Measures it, first without and then with the moving of events to the store.
pub(crate) fn run(context: &Context) -> Result<Section> {
    let mut section = Section::new("Cold verification through PostgreSQL", HOW);
    let count = context.pick(200_000, 20_000);
    let settings = [("KEYWRIGHT_VERIFY__CACHE_CAPACITY", "1"), ("KEYWRIGHT_JOURNAL__MAX_BYTES", "8GiB")];
    let stage = context.on_postgres(count, &settings)?;
    let script = self_form(Arc::new(tokens(0..count)));
    let bare = Bare::start("bare", answer_bytes(&stage, &script)?)?;
    let bare = Side { address: bare.address, process: &bare.process, script: &script };
    let keywright = Side { address: stage.server.address, process: &stage.server.process, script: &script };
    for connections in [64, 16, 1] {
        stage.database()?.hold_events()?;
        let what = format!("{connections} connection{}", if connections == 1 { "" } else { "s" });
        measure(context, &stage, &mut section, (bare, keywright), (&what, connections))?;
        stage.database()?.take_events()?;
    }
    let what = "64 connections, events moved meanwhile";
    measure(context, &stage, &mut section, (bare, keywright), (what, 64))?;
    Ok(section)
}

fn measure(
    context: &Context,
    stage: &Stage<'_>,
    section: &mut Section,
    (bare, keywright): (Side<'_>, Side<'_>),
    (what, connections): (&str, usize),
) -> Result<()> {
    let hits = || Ok::<_, anyhow::Error>(stage.server.status(&stage.root_token)?["cache"]["hits"].as_i64());
    let (loads, hits_before) = (stage.database()?.loads()?, hits()?);
    let rounds = interleave(bare, keywright, Load::with(connections, context.slice()), context.rounds())?;
    let asked = stage.database()?.loads()? - loads;
    let found = hits()?.zip(hits_before).map_or(0, |(after, before)| after - before);
    let bound = if connections == 64 { Bound::AtLeast(0.30, 0.35) } else { Bound::None };
    rounds.rows(section, what, bound, [Bound::None, Bound::None])?;
    let sent: u64 = rounds.0.iter().map(|(_, slice)| slice.outcome.sent).sum();
    section.note(format!(
        "{what}: {sent} verifications, {asked} queries for grants, {found} found in the cache."
    ));
    Ok(())
}
