//! The job that forgets sessions that are over, and attempts to log in that were long ago.

use std::time::Duration;

use keywright_store::{leases, login_networks, login_throttles, sessions};

use super::throttle::FORGOTTEN_AFTER_SECONDS;
use crate::authority::Authority;
use crate::fault::Fault;

/// The name of the job.
pub(crate) const CLEANER: &str = "session_cleaner";
const TTL: Duration = Duration::from_mins(2);
/// Sessions removed in one transaction.
const SLICE: u32 = 1_000;
/// A session that has ended is kept for so long, so that the use of its refresh tokens is still told as what
/// it is.
pub(crate) const KEPT_DAYS: i64 = 30;
/// A network that a user has not been seen in is forgotten after so long.
pub(crate) const NETWORK_DAYS: i64 = 180;

/// Forgets what is over; tells how much. One node does it at a time.
///
/// # Errors
/// As the store.
pub async fn clean_up(authority: &Authority) -> Result<u64, Fault> {
    let now = authority.now();
    let mut tx = authority.store().begin().await?;
    let lease = leases::acquire(tx.conn(), CLEANER, authority.node(), now, TTL).await?;
    tx.commit().await?;
    if lease.is_none() {
        return Ok(0);
    }
    let mut tx = authority.store().begin().await?;
    let mut removed =
        login_throttles::delete_quiet(tx.conn(), now.plus_seconds(-FORGOTTEN_AFTER_SECONDS)).await?;
    removed += login_networks::delete_quiet(tx.conn(), now.plus_days(-NETWORK_DAYS)).await?;
    tx.commit().await?;
    loop {
        let mut tx = authority.store().begin().await?;
        let done = sessions::delete_ended(tx.conn(), now.plus_days(-KEPT_DAYS), SLICE).await?;
        tx.commit().await?;
        removed += done;
        if done < u64::from(SLICE) {
            return Ok(removed);
        }
    }
}
