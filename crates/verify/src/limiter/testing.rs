//! A Redis or Valkey server for tests: a process of its own, which keeps nothing.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

/// The programs, the preferred one first.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
/// Names another program.
const PROGRAM: &str = "KEYWRIGHT_TEST_REDIS";

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct RedisServer {
    program: String,
    process: Child,
    address: SocketAddr,
}

impl RedisServer {
    /// Starts one; `None`, and it says so, where there is no such program.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Option<Self> {
        let named = std::env::var(PROGRAM).into_iter();
        let all = named.chain(PROGRAMS.map(str::to_owned));
        let has = |program: &String| Command::new(program).arg("--version").output().is_ok();
        let Some(program) = all.into_iter().find(has) else {
            eprintln!(
                "SKIPPED: there is neither a redis-server nor a valkey-server; scripts/test installs one"
            );
            return None;
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        let mut server = Self { process: spawn(&program, address), program, address };
        server.until_it_answers().await;
        Some(server)
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Ends it as a crash would, and starts it anew at the same address.
    ///
    /// # Panics
    /// When it does not start again.
    pub async fn restart(&mut self) {
        self.end();
        self.process = spawn(&self.program, self.address);
        self.until_it_answers().await;
    }

    /// Ends it as a crash would.
    pub fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Lets it fall silent, with all connections open.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// How often it was asked to run a script that it has.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn calls_of_scripts(&self) -> u64 {
        let client = redis::Client::open(self.url()).expect("an address");
        let mut connection = client.get_multiplexed_async_connection().await.expect("it listens");
        let told: String =
            redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await.expect("what it did");
        let calls = told.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        calls.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or_default()
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).expect("the id of a process");
        kill_process(id, signal).expect("it is our own");
    }

    async fn until_it_answers(&mut self) {
        for _ in 0..1_000 {
            if TcpStream::connect(self.address).is_ok() {
                return;
            }
            if let Ok(Some(status)) = self.process.try_wait() {
                panic!("the server ended: {status}");
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("the server does not listen on {}", self.address);
    }
}

fn spawn(program: &str, address: SocketAddr) -> Child {
    let port = address.port().to_string();
    let settings = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    let mut command = Command::new(program);
    command.args(settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("it was there")
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.end();
    }
}
