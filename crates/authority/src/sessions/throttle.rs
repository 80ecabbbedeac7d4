//! Throttling guesses of passwords, at logins and wherever a user is asked for theirs again: per account and per
//! network, never locking the owner out for good.
//!
//! An attempt is counted before the password is looked at, and taken back when that was right: of fifty at
//! once no more are tried than of fifty one after the other. Networks from which the user has logged in are
//! counted each for itself, apart from all others: strangers who fail do not stop the user there.

use std::net::IpAddr;

use keywright_core::{Timestamp, address};
use keywright_store::{login_networks, login_throttles};

use crate::authority::Authority;
use crate::fault::Fault;

/// Attempts at an account that fail before the next one has to wait.
const FREE_OF_ACCOUNT: u64 = 5;
/// The same of a network, behind which there may be many people.
const FREE_OF_NETWORK: u64 = 100;
/// The longest wait, in seconds.
const LONGEST_SECONDS: u64 = 15 * 60;
/// Attempts are forgotten after so long without another, in seconds.
pub(super) const FORGOTTEN_AFTER_SECONDS: i64 = 24 * 3_600;

/// What an attempt was counted under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    account: [u8; 32],
    network: [u8; 32],
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
    let counted = Counted {
        account: keys.throttle_key(&[
            b"account",
            email_folded.as_bytes(),
            if known { from.as_bytes() } else { b"strangers" },
        ]),
        network: keys.throttle_key(&[b"network", from.as_bytes()]),
    };
    let quiet = now.plus_seconds(-FORGOTTEN_AFTER_SECONDS);
    // In one order, so that two attempts never wait for each other.
    for (key, free) in [(&counted.account, FREE_OF_ACCOUNT), (&counted.network, FREE_OF_NETWORK)] {
        let (failures, blocked_until) = login_throttles::count(tx.conn(), key, now, quiet).await?;
        if blocked_until > now {
            tx.rollback().await;
            let micros = u64::try_from(blocked_until.micros_since(now)).unwrap_or(0);
            return Err(Fault::TooManyAttempts { retry_after_seconds: micros.div_ceil(1_000_000) });
        }
        let wait = i64::try_from(wait_seconds(failures, free)).unwrap_or(i64::MAX);
        login_throttles::block(tx.conn(), key, now.plus_seconds(wait)).await?;
    }
    tx.commit().await?;
    Ok(counted)
}

/// The password was right: the account's failures are forgotten, and the network had none.
pub(super) async fn forgive(
    tx: &mut keywright_store::Tx,
    counted: &Counted,
    now: Timestamp,
) -> Result<(), Fault> {
    login_throttles::forget(tx.conn(), &counted.account).await?;
    login_throttles::take_back(tx.conn(), &counted.network).await?;
    login_throttles::block(tx.conn(), &counted.network, now).await?;
    Ok(())
}

/// The same in a transaction of its own.
pub(crate) async fn forgive_at_once(authority: &Authority, counted: &Counted) -> Result<(), Fault> {
    let mut tx = authority.store().begin().await?;
    forgive(&mut tx, counted, authority.now()).await?;
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
