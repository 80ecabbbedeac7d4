//! What Linux says of this process. The names are those that Prometheus' own clients use.

use std::fs;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// This process at one moment; what the system does not tell is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// Time that its threads were running, in seconds.
    pub cpu_seconds: f64,
    /// Memory that it holds, in bytes.
    pub resident_bytes: Option<u64>,
    /// Open files and connections.
    pub open_fds: Option<u64>,
    /// Most that it may open.
    pub max_fds: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

impl Process {
    /// Looks.
    pub fn look() -> Self {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            #[expect(
                clippy::cast_precision_loss,
                reason = "seconds: 285 years fit in 53 bits as microseconds"
            )]
            cpu_seconds: (time.tv_sec * 1_000_000 + time.tv_nsec / 1_000) as f64 / 1e6,
            resident_bytes: number(&status, "VmRSS:").map(|kibibytes| kibibytes * 1024),
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64),
            max_fds: getrlimit(Resource::Nofile).current,
            threads: number(&status, "Threads:"),
        }
    }
}

/// The number in a line of `/proc/self/status`.
fn number(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory_threads_and_files() {
        let process = Process::look();
        assert!(process.cpu_seconds > 0.0);
        for told in [process.resident_bytes, process.open_fds, process.max_fds, process.threads] {
            assert!(told.is_some_and(|number| number > 0), "{process:?}");
        }
    }

    #[test]
    fn a_status_that_says_nothing_is_no_number() {
        assert_eq!(number("VmRSS:\t  12 kB\nThreads:\tx", "VmRSS:"), Some(12));
        assert_eq!(number("VmRSS:\t  12 kB\nThreads:\tx", "Threads:"), None);
        assert_eq!(number("", "Threads:"), None);
    }
}
