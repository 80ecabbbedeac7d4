//! Verification over HTTP of credentials that the cache knows.

use std::sync::Arc;

use anyhow::{Result, ensure};

use crate::compare::{Side, interleave};
use crate::context::{Context, Stage, VALID, body_form, self_form};
use crate::http;
use crate::keywright::VERIFY;
use crate::load::Load;
use crate::process::Bare;
use crate::report::{Bound, Section};
use crate::script::{Request, Script, Values};
use crate::tokens::tokens;

/// Tokens that are verified in turn.
const TOKENS: u32 = 1_000;

const HOW: &str = "1,000 tokens, each cached before; every request bears the next one. Every decision is \
    in the journal before it is answered, and the journal is synced every second. PostgreSQL is kept from \
    taking the events meanwhile (a lock on their table; everything else goes on), so that this is the cost \
    of the path itself; the next section adds the moving of events. Bare and Keywright get the same bytes \
    and answer as many.";

/// Measures it.
pub(crate) fn run(context: &Context) -> Result<Section> {
    let mut section = Section::new("Cached verification over HTTP, recorded in the journal", HOW);
    let stage = context.on_postgres(TOKENS, &[("KEYWRIGHT_JOURNAL__MAX_BYTES", "32GiB")])?;
    stage.warm(0..TOKENS)?;
    // The caller is looked up as well.
    answer_bytes(&stage, &self_form(Arc::new(vec![stage.root_token.clone()])))?;
    stage.database()?.hold_events()?;
    let known = Arc::new(tokens(0..TOKENS));
    let loads = stage.database()?.loads()?;
    let forms = [
        ("self", self_form(Arc::clone(&known))),
        ("caller + token", body_form(&stage.root_token, Arc::clone(&known))),
        ("caller + token + facts", with_facts(&stage.root_token, &known)),
    ];
    let mut answered = 0;
    for (form, script) in &forms {
        let facts = form.ends_with("facts");
        for connections in [64, 16, 1] {
            if facts && connections < 64 {
                continue;
            }
            answered += compare(context, &stage, &mut section, (form, script), connections)?;
        }
    }
    let asked = stage.database()?.loads()? - loads;
    section.note(format!("Queries for grants while {answered} cached verifications were answered: {asked}."));
    stage.database()?.take_events()?;
    Ok(section)
}

fn compare(
    context: &Context,
    stage: &Stage<'_>,
    section: &mut Section,
    (form, script): (&str, &Arc<Script>),
    connections: usize,
) -> Result<u64> {
    let bare = Bare::start("bare", answer_bytes(stage, script)?)?;
    let bare = Side { address: bare.address, process: &bare.process, script };
    let keywright = Side { address: stage.server.address, process: &stage.server.process, script };
    let rounds = interleave(bare, keywright, Load::with(connections, context.slice()), context.rounds())?;
    let (rate, latency) = match connections {
        64 => (Bound::AtLeast(0.80, 0.95), [Bound::None, Bound::None]),
        1 => (Bound::None, [Bound::AtMost(1.5, 1.2), Bound::AtMost(2.0, 1.5)]),
        _ => (Bound::None, [Bound::None, Bound::None]),
    };
    let plural = if connections == 1 { "" } else { "s" };
    rounds.rows(section, &format!("{form}, {connections} connection{plural}"), rate, latency)?;
    Ok(rounds.0.iter().map(|(_, keywright)| keywright.outcome.sent).sum())
}

/// How long Keywright's answer to the script is.
pub(crate) fn answer_bytes(stage: &Stage<'_>, script: &Script) -> Result<usize> {
    let mut request = script.template();
    script.fill(&mut request);
    let answered = http::Client::connect(stage.server.address)?.send(&request)?;
    let text = String::from_utf8_lossy(&answered.body);
    ensure!(text.contains(VALID.holds), "not the answer that is to be measured: {} {text}", answered.status);
    Ok(answered.body.len())
}

/// As a gateway asks, with what it knows of the original request.
fn with_facts(caller: &str, known: &Arc<Vec<String>>) -> Arc<Script> {
    let body = r#"{"token":"{}","required_scopes":["catalog:read"],"ip_address":"203.0.113.7","user_agent":"curl/8.5.0","method":"GET","endpoint":"/api/v1/catalog/42"}"#;
    Script::new(Request::post(VERIFY, caller, body), Values::Each(Arc::clone(known)), VALID)
}
