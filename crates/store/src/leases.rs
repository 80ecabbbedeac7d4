//! Leases: a job that one node does. The fencing number grows with each change of the holder, so
//! that what a late holder still does can be told apart.

use std::collections::HashMap;
use std::time::Duration;

use keywright_core::{NodeId, Timestamp};
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::types::{Time, to_i64, to_u64};

statements! {
    ACQUIRE = [
        "INSERT INTO leases (name, holder, fencing, expires_at) VALUES ($1, $2, 1, $4) \
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at, \
         fencing = leases.fencing + CASE WHEN leases.holder = excluded.holder AND leases.expires_at > $3 \
         THEN 0 ELSE 1 END \
         WHERE leases.holder = excluded.holder OR leases.expires_at <= $3 RETURNING fencing"
    ];
    /// The row stays, and with it the number.
    RELEASE = ["UPDATE leases SET expires_at = $4 WHERE name = $1 AND holder = $2 AND fencing = $3"];
    HELD = ["SELECT name, holder FROM leases WHERE expires_at > $1"];
}

/// Takes or extends a lease until `now` + `ttl`; its fencing number, or `None` while another holds it.
/// `now` is the store's clock.
///
/// # Errors
/// As any query.
pub async fn acquire(
    conn: Conn<'_>,
    name: &str,
    holder: NodeId,
    now: Timestamp,
    ttl: Duration,
) -> Result<Option<u64>, StoreError> {
    let expires_at = now.plus_micros(i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX));
    let fencing = on!(conn, |c| sqlx::query_scalar::<DB, i64>(ACQUIRE.text::<DB>())
        .bind(name)
        .bind(holder.0)
        .bind(Time(now))
        .bind(Time(expires_at))
        .fetch_optional(c))?;
    Ok(fencing.map(to_u64))
}

/// Gives a lease back; false when it is not held under that number.
///
/// # Errors
/// As any query.
pub async fn release(conn: Conn<'_>, name: &str, holder: NodeId, fencing: u64) -> Result<bool, StoreError> {
    let done = change!(conn, RELEASE; name, holder.0, to_i64(fencing), Time(Timestamp::EPOCH))?;
    Ok(done == 1)
}

/// Who holds what at this moment.
///
/// # Errors
/// As any query.
pub async fn holders(conn: Conn<'_>, now: Timestamp) -> Result<HashMap<String, NodeId>, StoreError> {
    let held =
        on!(conn, |c| sqlx::query_as::<DB, (String, Uuid)>(HELD.text::<DB>()).bind(Time(now)).fetch_all(c))?;
    Ok(held.into_iter().map(|(name, holder)| (name, NodeId(holder))).collect())
}
