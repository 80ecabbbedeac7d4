//! Cleaning up what is over: by jobs, and at once by whoever asks; and what would go.

use keywright_core::{ActorRef, CredentialId, Timestamp};
use keywright_store::leftovers::{self, Leftover};
use keywright_store::{Tx, alerts, personal_tokens, service_tokens};
use serde_json::{Map, Value, json};

use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::{LIFE_SECONDS, SECRET_LIFE_SECONDS};
use crate::jobs::{Lease, keep_events, sweep};
use crate::{mail, sessions};

/// The job that cleans up credentials and alerts, and its lease.
pub(crate) const CLEANER: &str = "credential_cleaner";
/// What lets its bearer clean up: it hastens what happens by itself.
pub const ADMIN: &str = crate::service_tokens::ADMIN;
/// Expired credentials are switched off after so many days: until then an end can be put off.
const EXPIRED_DAYS: i64 = 7;
/// Rows in one transaction.
const SLICE: u32 = 500;

/// How much of a kind there was, and what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanedUp {
    /// The kind.
    pub kind: Leftover,
    /// How much was over.
    pub due: u64,
    /// How much is left: all, if nothing was to be done; some, if another node is at it.
    pub left: u64,
}

/// Before which moment what is over goes.
fn moment(authority: &Authority, kind: Leftover, now: Timestamp) -> Timestamp {
    let settings = authority.settings();
    let days_ago = |days: i64| now.plus_days(-days);
    let retention = i64::from(settings.retention_days);
    let events = |days: i64| {
        let bound = days_ago(days);
        // On PostgreSQL events go by whole months.
        if authority.has_peers() { bound.start_of_month(0) } else { bound }
    };
    match kind {
        Leftover::ServiceTokensExpired | Leftover::PersonalTokensExpired => days_ago(EXPIRED_DAYS),
        Leftover::ServiceTokensDead | Leftover::PersonalTokensDead | Leftover::Alerts => days_ago(retention),
        Leftover::Sessions => days_ago(sessions::KEPT_DAYS),
        Leftover::LoginThrottles => now.plus_seconds(-sessions::FORGOTTEN_AFTER_SECONDS),
        Leftover::LoginNetworks => days_ago(sessions::NETWORK_DAYS),
        Leftover::IdempotencySecrets => now.plus_seconds(-SECRET_LIFE_SECONDS),
        Leftover::IdempotencyAnswers => now.plus_seconds(-LIFE_SECONDS),
        Leftover::MailedTokens | Leftover::Deliveries => days_ago(mail::KEPT_DAYS),
        Leftover::EventsOfSuccess => events(retention),
        Leftover::EventsOfFailure => events(retention.max(settings.failure_retention_days.into())),
        Leftover::Usage => days_ago(retention + 1),
    }
}

async fn count(authority: &Authority) -> Result<Vec<(Leftover, u64)>, Fault> {
    let mut reader = authority.store().read().await?;
    let now = authority.now();
    let mut counts = Vec::new();
    for kind in Leftover::ALL {
        let moment = moment(authority, *kind, now);
        counts.push((*kind, leftovers::count(reader.conn(), *kind, moment).await?));
    }
    Ok(counts)
}

/// Tells what is over and, unless it is only to be told, does at once what the jobs do in their time.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:admin` at platform level; as the store: what was done until then stays done.
pub async fn clean_up(authority: &Authority, call: Call, dry_run: bool) -> Result<Vec<CleanedUp>, Fault> {
    if dry_run {
        call.require_of_platform(ADMIN)?;
        let counts = count(authority).await?;
        return Ok(counts.into_iter().map(|(kind, due)| CleanedUp { kind, due, left: due }).collect());
    }
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call).await }).await
}

async fn carry_out(authority: &Authority, call: &Call) -> Result<Vec<CleanedUp>, Fault> {
    let due = count(authority).await?;
    let change = Change::begin(authority, call, &needs(ADMIN)?.at_platform_level()).await?;
    let Change { mut tx, grantor, .. } = change;
    let told: Map<String, Value> =
        due.iter().map(|(kind, due)| (kind.as_str().to_owned(), json!(due))).collect();
    let event = Event::new("platform.cleaned_up", grantor.actor, Some(call), Subject::platform());
    event.details(Value::Object(told)).write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::None, false).await?;
    clean_credentials(authority).await?;
    sweep(authority).await?;
    sessions::clean_up(authority).await?;
    keep_events(authority).await?;
    let left = count(authority).await?;
    let both = due.into_iter().zip(left);
    Ok(both.map(|((kind, due), (_, left))| CleanedUp { kind, due, left }).collect())
}

/// What is done to credentials, and how it is told.
#[derive(Clone, Copy)]
enum Step {
    SwitchOffService,
    SwitchOffPersonal,
    RemoveService,
    RemovePersonal,
}

impl Step {
    const ALL: [Self; 4] =
        [Self::SwitchOffService, Self::SwitchOffPersonal, Self::RemoveService, Self::RemovePersonal];

    const fn event(self) -> &'static str {
        match self {
            Self::SwitchOffService => "tokens.deactivated",
            Self::SwitchOffPersonal => "personal_tokens.deactivated",
            Self::RemoveService => "tokens.removed",
            Self::RemovePersonal => "personal_tokens.removed",
        }
    }

    async fn slice(self, authority: &Authority, tx: &mut Tx) -> Result<Vec<CredentialId>, Fault> {
        let now = authority.now();
        let (conn, before) = (tx.conn(), |kind| moment(authority, kind, now));
        Ok(match self {
            Self::SwitchOffService => {
                let before = before(Leftover::ServiceTokensExpired);
                service_tokens::deactivate_expired(conn, before, now, SLICE).await?
            }
            Self::SwitchOffPersonal => {
                let before = before(Leftover::PersonalTokensExpired);
                personal_tokens::deactivate_expired_of_all(conn, before, now, SLICE).await?
            }
            Self::RemoveService => {
                service_tokens::delete_dead(conn, before(Leftover::ServiceTokensDead), SLICE).await?
            }
            Self::RemovePersonal => {
                personal_tokens::delete_dead_of_all(conn, before(Leftover::PersonalTokensDead), SLICE).await?
            }
        })
    }
}

/// Switches off credentials that expired a week ago, removes those that have been dead longer than the audit is
/// kept, and forgets alerts that were resolved as long ago. One node does it at a time.
///
/// # Errors
/// As the store.
pub async fn clean_credentials(authority: &Authority) -> Result<u64, Fault> {
    let Some(lease) = Lease::take(authority, CLEANER).await? else { return Ok(0) };
    let mut done = 0;
    for step in Step::ALL {
        while let Some(mut tx) = lease.begin(authority).await? {
            let ids = step.slice(authority, &mut tx).await?;
            if ids.is_empty() {
                tx.rollback().await;
                break;
            }
            done += ids.len() as u64;
            let event = Event::new(step.event(), ActorRef::system(CLEANER), None, Subject::platform());
            let told = json!({"reason": "expired", "credential_ids": ids});
            event.details(told).write(authority, tx.conn()).await?;
            let ids = ids.iter().map(|id| id.0).collect();
            authority.commit(tx, Invalidation::Of(ids), false).await?;
        }
    }
    while let Some(mut tx) = lease.begin(authority).await? {
        let before = moment(authority, Leftover::Alerts, authority.now());
        let forgotten = alerts::forget(tx.conn(), before, SLICE).await?;
        tx.commit().await?;
        done += forgotten;
        if forgotten < u64::from(SLICE) {
            break;
        }
    }
    lease.release(authority).await?;
    Ok(done)
}
