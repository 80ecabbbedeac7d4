//! What takes long, or asserts times: promises 1 to 5 of a deployment, tried with real processes, and
//! counted row by row. `scripts/soak` starts the PostgreSQL that is stopped and started here.

mod cases;
mod expiry;
mod import;
mod ledger;
mod logins;
mod receivers;
mod rows;
mod streaming;
mod volume;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;

use crate::keywright::{Keywright, Setup};
use crate::script::Request;

/// Tokens that the clients verify.
const TOKENS: usize = 50;
/// The superuser's URL of the cluster that may be stopped.
const POSTGRES_URL: &str = "KEYWRIGHT_SOAK_POSTGRES_URL";

/// A case: its name, and what it does. It gives lines about what it saw.
type Case = (&'static str, fn(&Stage) -> Result<Vec<String>>);

const ALL: [Case; 12] = [
    ("kills-sqlite", |stage| cases::kills(stage, None)),
    ("kills-postgres", |stage| cases::kills(stage, Some(&stage.database()?))),
    ("outage", cases::outage),
    ("full", cases::full),
    ("memory", cases::memory),
    ("streaming", streaming::streaming),
    ("logins", logins::logins),
    ("expiry", expiry::expiry),
    ("receivers", receivers::receivers),
    ("import", import::import),
    ("rows", volume::postgres),
    ("rows-sqlite", volume::sqlite),
];

/// What cases share.
pub(crate) struct Stage {
    program: PathBuf,
    quick: bool,
    postgres: String,
}

/// Runs cases; an error when one of them failed.
pub(crate) fn run(names: &[String], quick: bool, program: &Path) -> Result<()> {
    let known = |name: &String| ALL.iter().any(|(known, _)| known == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        bail!("there is no case {unknown:?}; there are: {}", ALL.map(|(name, _)| name).join(", "));
    }
    let postgres =
        std::env::var(POSTGRES_URL).with_context(|| format!("{POSTGRES_URL}: run scripts/soak"))?;
    let stage = Stage { program: program.to_owned(), quick, postgres };
    let mut failed = 0;
    for (name, case) in ALL {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let start = Instant::now();
        let outcome = case(&stage);
        let seconds = start.elapsed().as_secs();
        match outcome {
            Ok(lines) => {
                println!("PASS {name} ({seconds} s)");
                for line in lines {
                    println!("     {line}");
                }
            }
            Err(error) => {
                failed += 1;
                println!("FAIL {name} ({seconds} s): {error:#}");
            }
        }
    }
    ensure!(failed == 0, "{failed} cases failed");
    Ok(())
}

impl Stage {
    fn pick<T>(&self, whole: T, quick: T) -> T {
        if self.quick { quick } else { whole }
    }

    /// How many: what `KEYWRIGHT_SOAK_` and this name say, else the usual number.
    fn count(&self, name: &str, whole: i64, quick: i64) -> Result<i64> {
        match std::env::var(format!("KEYWRIGHT_SOAK_{name}")) {
            Ok(text) => text.parse().with_context(|| format!("KEYWRIGHT_SOAK_{name}")),
            Err(_) => Ok(self.pick(whole, quick)),
        }
    }

    /// A new database of the cluster; its URL.
    fn database(&self) -> Result<String> {
        let name = format!("soak_{}", std::process::id() as usize * 100 + next_number());
        let rows = rows::Rows::of(&self.postgres)?;
        rows.execute(&format!("CREATE DATABASE {name}"))?;
        let (server, _) = self.postgres.rsplit_once('/').context("a URL without a database")?;
        Ok(format!("{server}/{name}"))
    }

    /// A node with its first token and [`TOKENS`] more that are cached.
    fn node(&self, database: Option<&str>, settings: &[(&'static str, &str)]) -> Result<Node> {
        let mut setup = Setup::new(&self.program, database)?;
        for (name, value) in settings {
            setup = setup.with(name, value);
        }
        setup.migrate()?;
        let root = setup.bootstrap()?;
        let server = setup.serve()?;
        let mut tokens = Vec::new();
        for number in 0..TOKENS {
            let body =
                json!({"token_name": format!("soak-{number}"), "permissions": ["works:read"]}).to_string();
            let made = server.call(Request::post("/api/v1/auth/tokens", &root, &body), 201)?;
            tokens.push(made["token"].as_str().context("a token without its secret")?.to_owned());
        }
        for token in &tokens {
            server.call(Request::post(crate::keywright::VERIFY, token, ""), 200)?;
        }
        Ok(Node { setup, server, root, tokens })
    }
}

fn next_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A running node.
struct Node {
    setup: Setup,
    server: Keywright,
    root: String,
    tokens: Vec<String>,
}

impl Node {
    fn rows(&self) -> Result<rows::Rows> {
        rows::Rows::of(&self.setup.database_url)
    }

    /// Waits until the journal has nothing left to move, at most so long.
    fn until_moved(&self, patience: Duration) -> Result<Duration> {
        let start = Instant::now();
        loop {
            let status = self.server.status(&self.root);
            let pending = status.as_ref().ok().and_then(|status| status["journal"]["pending_bytes"].as_u64());
            if pending == Some(0) {
                return Ok(start.elapsed());
            }
            if start.elapsed() > patience {
                bail!("{pending:?} bytes are not moved after {patience:?}: {status:?}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// `pg_ctl` on the cluster, by what scripts/soak hands down.
fn postgres_control(arguments: &str) -> Result<()> {
    let done = Command::new("bash").args(["-c", &format!("postgres_control {arguments}")]).status()?;
    ensure!(done.success(), "pg_ctl {arguments}: {done}");
    Ok(())
}
