//! Fifty who log in at once, and a thousand verifications a second beside them.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;

use super::{Node, Stage};
use crate::context::self_form;
use crate::http;
use crate::script::Request;
use crate::sections::open_loop::paced;

const CLIENTS: usize = 50;
const PASSWORD: &str = "nine yellow kettles under the bridge";
/// What 99 of 100 verifications may take meanwhile, in milliseconds.
const P99_MILLIS: f64 = 5.0;

/// A storm of logins leaves the latency of verification as it was.
pub(super) fn logins(stage: &Stage) -> Result<Vec<String>> {
    let settings = [("KEYWRIGHT_SERVER__PUBLIC_URL", "http://127.0.0.1")];
    let mut node = stage.node(Some(&stage.database()?), &settings)?;
    for number in 0..CLIENTS {
        create_user(&node, &email(number))?;
    }
    let script = self_form(Arc::new(node.tokens.clone()));
    let time = stage.pick(Duration::from_secs(20), Duration::from_secs(3));
    let calm = paced(node.server.address, &script, time)?.percentile_micros(99.0) / 1_000.0;
    let storm = Storm::start(node.server.address);
    std::thread::sleep(Duration::from_millis(500));
    let stormy = paced(node.server.address, &script, time)?.percentile_micros(99.0) / 1_000.0;
    let (logins, refused) = storm.finish()?;
    ensure!(logins > 0, "nobody could log in");
    ensure!(stormy <= P99_MILLIS, "p99 of verification was {stormy:.1} ms while {logins} logged in");
    node.server.process.leave()?;
    Ok(vec![format!(
        "p99 of 1,000 verifications a second: {calm:.2} ms before, {stormy:.2} ms while {CLIENTS} logged in round \
         and round ({logins} logins, {refused} told to come later)"
    )])
}

/// Each client is a person of their own: of many attempts at one account all but a few are told to wait.
fn email(number: usize) -> String {
    format!("soak-{number}@example.com")
}

fn create_user(node: &Node, email: &str) -> Result<()> {
    let mut command = node.setup.command(&["user", "create", "--email", email, "--platform-admin"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    writeln!(child.stdin.take().context("no standard input")?, "{PASSWORD}")?;
    let done = child.wait()?;
    ensure!(done.success(), "keywright user create: {done}");
    Ok(())
}

struct Storm {
    over: Arc<AtomicBool>,
    logins: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    clients: Vec<std::thread::JoinHandle<Result<()>>>,
}

impl Storm {
    fn start(address: SocketAddr) -> Self {
        let (over, logins, refused) = (Arc::default(), Arc::default(), Arc::default());
        let mut storm = Self { over, logins, refused, clients: Vec::new() };
        for number in 0..CLIENTS {
            let (over, logins, refused) =
                (Arc::clone(&storm.over), Arc::clone(&storm.logins), Arc::clone(&storm.refused));
            storm.clients.push(std::thread::spawn(move || {
                let body = json!({"email": email(number), "password": PASSWORD}).to_string();
                while !over.load(Ordering::Relaxed) {
                    let answer = http::call(address, Request::post("/api/v1/auth/login", "", &body))?;
                    match answer.status {
                        200 => logins.fetch_add(1, Ordering::Relaxed),
                        // The queue of those who wait for their password to be checked is bounded.
                        503 => refused.fetch_add(1, Ordering::Relaxed),
                        status => bail!(
                            "a login was answered with {status}: {}",
                            String::from_utf8_lossy(&answer.body)
                        ),
                    };
                }
                Ok(())
            }));
        }
        storm
    }

    fn finish(self) -> Result<(u64, u64)> {
        self.over.store(true, Ordering::Relaxed);
        for client in self.clients {
            match client.join() {
                Ok(outcome) => outcome?,
                Err(_) => bail!("a thread of the load died"),
            }
        }
        Ok((self.logins.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed)))
    }
}
