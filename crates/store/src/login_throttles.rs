//! Attempts to log in, counted under keyed hashes that tell neither accounts nor addresses.

use keywright_core::Timestamp;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::types::{Time, to_u64};

statements! {
    BY_KEY = ["SELECT failures, began_at, blocked_until FROM login_throttles WHERE key_hash = $1"];
    /// A count that has been quiet since `$3` begins anew.
    COUNT = [
        "INSERT INTO login_throttles (key_hash, failures, began_at, blocked_until) VALUES ($1, 1, $2, $2) \
         ON CONFLICT (key_hash) DO UPDATE SET \
         failures = CASE WHEN login_throttles.blocked_until < $3 THEN 1 ELSE login_throttles.failures + 1 END, \
         began_at = CASE WHEN login_throttles.blocked_until < $3 THEN $2 ELSE login_throttles.began_at END \
         RETURNING failures, blocked_until"
    ];
    BLOCK = ["UPDATE login_throttles SET blocked_until = $2 WHERE key_hash = $1"];
    TAKE_BACK = [
        "UPDATE login_throttles SET failures = failures - 1, \
         blocked_until = CASE WHEN blocked_until = $2 THEN $3 ELSE blocked_until END \
         WHERE key_hash = $1 AND failures > 0"
    ];
    FORGET = ["DELETE FROM login_throttles WHERE key_hash = $1"];
    DELETE_QUIET = ["DELETE FROM login_throttles WHERE blocked_until < $1"];
}

/// What is counted under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Attempts that were not taken back.
    pub failures: u64,
    /// When the first of them was.
    pub began_at: Timestamp,
    /// Until when there is none to be.
    pub blocked_until: Timestamp,
}

/// What is counted under a key.
///
/// # Errors
/// As any query.
pub async fn by_key(conn: Conn<'_>, key: &[u8]) -> Result<Option<Throttle>, StoreError> {
    let row = on!(conn, |c| sqlx::query_as::<DB, (i64, Time, Time)>(BY_KEY.text::<DB>())
        .bind(key)
        .fetch_optional(c))?;
    Ok(row.map(|(failures, began_at, blocked_until)| Throttle {
        failures: to_u64(failures),
        began_at: began_at.into(),
        blocked_until: blocked_until.into(),
    }))
}

/// Counts one attempt, and holds the count until the transaction ends; tells how many there are now, and until
/// when there is to be none. What has been quiet since `quiet_before` is forgotten.
///
/// # Errors
/// As any query.
pub async fn count(
    conn: Conn<'_>,
    key: &[u8],
    now: Timestamp,
    quiet_before: Timestamp,
) -> Result<(u64, Timestamp), StoreError> {
    let (failures, blocked_until) = on!(conn, |c| sqlx::query_as::<DB, (i64, Time)>(COUNT.text::<DB>())
        .bind(key)
        .bind(Time(now))
        .bind(Time(quiet_before))
        .fetch_one(c))?;
    Ok((to_u64(failures), blocked_until.into()))
}

/// There is to be no further attempt before `until`.
///
/// # Errors
/// As any query.
pub async fn block(conn: Conn<'_>, key: &[u8], until: Timestamp) -> Result<(), StoreError> {
    change!(conn, BLOCK; key, Time(until))?;
    Ok(())
}

/// One attempt was none to be counted: nobody waits for it any more. Whoever was counted since has put another
/// moment in the place of `blocked_until`, and that one stays.
///
/// # Errors
/// As any query.
pub async fn take_back(
    conn: Conn<'_>,
    key: &[u8],
    blocked_until: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    change!(conn, TAKE_BACK; key, Time(blocked_until), Time(now))?;
    Ok(())
}

/// Forgets what was counted under a key.
///
/// # Errors
/// As any query.
pub async fn forget(conn: Conn<'_>, key: &[u8]) -> Result<(), StoreError> {
    change!(conn, FORGET; key)?;
    Ok(())
}

/// Removes what has been quiet since `before`; tells how many.
///
/// # Errors
/// As any query.
pub async fn delete_quiet(conn: Conn<'_>, before: Timestamp) -> Result<u64, StoreError> {
    change!(conn, DELETE_QUIET; Time(before))
}
