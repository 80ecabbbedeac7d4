//! The binary itself, as a process of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Caller, PATIENCE, app::MASTER_KEY, eventually};

/// A command line of the binary in a folder and an environment of its own, on a store.
pub(crate) fn keywright(folder: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keywright"));
    set_up(command.args(arguments), folder, url);
    command
}

/// Gives it the folder, and an environment of its own.
fn set_up<'a>(command: &'a mut Command, folder: &Path, url: &str) -> &'a mut Command {
    command.current_dir(folder).env_clear();
    command.env("DATABASE_URL", url).env("KEYWRIGHT_MASTER_KEY", MASTER_KEY);
    command.env("KEYWRIGHT_JOURNAL__DIR", folder.join("journal"));
    command.env("KEYWRIGHT_JOURNAL__ALLOW_EPHEMERAL", "true");
    command.env("KEYWRIGHT_JOURNAL__SYNC_INTERVAL_MS", "50")
}

/// The example, which lies beside the binary: whoever runs the tests of the workspace builds it.
fn of_example() -> Command {
    let program =
        Path::new(env!("CARGO_BIN_EXE_keywright")).with_file_name("examples").join("embedded_service");
    assert!(program.is_file(), "{} is not there: run the tests of the whole workspace", program.display());
    Command::new(program)
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Printed {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// Runs a command to its end.
pub(crate) async fn run(command: Command) -> Printed {
    run_reading(command, "").await
}

/// The same with something on its standard input.
pub(crate) async fn run_reading(mut command: Command, input: &str) -> Printed {
    let input = input.to_owned();
    let running = tokio::task::spawn_blocking(move || {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // One that does not read its input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    });
    let output = tokio::time::timeout(PATIENCE, running).await.expect("the command ends").unwrap();
    Printed {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A running `keywright serve`; killed when dropped.
pub(crate) struct Server {
    child: Child,
    stdout: Arc<Mutex<String>>,
    log: Arc<Mutex<String>>,
    address: SocketAddr,
}

impl Server {
    /// Starts `serve --dev` and waits until it serves.
    pub(crate) async fn start(folder: &Path, url: &str) -> Self {
        Self::start_with(folder, url, &[]).await
    }

    /// The same with more in its environment.
    pub(crate) async fn start_with(folder: &Path, url: &str, environment: &[(&str, &str)]) -> Self {
        let command = keywright(folder, url, &["serve", "--dev", "--listen", "127.0.0.1:0"]);
        Self::running(command, environment).await
    }

    /// Starts it as in production, on a store that has its first token: it tells no links in its log.
    pub(crate) async fn start_plain(folder: &Path, url: &str, environment: &[(&str, &str)]) -> Self {
        let command = keywright(folder, url, &["serve", "--listen", "127.0.0.1:0"]);
        Self::running(command, environment).await
    }

    async fn running(mut command: Command, environment: &[(&str, &str)]) -> Self {
        command.env("KEYWRIGHT_LOG__FORMAT", "json").envs(environment.iter().copied());
        Self::once_told(command, |_, log| serving(log)).await
    }

    /// Starts the example of the crate `keywright-embedded`, which has a node in its own process.
    pub(crate) async fn start_example(folder: &Path, url: &str) -> Self {
        let mut command = of_example();
        set_up(&mut command, folder, url).env("LISTEN", "127.0.0.1:0");
        Self::once_told(command, |printed, _| listening(printed)).await
    }

    /// Starts a command, and waits until it has told in its output or its log where it listens.
    async fn once_told(mut command: Command, told: impl Fn(&str, &str) -> Option<SocketAddr>) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, log) = (Arc::<Mutex<String>>::default(), Arc::<Mutex<String>>::default());
        collect(child.stdout.take().unwrap(), &stdout);
        collect(child.stderr.take().unwrap(), &log);
        let mut address = None;
        eventually("the server serves", async || {
            assert!(child.try_wait().unwrap().is_none(), "{}", log.lock().unwrap());
            address = told(&stdout.lock().unwrap(), &log.lock().unwrap());
            address.is_some()
        })
        .await;
        Self { child, stdout, log, address: address.unwrap() }
    }

    pub(crate) fn nobody(&self) -> Caller {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Caller::nobody(client, self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard output so far.
    pub(crate) fn printed(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The token that `--dev` printed.
    pub(crate) async fn first_token(&self) -> String {
        eventually("the first token is printed", async || self.printed().contains("curl")).await;
        let printed = self.printed();
        let at = printed.find("sk_").unwrap();
        printed[at..at + 67].to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Waits until it has ended by itself; how, and all that it logged.
    pub(crate) async fn ended(mut self) -> (ExitStatus, String) {
        let mut status = None;
        eventually("the server ends", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        (status.unwrap(), self.log())
    }

    /// Ends it as a lost machine does.
    pub(crate) async fn kill(self) {
        self.signal(Signal::KILL);
        self.ended().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads all of a pipe in a thread of its own.
fn collect(pipe: impl std::io::Read + Send + 'static, into: &Arc<Mutex<String>>) {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|count| count > 0) {
            into.lock().unwrap().push_str(&line);
            line.clear();
        }
        let _ = reader.read_to_string(&mut line);
    });
}

/// The address in the line that the example prints.
fn listening(printed: &str) -> Option<SocketAddr> {
    printed.lines().find_map(|line| line.strip_prefix("listening on "))?.parse().ok()
}

/// The address in the line that says that the server serves.
fn serving(log: &str) -> Option<SocketAddr> {
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.find(|line| line["message"] == "serving")?;
    line["address"].as_str()?.parse().ok()
}
