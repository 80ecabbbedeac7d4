//! Processes that a benchmark starts, and ends.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a process may take to leave when asked.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process that ends with its handle.
pub(crate) struct Process {
    child: Child,
}

/// What a process has used since its start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// CPU time of all its threads.
    pub(crate) cpu: Duration,
    /// Memory that it holds now, in bytes.
    pub(crate) resident: u64,
}

impl Process {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).spawn();
        let child =
            child.with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
        Ok(Self { child })
    }

    /// Starts it and reads the first line that it prints.
    pub(crate) fn start_and_hear(command: &mut Command) -> Result<(Self, String)> {
        let mut process = Self::start(command.stdout(Stdio::piped()))?;
        let mut line = String::new();
        let stdout = process.child.stdout.take().context("no standard output")?;
        let mut reader = BufReader::new(stdout);
        if reader.read_line(&mut line)? == 0 {
            bail!("{} ended without a word", command.get_program().to_string_lossy());
        }
        // Somebody must go on reading, or the process would be killed by its next line.
        std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        Ok((process, line.trim().to_owned()))
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// What it has used.
    pub(crate) fn used(&self) -> Result<Used> {
        let id = self.child.id();
        let mut nanos = 0u64;
        for task in std::fs::read_dir(format!("/proc/{id}/task"))? {
            // A thread may end between the listing and the look.
            let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            nanos += text.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        }
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
        let kib: u64 = kib.trim().trim_end_matches(" kB").parse()?;
        Ok(Used { cpu: Duration::from_nanos(nanos), resident: kib * 1024 })
    }

    /// The most memory that it has held so far, in bytes.
    pub(crate) fn peak_resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        Ok(kib.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// Kills it on the spot.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to leave, and waits.
    pub(crate) fn leave(&mut self) -> Result<()> {
        if self.has_ended()? {
            return Ok(());
        }
        if let Some(id) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(id, Signal::TERM)?;
        }
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.has_ended()? {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be told from here, and the machine must be left as it was found.
        let _ = self.leave();
    }
}

/// A server that does nothing but answer so many bytes: this program, as another process.
pub(crate) struct Bare {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Bare {
    /// `kind` is `bare` or `edge`, see [`crate::bare`].
    pub(crate) fn start(kind: &str, bytes: usize) -> Result<Self> {
        let program = std::env::current_exe()?;
        let (process, line) =
            Process::start_and_hear(Command::new(program).arg(kind).arg(bytes.to_string()))?;
        Ok(Self { process, address: line.parse().context("the bare server named no address")? })
    }
}
