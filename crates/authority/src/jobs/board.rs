//! What the jobs of this node did last.

use std::collections::BTreeMap;

use keywright_core::Timestamp;
use parking_lot::Mutex;

/// How a job's last run went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRun {
    /// When it began.
    pub began_at: Timestamp,
    /// How long it took, in microseconds.
    pub duration_micros: i64,
    /// Pieces of work done.
    pub done: u64,
    /// Whether it went through.
    pub succeeded: bool,
    /// When it runs next, unless woken earlier.
    pub next_at: Timestamp,
    /// Runs since the start that went through.
    pub successes: u64,
    /// Runs since the start that did not.
    pub failures: u64,
}

/// What the jobs of this node did last.
#[derive(Debug, Default)]
pub struct JobBoard(Mutex<BTreeMap<&'static str, JobRun>>);

impl JobBoard {
    pub(super) fn keep(&self, name: &'static str, mut run: JobRun) {
        let mut runs = self.0.lock();
        if let Some(before) = runs.get(name) {
            run.successes += before.successes;
            run.failures += before.failures;
        }
        runs.insert(name, run);
    }

    /// The last run of a job.
    pub(super) fn run(&self, name: &str) -> Option<JobRun> {
        self.0.lock().get(name).cloned()
    }

    /// The last run of each job, by name.
    pub fn runs(&self) -> Vec<(&'static str, JobRun)> {
        self.0.lock().iter().map(|(name, run)| (*name, run.clone())).collect()
    }
}
