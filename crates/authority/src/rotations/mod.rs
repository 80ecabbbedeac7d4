//! Automated rotation: a new secret is made and delivered, its first use confirms it, only then does the old one's
//! grace begin. Whatever is not confirmed leaves both alive.
//!
//! A rotation is a row; [`keywright_core::rotation::step`] says what follows from it, and each step is one
//! transaction that is a compare-and-set of the row's version. So a process may die between any two steps, and two
//! nodes may run the job at once.

mod by_hand;
mod conclude;
mod deliver;
pub mod deliveries;
mod engine;
mod mint;
mod notice;
mod plan;
pub(crate) mod planning;
mod read;
mod reseal;
mod schedule;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use keywright_core::{CredentialId, Timestamp};
use parking_lot::Mutex;

pub use by_hand::{confirm, roll_back};
pub use engine::run;
pub(crate) use engine::run_in_background;
pub use plan::{MAX_PLANNED, Plan, Planned, plan};
pub use read::{Told, get, list};
pub(crate) use reseal::reseal;

/// The job, and the actor of what it does.
pub(crate) const JOB: &str = "rotation";
/// What the new secret is sealed for; its salt is the id of the rotation.
const PURPOSE: &str = "keywright rotation v1";

/// Where looking for due tokens goes on, when they are too many for one run.
#[derive(Debug, Default)]
pub(crate) struct RotationPlace(Mutex<Option<(Timestamp, CredentialId)>>);

impl RotationPlace {
    fn take(&self) -> Option<(Timestamp, CredentialId)> {
        self.0.lock().take()
    }

    fn put(&self, place: Option<(Timestamp, CredentialId)>) {
        *self.0.lock() = place;
    }
}

/// What was told of tokens by this process, so that it is not told in every run.
#[derive(Debug, Default)]
pub(crate) struct ToldOnce(Mutex<HashSet<(CredentialId, String)>>);

impl ToldOnce {
    /// Whether this is the first time.
    fn first(&self, id: CredentialId, what: &str) -> bool {
        let mut told = self.0.lock();
        if told.len() > 100_000 {
            told.clear();
        }
        told.insert((id, what.to_owned()))
    }
}

/// How automated rotation is configured.
#[derive(Clone, Debug)]
pub struct RotationSettings {
    /// Whether new ones begin. Those that have begun go on either way.
    pub enabled: bool,
    /// Uses within 30 days from which on a token is used much, where no policy says.
    pub high_usage_threshold: u32,
    /// Most tokens of one publisher, or of the platform, whose new secret is under way and not yet used.
    pub max_at_once: u32,
    /// Directories that deliveries may write files into, at any depth.
    pub file_directories: Vec<PathBuf>,
    /// Programs that deliveries may run, by their names.
    pub commands: BTreeMap<String, Vec<String>>,
    /// How long a program may run.
    pub command_timeout: Duration,
}

impl Default for RotationSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            high_usage_threshold: 1_000,
            max_at_once: 10,
            file_directories: Vec::new(),
            commands: BTreeMap::new(),
            command_timeout: Duration::from_mins(1),
        }
    }
}
