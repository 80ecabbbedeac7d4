//! What is watched: which credentials end soon, and how nodes and platform fare.

mod expiry;
mod health;
mod sustained;

pub(crate) use self::expiry::RESOLVER;
pub use self::expiry::{resolve, severity, watch};
pub use self::health::look;
pub(crate) use self::health::{HEALTH, Health, LOOK_SECONDS};

/// The job that tells which credentials end soon; its lease is the resolver's too.
pub(crate) const MONITOR: &str = "monitor";

/// What is watched, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitoringSettings {
    /// Between two rounds, in hours.
    pub check_interval_hours: u32,
    /// How long before the end of a credential it is told, in days.
    pub thresholds_days: Vec<u32>,
    /// Whether those whom alerts concern are written to, where there is mail.
    pub mail_owners: bool,
}

impl Default for MonitoringSettings {
    fn default() -> Self {
        Self { check_interval_hours: 6, thresholds_days: vec![1, 7, 14, 30], mail_owners: true }
    }
}
