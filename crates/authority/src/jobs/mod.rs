//! The jobs: idempotent reconcilers. Each looks at what is so and does what is missing; one that is
//! killed at any step is taken up by the next run.

mod board;
mod event_keeper;
mod lease;
mod mark;
mod sweep;

use std::time::Duration;

use keywright_core::{NodeId, Timestamp};
use keywright_store::{
    Conn, StoreError, deliveries, leases, outbox, platform, security_events, service_tokens,
};
use keywright_verify::clock::boot_micros;
use tokio::sync::Notify;
use tracing::warn;

pub use self::board::{JobBoard, JobRun};
pub use self::event_keeper::{EventKeeper, keep_events};
pub(crate) use self::lease::Lease;
pub use self::mark::mark;
pub(crate) use self::mark::{ALL_REVOKED, EMERGENCY, WITH_ACCOUNT};
pub use self::sweep::sweep;

use crate::audit::chain;
use crate::authority::Authority;
use crate::fault::Fault;
use crate::{
    alerts, anomalies, cleanup, journals, mail, monitoring, notifications, rotations, sessions, signing_keys,
};

/// Rows marked, or forgotten, in one transaction.
const SLICE: u32 = 2_000;
/// A job that did not go through is not tried again sooner, however often it is woken.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// Nor much later, however rarely it runs.
const SOON_AFTER_FAILURE: Duration = Duration::from_mins(1);
/// How often a job that runs rarely looks whether its time has come by the authority's clock.
const TICK: Duration = Duration::from_millis(500);

/// The jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    /// Seals security events.
    Seal,
    /// Marks the rows that an emergency revoked by epoch.
    Mark,
    /// Erases secrets of idempotent answers, and the answers.
    Sweep,
    /// Makes partitions of events, and forgets old ones.
    KeepEvents,
    /// Beats for this node's journal, and misses those that fall silent.
    Journals,
    /// Makes signing keys in time, and lets them go.
    SigningKeys,
    /// Forgets sessions that are over.
    Sessions,
    /// Delivers mail.
    Mail,
    /// Writes the deliveries of what happened.
    Dispatch,
    /// Delivers notifications.
    Notify,
    /// Switches off and removes credentials that are over, and forgets old alerts.
    Credentials,
    /// Tells which credentials end soon.
    Monitor,
    /// Resolves alerts about credentials whose end was told, and is not near any more.
    ResolveExpiry,
    /// Looks for odd use of credentials, hour by hour.
    Anomalies,
    /// Writes to those whom alerts concern.
    OwnerLetters,
    /// Looks how this node and the platform fare.
    Health,
    /// Rotates tokens.
    Rotate,
}

impl Job {
    const ALL: [Self; 17] = [
        Self::Seal,
        Self::Mark,
        Self::Sweep,
        Self::KeepEvents,
        Self::Journals,
        Self::SigningKeys,
        Self::Sessions,
        Self::Mail,
        Self::Dispatch,
        Self::Notify,
        Self::Credentials,
        Self::Monitor,
        Self::ResolveExpiry,
        Self::Anomalies,
        Self::OwnerLetters,
        Self::Health,
        Self::Rotate,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Seal => "security_event_sealer",
            Self::Mark => "revocation_marker",
            Self::Sweep => "idempotency_sweeper",
            Self::KeepEvents => "event_keeper",
            Self::Journals => journals::WATCH,
            Self::SigningKeys => signing_keys::KEEPER,
            Self::Sessions => sessions::CLEANER,
            Self::Mail => mail::JOB,
            Self::Dispatch => notifications::DISPATCHER,
            Self::Notify => notifications::DELIVERER,
            Self::Credentials => cleanup::CLEANER,
            Self::Monitor => monitoring::MONITOR,
            Self::ResolveExpiry => monitoring::RESOLVER,
            Self::Anomalies => anomalies::WATCH,
            Self::OwnerLetters => alerts::LETTERS,
            Self::Health => monitoring::HEALTH,
            Self::Rotate => rotations::JOB,
        }
    }

    /// Between two runs, unless woken; `None` of a job that is off.
    fn interval(self, authority: &Authority) -> Option<Duration> {
        let monitoring = authority.settings().monitoring.as_ref();
        let seconds = match self {
            Self::Seal | Self::Dispatch | Self::Notify => 1,
            Self::Mark => 30,
            Self::Sweep | Self::SigningKeys => 60,
            Self::KeepEvents | Self::Sessions | Self::Credentials => 3_600,
            Self::Rotate => 15,
            Self::Journals | Self::Mail => 5,
            Self::Monitor => u64::from(monitoring?.check_interval_hours) * 3_600,
            Self::ResolveExpiry => monitoring.map(|_| 30)?,
            Self::Anomalies => monitoring.map(|_| 300)?,
            Self::OwnerLetters => {
                monitoring.filter(|wanted| wanted.mail_owners).map(|_| alerts::ROUND_SECONDS)?
            }
            Self::Health => monitoring.map(|_| monitoring::LOOK_SECONDS)?,
        };
        Some(Duration::from_secs(seconds))
    }

    /// What one node does at a time, under this name in `leases`.
    const fn lease(self) -> Option<&'static str> {
        match self {
            Self::Seal => Some(chain::SEALER),
            Self::Sweep => Some(sweep::SWEEPER),
            Self::KeepEvents => Some(event_keeper::LEASE),
            Self::Sessions => Some(sessions::CLEANER),
            Self::Credentials => Some(cleanup::CLEANER),
            Self::Monitor | Self::ResolveExpiry => Some(monitoring::MONITOR),
            Self::Anomalies => Some(anomalies::WATCH),
            Self::OwnerLetters => Some(alerts::LETTERS),
            Self::Health => Some(monitoring::HEALTH),
            Self::Rotate => Some(rotations::JOB),
            Self::Mark | Self::Journals | Self::SigningKeys | Self::Mail | Self::Dispatch | Self::Notify => {
                None
            }
        }
    }

    /// How much waits for it; `None` of a job for which nothing waits.
    async fn backlog(self, conn: Conn<'_>) -> Result<Option<u64>, StoreError> {
        Ok(Some(match self {
            Self::Seal => security_events::unsealed_count(conn).await?,
            Self::Mark => {
                let mut conn = conn;
                let epoch = platform::epochs(conn.reborrow()).await?.service;
                service_tokens::count_below_epoch(conn, epoch).await?
            }
            Self::Mail => outbox::waiting(conn).await?.count,
            Self::Dispatch => notifications::behind(conn).await?,
            Self::Notify => deliveries::waiting(conn, Timestamp::EPOCH).await?.count,
            _ => return Ok(None),
        }))
    }

    fn wake(self, authority: &Authority) -> Option<&Notify> {
        match self {
            Self::Seal => Some(authority.seal_wanted()),
            Self::Mark => Some(authority.mark_wanted()),
            Self::Mail => Some(authority.mail_wanted()),
            Self::Dispatch => Some(authority.dispatch_wanted()),
            Self::Notify => Some(authority.deliveries_wanted()),
            _ => None,
        }
    }

    async fn work(self, authority: &Authority) -> Result<u64, Fault> {
        match self {
            Self::Seal => chain::seal(authority).await.map(|sealed| sealed as u64),
            Self::Mark => mark(authority).await,
            Self::Sweep => sweep(authority).await,
            Self::KeepEvents => keep_events(authority).await,
            Self::Journals => journals::watch(authority).await,
            Self::SigningKeys => signing_keys::keep(authority).await,
            Self::Sessions => sessions::clean_up(authority).await,
            Self::Mail => mail::deliver_in_background(authority).await,
            Self::Dispatch => notifications::dispatch_in_background(authority).await,
            Self::Notify => notifications::deliver_in_background(authority).await,
            Self::Credentials => cleanup::clean_credentials(authority).await,
            Self::Monitor => monitoring::watch(authority).await,
            Self::ResolveExpiry => monitoring::resolve(authority).await,
            Self::Anomalies => anomalies::watch(authority).await,
            Self::OwnerLetters => alerts::write_letters(authority).await,
            Self::Health => monitoring::look(authority).await,
            Self::Rotate => rotations::run_in_background(authority).await,
        }
    }

    /// What this node knows of it.
    fn known(self, authority: &Authority) -> JobReport {
        let run = authority.board().run(self.name());
        JobReport { name: self.name(), run, held_by: None, backlog: None }
    }

    async fn repeat(self, authority: Authority, interval: Duration) {
        loop {
            let (began_at, began) = (authority.now(), boot_micros());
            let outcome = self.work(&authority).await;
            if let Err(error) = &outcome {
                warn!(job = self.name(), %error, "a job did not go through; it is tried again");
            }
            let every = match outcome {
                Ok(_) => interval,
                Err(_) => interval.clamp(AFTER_FAILURE, SOON_AFTER_FAILURE),
            };
            let interval_micros = i64::try_from(every.as_micros()).unwrap_or(i64::MAX);
            let next_at = authority.now().plus_micros(interval_micros);
            let run = JobRun {
                began_at,
                duration_micros: boot_micros() - began,
                done: outcome.as_ref().copied().unwrap_or(0),
                succeeded: outcome.is_ok(),
                next_at,
                successes: u64::from(outcome.is_ok()),
                failures: u64::from(outcome.is_err()),
            };
            authority.board().keep(self.name(), run);
            match self.wake(&authority) {
                _ if outcome.is_err() => tokio::time::sleep(every).await,
                Some(wake) => drop(tokio::time::timeout(every, wake.notified()).await),
                // Hours are those of the clock by which credentials end.
                None if self == Self::Monitor => {
                    while authority.now() < next_at {
                        tokio::time::sleep(TICK.min(every)).await;
                    }
                }
                None => tokio::time::sleep(every).await,
            }
        }
    }
}

/// How a job fares, as far as this node and the store know.
#[derive(Clone, Debug)]
pub struct JobReport {
    /// Its name.
    pub name: &'static str,
    /// Its last run on this node.
    pub run: Option<JobRun>,
    /// The node that does it now, of a job that one node does at a time.
    pub held_by: Option<NodeId>,
    /// How much waits for it, where that can be told.
    pub backlog: Option<u64>,
}

/// Every job that is on.
///
/// # Errors
/// As the store.
pub(crate) async fn report(authority: &Authority, mut conn: Conn<'_>) -> Result<Vec<JobReport>, StoreError> {
    let holders = leases::holders(conn.reborrow(), authority.now()).await?;
    let mut reports = Vec::new();
    for job in Job::ALL.into_iter().filter(|job| job.interval(authority).is_some()) {
        reports.push(JobReport {
            held_by: job.lease().and_then(|lease| holders.get(lease).copied()),
            backlog: job.backlog(conn.reborrow()).await?,
            ..job.known(authority)
        });
    }
    Ok(reports)
}

/// The same while the store is away.
pub(crate) fn report_alone(authority: &Authority) -> Vec<JobReport> {
    let on = Job::ALL.into_iter().filter(|job| job.interval(authority).is_some());
    on.map(|job| job.known(authority)).collect()
}

/// The jobs of an authority, running.
#[derive(Debug)]
pub struct Running(Vec<tokio::task::JoinHandle<()>>);

impl Running {
    /// Starts them.
    pub fn start(authority: &Authority) -> Self {
        let on = Job::ALL.into_iter().filter_map(|job| Some((job, job.interval(authority)?)));
        Self(on.map(|(job, interval)| tokio::spawn(job.repeat(authority.clone(), interval))).collect())
    }

    /// Ends them; what is half done rolls back.
    pub fn stop(&self) {
        self.0.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}
