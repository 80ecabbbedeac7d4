//! Receivers that hang, and a thousand verifications a second beside them.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Node, Stage};
use crate::context::self_form;
use crate::script::Request;
use crate::sections::open_loop::paced;

/// Subscriptions whose receiver takes a connection, and never answers.
const HANGING: usize = 100;
/// Events while it is measured, each told to all of them.
const EVENTS: usize = 200;
/// What 99 of 100 verifications may take meanwhile, in milliseconds.
const P99_MILLIS: f64 = 5.0;

/// Receivers that hang leave the latency of verification as it was.
pub(super) fn receivers(stage: &Stage) -> Result<Vec<String>> {
    let settings = [("KEYWRIGHT_NOTIFICATIONS__ALLOWED_NETWORKS", "127.0.0.0/8")];
    let mut node = stage.node(Some(&stage.database()?), &settings)?;
    let script = self_form(Arc::new(node.tokens.clone()));
    let time = stage.pick(Duration::from_secs(20), Duration::from_secs(3));
    let calm = paced(node.server.address, &script, time)?.percentile_micros(99.0) / 1_000.0;
    let (address, taken) = hang()?;
    subscribe(&node, &address)?;
    let stormy = std::thread::scope(|scope| -> Result<f64> {
        let events = scope.spawn(|| happen(&node, time / u32::try_from(EVENTS)?));
        let stormy = paced(node.server.address, &script, time)?.percentile_micros(99.0) / 1_000.0;
        match events.join() {
            Ok(outcome) => outcome.map(|()| stormy),
            Err(_) => anyhow::bail!("the thread that makes events died"),
        }
    })?;
    let taken = taken.load(Ordering::Relaxed);
    ensure!(taken > 0, "nobody was told anything");
    ensure!(stormy <= P99_MILLIS, "p99 of verification was {stormy:.1} ms while {HANGING} receivers hung");
    node.server.process.leave()?;
    Ok(vec![format!(
        "p99 of 1,000 verifications a second: {calm:.2} ms before, {stormy:.2} ms while {HANGING} receivers hung \
         ({taken} attempts at {EVENTS} events)"
    )])
}

/// Takes every connection, and keeps it without a word.
fn hang() -> Result<(String, Arc<AtomicU64>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, taken) = (listener.local_addr()?.to_string(), Arc::new(AtomicU64::new(0)));
    let counter = Arc::clone(&taken);
    std::thread::spawn(move || {
        let mut kept: Vec<TcpStream> = Vec::new();
        for stream in listener.incoming().flatten() {
            counter.fetch_add(1, Ordering::Relaxed);
            kept.push(stream);
        }
    });
    Ok((address, taken))
}

fn subscribe(node: &Node, address: &str) -> Result<()> {
    for number in 0..HANGING {
        let body = json!({"name": format!("hanging {number}"), "url": format!("http://{address}/"),
            "event_types": ["token.*"]});
        node.server.call(Request::post("/api/v1/event-subscriptions", &node.root, &body.to_string()), 201)?;
    }
    Ok(())
}

fn happen(node: &Node, pause: Duration) -> Result<()> {
    for number in 0..EVENTS {
        let body = json!({"token_name": format!("told {number}"), "permissions": []}).to_string();
        node.server.call(Request::post("/api/v1/auth/tokens", &node.root, &body), 201)?;
        std::thread::sleep(pause);
    }
    Ok(())
}
