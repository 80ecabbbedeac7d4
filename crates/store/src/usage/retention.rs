//! Forgetting old roll-ups, in slices.

use std::collections::BTreeSet;

use keywright_core::Timestamp;
use uuid::Uuid;

use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::types::Time;

statements! {
    HOURLY = [
        "DELETE FROM usage_hourly WHERE (credential_id, hour, endpoint_group, code, country) IN (\
         SELECT credential_id, hour, endpoint_group, code, country FROM usage_hourly WHERE hour <= $1 \
         ORDER BY hour LIMIT $2) RETURNING credential_id, endpoint_group"
    ];
    /// Makes room for another group of that credential.
    UNUSED_GROUP = [
        "DELETE FROM endpoint_groups WHERE credential_id = $1 AND endpoint_group = $2 AND NOT EXISTS (\
         SELECT 1 FROM usage_hourly WHERE credential_id = $1 AND endpoint_group = $2)"
    ];
    DAILY = [
        "DELETE FROM usage_daily WHERE (day, credential_id, code) IN (\
         SELECT day, credential_id, code FROM usage_daily WHERE day <= $1 ORDER BY day LIMIT $2)"
    ];
    SOURCES = [
        "DELETE FROM usage_sources WHERE (credential_id, day, kind, label) IN (\
         SELECT credential_id, day, kind, label FROM usage_sources WHERE day <= $1 ORDER BY day LIMIT $2)"
    ];
}

/// The roll-ups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollup {
    /// By hour, with the endpoint groups that are in use.
    Hourly,
    /// By day.
    Daily,
    /// By day and source.
    Sources,
}

impl Rollup {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hourly, Self::Daily, Self::Sources];
}

/// Deletes at most `limit` rows of a roll-up, of hours or days that lie wholly before `bound`; gives
/// their number. It belongs into a transaction of its own.
///
/// # Errors
/// As any statement.
pub async fn delete_slice(
    conn: Conn<'_>,
    rollup: Rollup,
    bound: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    let (hour, day) = (Time(bound.plus_seconds(-3_600)), Time(bound.plus_days(-1)));
    match rollup {
        Rollup::Hourly => delete_hours(conn, hour, limit).await,
        Rollup::Daily => change!(conn, DAILY; day, i64::from(limit)),
        Rollup::Sources => change!(conn, SOURCES; day, i64::from(limit)),
    }
}

async fn delete_hours(mut conn: Conn<'_>, hour: Time, limit: u32) -> Result<u64, StoreError> {
    let deleted: Vec<(Uuid, String)> =
        on!(conn.reborrow(), |c| sqlx::query_as::<DB, (Uuid, String)>(HOURLY.text::<DB>())
            .bind(hour)
            .bind(i64::from(limit))
            .fetch_all(c))?;
    let rows = deleted.len() as u64;
    for (credential, group) in deleted.into_iter().collect::<BTreeSet<_>>() {
        change!(conn.reborrow(), UNUSED_GROUP; credential, group)?;
    }
    Ok(rows)
}
