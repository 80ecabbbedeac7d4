//! Keeps the months of events in order: partitions before they are needed, and nothing that is older
//! than it may be. Security events are none of its business: they stay.

use std::collections::BTreeMap;
use std::time::Duration;

use keywright_core::Timestamp;
use keywright_store::authentication_events::{self, EventTable, Slice};
use keywright_store::usage::{self, Rollup};
use keywright_store::{Conn, StoreError};
use keywright_verify::clock::boot_micros;
use parking_lot::Mutex;
use tracing::warn;

use super::{Lease, SLICE};
use crate::authority::Authority;
use crate::fault::Fault;

/// The lease of the job.
pub(super) const LEASE: &str = "event keeper";
/// Between two slices it rests so many times as long as a slice took: most of the time belongs to those
/// who store new events.
const REST: i64 = 2;
const SHORTEST_REST: Duration = Duration::from_millis(10);

/// What this process knows to be done.
#[derive(Debug, Default)]
pub struct EventKeeper {
    /// Up to where a table holds failures alone: they are not looked through again every time.
    thinned: Mutex<BTreeMap<String, Timestamp>>,
}

/// Before these moments events may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    successes: Timestamp,
    failures: Timestamp,
}

/// One thing to do about a table.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Drop(EventTable),
    Delete { table: EventTable, since: Timestamp, before: Timestamp, successes_only: bool },
}

/// A table with bounds goes as a whole, as soon as nothing in it may stay.
fn plan(tables: Vec<EventTable>, bounds: Bounds, thinned: &BTreeMap<String, Timestamp>) -> Vec<Step> {
    let mut steps = Vec::new();
    for table in tables {
        let done = thinned.get(table.name()).copied();
        match table.until {
            Some(until) if until <= bounds.failures => steps.push(Step::Drop(table)),
            Some(until) if until <= bounds.successes && done != Some(until) => {
                let since = table.since.unwrap_or(Timestamp::EPOCH);
                steps.push(Step::Delete { table, since, before: until, successes_only: true });
            }
            Some(_) => {}
            None => {
                let (since, before) = (Timestamp::EPOCH, bounds.failures);
                steps.push(Step::Delete { table: table.clone(), since, before, successes_only: false });
                if bounds.failures < bounds.successes {
                    let (since, before) = (done.unwrap_or(bounds.failures), bounds.successes);
                    steps.push(Step::Delete { table, since, before, successes_only: true });
                }
            }
        }
    }
    steps
}

/// Makes partitions, and forgets what is old enough. One node does it at a time. Gives how much was done:
/// partitions made or dropped, and rows deleted.
///
/// # Errors
/// As the store. Whatever can be done is done all the same.
pub async fn keep_events(authority: &Authority) -> Result<u64, Fault> {
    let now = authority.now();
    let Some(lease) = Lease::take(authority, LEASE).await? else { return Ok(0) };
    let days_ago = |days: u32| now.plus_days(-i64::from(days));
    let settings = authority.settings();
    let bounds = Bounds {
        successes: days_ago(settings.retention_days),
        failures: days_ago(settings.failure_retention_days.max(settings.retention_days)),
    };
    let made = make_partitions(authority, now).await;
    let events = forget_events(authority, &lease, bounds).await;
    let rollups = forget_rollups(authority, &lease, bounds.successes).await;
    lease.release(authority).await?;
    Ok(made? + events? + rollups?)
}

async fn make_partitions(authority: &Authority, now: Timestamp) -> Result<u64, Fault> {
    let done = authority.store().make_partitions(now).await?;
    if done.left > 0 {
        warn!(months = done.left, "months of events stay in the default partition, as there are too many");
    }
    Ok(done.made)
}

/// One short transaction, in which the lease is held: who lost it in the meantime does nothing more.
/// `None` then.
async fn step<T>(
    authority: &Authority,
    lease: &Lease,
    work: impl AsyncFnOnce(Conn<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, Fault> {
    let began = boot_micros();
    let Some(mut tx) = lease.begin(authority).await? else { return Ok(None) };
    let done = work(tx.conn()).await?;
    tx.commit().await?;
    let rest = u64::try_from(REST * (boot_micros() - began)).unwrap_or(0);
    tokio::time::sleep(Duration::from_micros(rest).max(SHORTEST_REST)).await;
    Ok(Some(done))
}

async fn forget_events(authority: &Authority, lease: &Lease, bounds: Bounds) -> Result<u64, Fault> {
    let mut reader = authority.store().read().await?;
    let tables = authentication_events::tables(reader.conn()).await?;
    drop(reader);
    let steps = plan(tables, bounds, &authority.event_keeper().thinned.lock());
    let mut done = 0;
    for next in steps {
        let Some(forgotten) = carry_out(authority, lease, next, bounds).await? else { break };
        done += forgotten;
    }
    Ok(done)
}

/// `None` when the lease was lost.
async fn carry_out(
    authority: &Authority,
    lease: &Lease,
    next: Step,
    bounds: Bounds,
) -> Result<Option<u64>, Fault> {
    let (table, since, before, successes_only) = match next {
        Step::Drop(table) => {
            let drop = async |conn: Conn<'_>| {
                authentication_events::drop_partition(conn, &table, bounds.failures).await
            };
            return Ok(step(authority, lease, drop).await?.map(u64::from));
        }
        Step::Delete { table, since, before, successes_only } => (table, since, before, successes_only),
    };
    let mut slice = Slice::first(since, before, SLICE, successes_only);
    let mut deleted = 0;
    loop {
        let delete = async |conn: Conn<'_>| authentication_events::delete_slice(conn, &table, &slice).await;
        let Some(done) = step(authority, lease, delete).await? else { return Ok(None) };
        deleted += done.deleted;
        match done.last {
            Some(last) => slice.after = last,
            None => break,
        }
    }
    if successes_only {
        authority.event_keeper().thinned.lock().insert(table.name().to_owned(), before);
    }
    Ok(Some(deleted))
}

async fn forget_rollups(authority: &Authority, lease: &Lease, bound: Timestamp) -> Result<u64, Fault> {
    let mut done = 0;
    for rollup in Rollup::ALL {
        loop {
            let delete = async |conn: Conn<'_>| usage::delete_slice(conn, rollup, bound, SLICE).await;
            let Some(deleted) = step(authority, lease, delete).await? else { return Ok(done) };
            done += deleted;
            if deleted < u64::from(SLICE) {
                break;
            }
        }
    }
    Ok(done)
}
