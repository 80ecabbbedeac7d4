//! How soon what was revoked is refused by services that decide in their own process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use keywright_client::{
    CacheOptions, Cached, Client, ClientOptions, Decide, Question, Requirements, Secret, Verdict,
};
use keywright_embedded::{Embedded, EmbeddedOptions};
use serde_json::json;
use tokio::runtime::Runtime;

use super::{Node, Stage};
use crate::keywright::{Keywright, MASTER_KEY, Setup};
use crate::script::Request;
use crate::stats::Samples;

/// Between two looks.
const POLL: Duration = Duration::from_millis(5);
/// What promise 1 says, in milliseconds.
const P99: f64 = 250.0;
const LONGEST: f64 = 2_000.0;
/// Whoever has not heard of it by then never will.
const PATIENCE: Duration = Duration::from_secs(10);

/// Somebody who decides on credentials, and how often without asking.
struct Decider<'a> {
    decider: &'a dyn Decide,
    known: &'a dyn Fn() -> u64,
}

/// A cache that listens to one node, and a node in this process: after a revoke that was acknowledged, each is asked
/// again and again until it refuses.
pub(super) fn streaming(stage: &Stage) -> Result<Vec<String>> {
    let mut node = stage.node(Some(&stage.database()?), &[])?;
    let setup = Setup::new(&stage.program, Some(&node.setup.database_url))?;
    let mut second = setup.serve()?;
    let folder = tempfile::Builder::new().prefix("keywright-bench.").tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let client =
        ClientOptions::new(format!("http://{}", node.server.address), Secret::new(node.root.as_str()));
    let options =
        CacheOptions { journal_allow_ephemeral: true, ..CacheOptions::new(folder.path().join("cached")) };
    let cached = runtime.block_on(async { Cached::start(Client::new(&client)?, &options) })?;
    let cached = Arc::new(cached);
    let options = EmbeddedOptions::new()
        .set("database.url", node.setup.database_url.as_str())
        .set("keys.master_key", MASTER_KEY)
        .set("journal.dir", folder.path().join("embedded").display().to_string())
        .set("journal.allow_ephemeral", "true");
    let embedded = runtime.block_on(Embedded::open(&options))?;
    let of_cache = Decider { decider: &cached, known: &|| cached.statistics().hits };
    let of_embedded = Decider { decider: &embedded, known: &|| embedded.statistics().hits };
    let mut lines = Vec::new();
    for (what, decider, revoker) in [
        ("a cache, revoked at the node that it listens to", &of_cache, &node.server),
        ("a cache, revoked at another node", &of_cache, &second),
        ("an embedded node, revoked at another node", &of_embedded, &node.server),
    ] {
        let delays = (0..stage.pick(200, 20))
            .map(|round| refused_after(&runtime, &node, decider, revoker, &format!("{what} {round}")))
            .collect::<Result<Samples>>()?;
        let (p99, longest) = (delays.percentile(99.0), delays.percentile(100.0));
        let line = format!(
            "{what}: p50 {:.1} ms, p99 {p99:.1} ms, longest {longest:.1} ms",
            delays.percentile(50.0)
        );
        ensure!(p99 <= P99 && longest <= LONGEST, "{line}");
        lines.push(line);
    }
    runtime.block_on(embedded.close())?;
    second.process.leave()?;
    node.server.process.leave()?;
    Ok(lines)
}

/// Makes a token, sees to it that it is known, and revokes it; for how many milliseconds it was accepted after that was
/// acknowledged.
fn refused_after(
    runtime: &Runtime,
    node: &Node,
    Decider { decider, known }: &Decider<'_>,
    revoker: &Keywright,
    name: &str,
) -> Result<f64> {
    let body = json!({"token_name": name, "permissions": ["works:read"]}).to_string();
    let made = node.server.call(Request::post("/api/v1/auth/tokens", &node.root, &body), 201)?;
    let (Some(id), Some(token)) = (made["id"].as_str(), made["token"].as_str()) else {
        bail!("a token without its secret")
    };
    let wanted = Requirements::none();
    let ask = || runtime.block_on(decider.decide(question(token, &wanted)));
    let start = Instant::now();
    loop {
        let before = known();
        if matches!(ask(), Ok(Verdict::Valid(..))) && known() > before {
            break;
        }
        ensure!(start.elapsed() < PATIENCE, "it never knows a token by itself");
        std::thread::sleep(POLL);
    }
    let path = format!("/api/v1/auth/tokens/{id}?reason=soak");
    let revoke = Request { method: "DELETE", path: &path, bearer: &node.root, body: "" };
    let answered = crate::http::call(revoker.address, revoke)?;
    let returned = Instant::now();
    ensure!(answered.status == 204, "{} instead of 204", answered.status);
    loop {
        let asked = Instant::now();
        // Where it cannot tell it lets nothing pass, and has not refused either.
        if matches!(ask(), Ok(Verdict::Denied(_))) {
            return Ok((asked - returned).as_secs_f64() * 1_000.0);
        }
        ensure!(returned.elapsed() < PATIENCE, "it does not hear of it");
        std::thread::sleep(POLL);
    }
}

fn question<'a>(token: &'a str, wanted: &'a Requirements) -> Question<'a> {
    Question {
        token,
        wanted,
        publisher_id: None,
        ip_address: None,
        user_agent: None,
        method: "GET",
        endpoint: "/works",
        cloudflare_ray_id: None,
        cost: 1,
        request_id: "soak",
    }
}
