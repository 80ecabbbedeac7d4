//! Throttling guesses of passwords, at logins and wherever a user is asked for theirs again: per account and per
//! network, never locking the owner out for good.
//!
//! An attempt is counted before the password is looked at, and taken back when that was right: of fifty at
//! once no more are tried than of fifty one after the other. Networks from which the user has logged in are
//! counted each for itself, apart from all others: strangers who fail do not stop the user there.

use std::net::IpAddr;

use keywright_core::{Timestamp, address};
use keywright_store::{Tx, login_networks, login_throttles};
use tracing::warn;

use crate::authority::Authority;
use crate::fault::Fault;

/// Attempts at an account that fail before the next one has to wait.
const FREE_OF_ACCOUNT: u64 = 5;
/// The same of a network, behind which there may be many people.
const FREE_OF_NETWORK: u64 = 100;
/// The longest wait, in seconds.
const LONGEST_SECONDS: u64 = 15 * 60;
/// Attempts are forgotten after so long without another, in seconds.
pub(crate) const FORGOTTEN_AFTER_SECONDS: i64 = 24 * 3_600;

/// What an attempt was counted under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    account: Mark,
    network: Mark,
}

/// One of its counts.
#[derive(Clone, Copy, Debug)]
struct Mark {
    key: [u8; 32],
    /// Until when the next attempt has to wait because of this one.
    blocked_until: Timestamp,
}

impl Mark {
    async fn take_back(&self, tx: &mut Tx, now: Timestamp) -> Result<(), Fault> {
        Ok(login_throttles::take_back(tx.conn(), &self.key, self.blocked_until, now).await?)
    }
}

/// How long to wait after so many failures, in seconds: 1, 2, 4, … up to 15 minutes.
fn wait_seconds(failures: u64, free: u64) -> u64 {
    match failures.checked_sub(free) {
        None | Some(0) => 0,
        Some(over) => 1_u64.checked_shl(u32::try_from(over - 1).unwrap_or(u32::MAX)).unwrap_or(u64::MAX),
    }
    .min(LONGEST_SECONDS)
}

/// Counts an attempt at the account with this folded address.
///
/// # Errors
/// [`Fault::TooManyAttempts`] when it comes too early; then it is not counted.
pub(crate) async fn count(
    authority: &Authority,
    email_folded: &str,
    client: Option<IpAddr>,
) -> Result<Counted, Fault> {
    let network = client.map(address::network);
    let mut tx = authority.store().begin().await?;
    let now = authority.now();
    let known = match network {
        Some(network) => login_networks::is_known(tx.conn(), email_folded, network).await?,
        None => false,
    };
    let from = network.map_or_else(String::new, |network| network.to_string());
    let keys = authority.keys();
    let account = keys.throttle_key(&[
        b"account",
        email_folded.as_bytes(),
        if known { from.as_bytes() } else { b"strangers" },
    ]);
    let network = keys.throttle_key(&[b"network", from.as_bytes()]);
    let both = async {
        // In one order, so that two attempts never wait for each other.
        let account = count_one(&mut tx, account, FREE_OF_ACCOUNT, now).await?;
        let network = count_one(&mut tx, network, FREE_OF_NETWORK, now).await?;
        Ok(Counted { account, network })
    };
    match both.await {
        Ok(counted) => {
            tx.commit().await?;
            Ok(counted)
        }
        Err(fault) => {
            tx.rollback().await;
            Err(fault)
        }
    }
}

async fn count_one(tx: &mut Tx, key: [u8; 32], free: u64, now: Timestamp) -> Result<Mark, Fault> {
    let quiet = now.plus_seconds(-FORGOTTEN_AFTER_SECONDS);
    let (failures, blocked_until) = login_throttles::count(tx.conn(), &key, now, quiet).await?;
    // Attempts that need not wait for each other do not, whichever of them read the clock first.
    if wait_seconds(failures.saturating_sub(1), free) > 0 && blocked_until > now {
        let micros = u64::try_from(blocked_until.micros_since(now)).unwrap_or(0);
        return Err(Fault::TooManyAttempts { retry_after_seconds: micros.div_ceil(1_000_000) });
    }
    let wait = i64::try_from(wait_seconds(failures, free)).unwrap_or(i64::MAX);
    let blocked_until = now.plus_seconds(wait);
    login_throttles::block(tx.conn(), &key, blocked_until).await?;
    Ok(Mark { key, blocked_until })
}

/// The password was right: the account's failures are forgotten, and the network had none.
pub(super) async fn forgive(tx: &mut Tx, counted: &Counted, now: Timestamp) -> Result<(), Fault> {
    login_throttles::forget(tx.conn(), &counted.account.key).await?;
    counted.network.take_back(tx, now).await
}

/// The same in a transaction of its own.
pub(crate) async fn forgive_at_once(authority: &Authority, counted: &Counted) -> Result<(), Fault> {
    let mut tx = authority.store().begin().await?;
    forgive(&mut tx, counted, authority.now()).await?;
    Ok(tx.commit().await?)
}

/// An attempt that failed by a fault of ours is not held against anybody: nobody learned from it whether the
/// password was right.
pub(crate) async fn fairly<T>(
    authority: &Authority,
    counted: &Counted,
    outcome: Result<T, Fault>,
) -> Result<T, Fault> {
    if outcome.as_ref().is_err_and(Fault::is_ours)
        && let Err(error) = take_back(authority, counted).await
    {
        warn!(%error, "an attempt that we failed stays counted");
    }
    outcome
}

async fn take_back(authority: &Authority, counted: &Counted) -> Result<(), Fault> {
    let (mut tx, now) = (authority.store().begin().await?, authority.now());
    counted.account.take_back(&mut tx, now).await?;
    counted.network.take_back(&mut tx, now).await?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end() {
        let waits: Vec<_> = (0..9).map(|failures| wait_seconds(failures, 5)).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 1, 2, 4]);
        assert_eq!(wait_seconds(15, 5), 512);
        for failures in [16, 50, 68, 69, 70, 1_000, u64::MAX] {
            assert_eq!(wait_seconds(failures, 5), LONGEST_SECONDS, "{failures}");
        }
    }
}
