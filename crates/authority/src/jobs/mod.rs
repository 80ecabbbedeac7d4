//! The jobs: idempotent reconcilers. Each looks at what is so and does what is missing; one that is
//! killed at any step is taken up by the next run.

mod event_keeper;

use std::collections::BTreeMap;
use std::time::Duration;

use keywright_core::Timestamp;
use keywright_store::{
    Conn, StoreError, idempotency, leases, personal_tokens, platform, service_tokens,
    sessions as store_sessions,
};
use keywright_verify::clock::boot_micros;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::warn;

pub use self::event_keeper::{EventKeeper, keep_events};

use crate::audit::chain;
use crate::authority::Authority;
use crate::fault::Fault;
use crate::idempotency::{LIFE_SECONDS, SECRET_LIFE_SECONDS};
use crate::{journals, mail, sessions, signing_keys};

/// Rows marked, or forgotten, in one transaction.
const SLICE: u32 = 2_000;
/// A job that did not go through is not tried again sooner, however often it is woken.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// Nor much later, however rarely it runs.
const SOON_AFTER_FAILURE: Duration = Duration::from_mins(1);
/// The reason in rows that an emergency revoked.
pub(crate) const EMERGENCY: &str = "emergency revocation";
/// The reason in rows of tokens that were revoked with all others of their account or its publisher.
pub(crate) const WITH_ACCOUNT: &str = "revoked with all tokens of its service account or publisher";
/// The reason in rows of sessions that ended with all others in a reach.
const ALL_ENDED: &str = "all sessions were ended";
/// The reason in rows of personal tokens that were revoked with all others in a reach.
pub(crate) const ALL_REVOKED: &str = "all personal tokens were revoked";
const SWEEPER: &str = "idempotency sweeper";
const SWEEPER_TTL: Duration = Duration::from_mins(2);

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
    fn keep(&self, name: &'static str, mut run: JobRun) {
        let mut runs = self.0.lock();
        if let Some(before) = runs.get(name) {
            run.successes += before.successes;
            run.failures += before.failures;
        }
        runs.insert(name, run);
    }

    /// The last run of each job, by name.
    pub fn runs(&self) -> Vec<(&'static str, JobRun)> {
        self.0.lock().iter().map(|(name, run)| (*name, run.clone())).collect()
    }
}

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
}

impl Job {
    const ALL: [Self; 8] = [
        Self::Seal,
        Self::Mark,
        Self::Sweep,
        Self::KeepEvents,
        Self::Journals,
        Self::SigningKeys,
        Self::Sessions,
        Self::Mail,
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
        }
    }

    /// Between two runs, unless woken.
    const fn interval(self) -> Duration {
        Duration::from_secs(match self {
            Self::Seal => 1,
            Self::Mark => 30,
            Self::Sweep | Self::SigningKeys => 60,
            Self::KeepEvents | Self::Sessions => 3_600,
            Self::Journals | Self::Mail => 5,
        })
    }

    fn wake(self, authority: &Authority) -> Option<&Notify> {
        match self {
            Self::Seal => Some(authority.seal_wanted()),
            Self::Mark => Some(authority.mark_wanted()),
            Self::Mail => Some(authority.mail_wanted()),
            Self::Sweep | Self::KeepEvents | Self::Journals | Self::SigningKeys | Self::Sessions => None,
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
        }
    }

    async fn repeat(self, authority: Authority) {
        loop {
            let (began_at, began) = (authority.now(), boot_micros());
            let outcome = self.work(&authority).await;
            if let Err(error) = &outcome {
                warn!(job = self.name(), %error, "a job did not go through; it is tried again");
            }
            let every = match outcome {
                Ok(_) => self.interval(),
                Err(_) => self.interval().clamp(AFTER_FAILURE, SOON_AFTER_FAILURE),
            };
            let interval_micros = i64::try_from(every.as_micros()).unwrap_or(i64::MAX);
            let run = JobRun {
                began_at,
                duration_micros: boot_micros() - began,
                done: outcome.as_ref().copied().unwrap_or(0),
                succeeded: outcome.is_ok(),
                next_at: authority.now().plus_micros(interval_micros),
                successes: u64::from(outcome.is_ok()),
                failures: u64::from(outcome.is_err()),
            };
            authority.board().keep(self.name(), run);
            match self.wake(&authority) {
                _ if outcome.is_err() => tokio::time::sleep(every).await,
                Some(wake) => drop(tokio::time::timeout(every, wake.notified()).await),
                None => tokio::time::sleep(every).await,
            }
        }
    }
}

/// Marks the rows of tokens and sessions that a raised number revoked, in slices. Nothing depends on it but
/// lists. Rows that somebody holds at this moment are left to the next run.
///
/// # Errors
/// As the store.
pub async fn mark(authority: &Authority) -> Result<u64, Fault> {
    let tokens = mark_tokens(authority).await? + Revoked::TokensOfAccounts.mark(authority).await?;
    Ok(tokens + Revoked::Sessions.mark(authority).await? + Revoked::PersonalTokens.mark(authority).await?)
}

async fn mark_tokens(authority: &Authority) -> Result<u64, Fault> {
    let mut reader = authority.store().read().await?;
    let epoch = platform::epochs(reader.conn()).await?.service;
    let left = service_tokens::count_below_epoch(reader.conn(), epoch).await?;
    drop(reader);
    if left == 0 { Ok(0) } else { Revoked::TokensBelow(epoch).mark(authority).await }
}

/// Rows that a raised number revoked.
#[derive(Clone, Copy)]
enum Revoked {
    TokensBelow(u64),
    TokensOfAccounts,
    Sessions,
    PersonalTokens,
}

impl Revoked {
    async fn mark(self, authority: &Authority) -> Result<u64, Fault> {
        let mut marked = 0;
        loop {
            let (mut tx, now) = (authority.store().begin().await?, authority.now());
            let done = self.mark_slice(tx.conn(), now).await?;
            if done == 0 {
                tx.rollback().await;
                return Ok(marked);
            }
            tx.commit().await?;
            marked += done;
            if done < u64::from(SLICE) {
                return Ok(marked);
            }
        }
    }

    async fn mark_slice(self, conn: Conn<'_>, now: Timestamp) -> Result<u64, StoreError> {
        match self {
            Self::TokensBelow(epoch) => {
                service_tokens::mark_revoked_by_epoch(conn, epoch, now, Some(EMERGENCY), SLICE).await
            }
            Self::TokensOfAccounts => {
                service_tokens::mark_revoked_with_account(conn, now, Some(WITH_ACCOUNT), SLICE).await
            }
            Self::Sessions => store_sessions::mark_revoked_by_epoch(conn, now, Some(ALL_ENDED), SLICE).await,
            Self::PersonalTokens => {
                personal_tokens::mark_revoked_by_epoch(conn, now, Some(ALL_REVOKED), SLICE).await
            }
        }
    }
}

/// Erases the secrets of idempotent answers that are not told again, and forgets old answers, mails and mailed
/// tokens. One node does it at a time.
///
/// # Errors
/// As the store.
pub async fn sweep(authority: &Authority) -> Result<u64, Fault> {
    let now = authority.now();
    let mut tx = authority.store().begin().await?;
    let lease = leases::acquire(tx.conn(), SWEEPER, authority.node(), now, SWEEPER_TTL).await?;
    tx.commit().await?;
    if lease.is_none() {
        return Ok(0);
    }
    let answers =
        sweep_all(authority, Step::Erase, now).await? + sweep_all(authority, Step::Forget, now).await?;
    Ok(answers + mail::forget(authority, now).await?)
}

#[derive(Clone, Copy)]
enum Step {
    Erase,
    Forget,
}

async fn sweep_all(authority: &Authority, step: Step, now: Timestamp) -> Result<u64, Fault> {
    let mut swept = 0;
    loop {
        let mut tx = authority.store().begin().await?;
        let done = match step {
            Step::Erase => {
                let before = now.plus_seconds(-SECRET_LIFE_SECONDS);
                idempotency::erase_secrets(tx.conn(), before, SLICE).await?
            }
            Step::Forget => {
                idempotency::delete_older(tx.conn(), now.plus_seconds(-LIFE_SECONDS), SLICE).await?
            }
        };
        tx.commit().await?;
        swept += done;
        if done < u64::from(SLICE) {
            return Ok(swept);
        }
    }
}

/// The jobs of an authority, running.
#[derive(Debug)]
pub struct Running(Vec<tokio::task::JoinHandle<()>>);

impl Running {
    /// Starts them.
    pub fn start(authority: &Authority) -> Self {
        Self(Job::ALL.into_iter().map(|job| tokio::spawn(job.repeat(authority.clone()))).collect())
    }

    /// Ends them; what is half done rolls back.
    pub fn stop(&self) {
        self.0.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
