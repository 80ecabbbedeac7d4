//! Verification of credentials that have limits, an allowlist and places.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use keywright_verify::limiter::testing::RedisServer;
use keywright_verify::places::testing::database;
use serde_json::json;

use super::cached::answer_bytes;
use crate::compare::{Side, interleave};
use crate::context::{Context, VALID};
use crate::keywright::VERIFY;
use crate::load::Load;
use crate::process::Bare;
use crate::report::{Bound, Section};
use crate::script::{Request, Script, Values};
use crate::tokens::tokens;

/// Tokens that are verified in turn.
const TOKENS: u32 = 1_000;
/// Requests in flight.
const CONNECTIONS: usize = 64;

const HOW: &str = "1,000 cached tokens, each with a limit for a minute and one for an hour that are never used up, and an \
    allowlist of two networks; the request names the original address, which the database of places knows. Everything \
    else as in the section about cached verification. Once counted by the node, once in Redis beside it.";

/// Measures it.
pub(crate) fn run(context: &Context) -> Result<Section> {
    let mut section = Section::new("Cached verification with limits, allowlist and places", HOW);
    let folder = tempfile::tempdir()?;
    let places = folder.path().join("places.mmdb");
    let network = json!({"country_code": "IS", "asn": 64_496, "as_name": "Example"});
    std::fs::write(&places, database(1_790_000_000, &[("203.0.113.0/24", network)]))?;
    let places = places.to_str().context("a path that is text")?;
    let common = [("KEYWRIGHT_JOURNAL__MAX_BYTES", "32GiB"), ("KEYWRIGHT_GEOIP__DATABASE", places)];
    measure(context, &mut section, "counted by the node", &common, Bound::AtLeast(0.75, 0.85))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(RedisServer::start()) {
        Some(server) => {
            let url = server.url();
            let shared = [
                ("KEYWRIGHT_RATE_LIMIT__BACKEND", "redis"),
                ("KEYWRIGHT_RATE_LIMIT__REDIS_URL", url.as_str()),
            ];
            let settings: Vec<_> = common.into_iter().chain(shared).collect();
            measure(context, &mut section, "counted in Redis", &settings, Bound::AtLeast(0.35, 0.45))?;
        }
        None => {
            section.note("There is no Redis and no Valkey on this machine: shared limits were not measured.");
        }
    }
    Ok(section)
}

fn measure(
    context: &Context,
    section: &mut Section,
    what: &str,
    settings: &[(&'static str, &str)],
    bound: Bound,
) -> Result<()> {
    let stage = context.on_postgres(TOKENS, settings)?;
    stage.database()?.execute(
        "UPDATE service_tokens SET rate_per_minute = 2000000000, rate_per_hour = 2000000000, \
         ip_allowlist = '[\"203.0.113.0/24\", \"127.0.0.0/8\"]' WHERE token_name LIKE 'bench-%'",
    )?;
    stage.warm(0..TOKENS)?;
    stage.database()?.hold_events()?;
    let body = r#"{"token":"{}","required_scopes":["catalog:read"],"ip_address":"203.0.113.7","method":"GET","endpoint":"/api/v1/catalog/42"}"#;
    let values = Values::Each(Arc::new(tokens(0..TOKENS)));
    let script = Script::new(Request::post(VERIFY, &stage.root_token, body), values, VALID);
    let bare = Bare::start("bare", answer_bytes(&stage, &script)?)?;
    let bare = Side { address: bare.address, process: &bare.process, script: &script };
    let keywright = Side { address: stage.server.address, process: &stage.server.process, script: &script };
    let rounds = interleave(bare, keywright, Load::with(CONNECTIONS, context.slice()), context.rounds())?;
    rounds.rows(section, &format!("{what}, {CONNECTIONS} connections"), bound, [Bound::None, Bound::None])?;
    let status = stage.server.status(&stage.root_token)?;
    section.note(format!("Limits, {what}: {}.", status["rate_limits"]));
    stage.database()?.take_events()
}
