//! `keywright serve`, as a process of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::http;
use crate::process::Process;
use crate::script::Request;

/// Longest wait for a server to be ready.
const PATIENCE: Duration = Duration::from_secs(30);
/// Any key: what is sealed here is thrown away.
pub(crate) const MASTER_KEY: &str = "a2V5d3JpZ2h0LWJlbmNoLWtleXdyaWdodC1iZW5jaCE=";
/// The path of verifications.
pub(crate) const VERIFY: &str = "/api/v1/auth/verify";

/// How a server is set up: a folder of its own, a database, and settings beyond the defaults.
pub(crate) struct Setup {
    pub(crate) program: PathBuf,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) database_url: String,
    pub(crate) settings: Vec<(&'static str, String)>,
}

/// A running server.
pub(crate) struct Keywright {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Setup {
    /// On a database of PostgreSQL, or without one on SQLite in the folder.
    pub(crate) fn new(program: &Path, database_url: Option<&str>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("keywright-bench.").tempdir()?;
        let url = format!("sqlite://{}", folder.path().join("keywright.db").display());
        let database_url = database_url.map_or(url, str::to_owned);
        Ok(Self { program: program.to_owned(), folder, database_url, settings: Vec::new() })
    }

    /// One setting more, by the name of its variable.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.settings.push((name, value.to_owned()));
        self
    }

    /// The program with this set-up's environment, and nothing of ours.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().current_dir(self.folder.path());
        command.env("DATABASE_URL", &self.database_url);
        command.env("KEYWRIGHT_MASTER_KEY", MASTER_KEY);
        command.env("KEYWRIGHT_JOURNAL__DIR", self.folder.path().join("journal"));
        command.env("KEYWRIGHT_JOURNAL__ALLOW_EPHEMERAL", "true");
        command.env("KEYWRIGHT_LOG__LEVEL", "warn");
        command.envs(self.settings.iter().map(|(name, value)| (*name, value)));
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments).output().context("cannot start keywright")?;
        if !output.status.success() {
            bail!("keywright {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Makes the schema.
    pub(crate) fn migrate(&self) -> Result<()> {
        self.run(&["migrate"]).map(drop)
    }

    /// Makes the first token, which may do everything.
    pub(crate) fn bootstrap(&self) -> Result<String> {
        let printed = self.run(&["bootstrap", "--email", "bench@example.com", "--json"])?;
        let made: Value = serde_json::from_str(&printed)?;
        Ok(made["token"].as_str().context("bootstrap printed no token")?.to_owned())
    }

    /// Starts a server and waits until it is ready.
    pub(crate) fn serve(&self) -> Result<Keywright> {
        self.serve_at(free_address()?)
    }

    /// The same at a certain address.
    pub(crate) fn serve_at(&self, address: SocketAddr) -> Result<Keywright> {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.path().join("log"))?;
        let mut command = self.command(&["serve", "--listen", &address.to_string()]);
        let process = Process::start(command.stdout(Stdio::null()).stderr(log))?;
        let mut server = Keywright { process, address };
        server.until_ready(Instant::now()).with_context(|| self.log())?;
        Ok(server)
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// An address on which nobody listens now.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

impl Keywright {
    /// Waits until it says that it is ready; tells how long that was after `start`.
    pub(crate) fn until_ready(&mut self, start: Instant) -> Result<Duration> {
        while start.elapsed() < PATIENCE {
            if self.process.has_ended()? {
                bail!("keywright serve ended before it was ready");
            }
            match http::call(self.address, Request::get("/healthz/ready", "")) {
                Ok(answered) if answered.status == 200 => return Ok(start.elapsed()),
                _ => std::thread::sleep(Duration::from_micros(500)),
            }
        }
        bail!("keywright serve was not ready in {PATIENCE:?}")
    }

    /// A call that must have this status; gives its body.
    pub(crate) fn call(&self, request: Request<'_>, status: u16) -> Result<Value> {
        http::call(self.address, request)?.json(status)
    }

    /// `GET /system/status`.
    pub(crate) fn status(&self, token: &str) -> Result<Value> {
        self.call(Request::get("/api/v1/system/status", token), 200)
    }
}
