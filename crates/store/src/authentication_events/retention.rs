//! Forgetting old events: whole partitions at once, and all else in slices, each a short transaction
//! of its own, so that those who store new events never wait for long.

use keywright_core::{EventId, Timestamp};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::partitions::{self, EventTable};
use crate::conn::{Conn, on};
use crate::error::StoreError;
use crate::types::Time;

/// Where one event stands among all.
type Place = (Timestamp, EventId);

/// Which events of a table are looked at next, in the order of time.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// Those after this one.
    pub after: Place,
    /// Those before this moment.
    pub before: Timestamp,
    /// At most so many.
    pub limit: u32,
    /// Failures stay.
    pub successes_only: bool,
}

impl Slice {
    /// The first of the events from `since` on and before `before`.
    pub fn first(since: Timestamp, before: Timestamp, limit: u32, successes_only: bool) -> Self {
        // No event bears the nil id.
        Self { after: (since, EventId(Uuid::nil())), before, limit, successes_only }
    }
}

/// What became of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceDone {
    /// Events that were deleted.
    pub deleted: u64,
    /// The last one that was looked at; `None` when there are no more.
    pub last: Option<Place>,
}

/// Deletes a slice of the events of a table. It belongs into a transaction of its own.
///
/// # Errors
/// As any query.
pub async fn delete_slice(
    mut conn: Conn<'_>,
    table: &EventTable,
    slice: &Slice,
) -> Result<SliceDone, StoreError> {
    let Slice { after: (since, id), before, limit, successes_only } = *slice;
    let name = table.name();
    // The end of the slice is looked up first, by the key alone: failures that stay are passed over
    // without being read.
    let find = format!(
        "SELECT occurred_at, id FROM {name} WHERE (occurred_at, id) > ($1, $2) AND occurred_at < $3 \
         ORDER BY occurred_at, id LIMIT 1 OFFSET $4"
    );
    let last: Option<(Time, Uuid)> =
        on!(conn.reborrow(), |c| sqlx::query_as::<DB, (Time, Uuid)>(AssertSqlSafe(find))
            .bind(Time(since))
            .bind(id.0)
            .bind(Time(before))
            .bind(i64::from(limit.max(1)) - 1)
            .fetch_optional(c))?;
    let last = last.map(|(occurred_at, id)| (Timestamp::from(occurred_at), EventId(id)));
    let mut delete = format!("DELETE FROM {name} WHERE (occurred_at, id) > ($1, $2) AND ");
    delete.push_str(match last {
        Some(_) => "(occurred_at, id) <= ($3, $4)",
        None => "occurred_at < $3",
    });
    if successes_only {
        delete.push_str(" AND success");
    }
    let deleted = on!(conn, |c| async {
        let query = sqlx::query::<DB>(AssertSqlSafe(delete)).bind(Time(since)).bind(id.0);
        let query = match last {
            Some((occurred_at, id)) => query.bind(Time(occurred_at)).bind(id.0),
            None => query.bind(Time(before)),
        };
        query.execute(c).await.map(|done| done.rows_affected())
    })?;
    Ok(SliceDone { deleted, last })
}

/// Drops a partition with all its events if it lies wholly before `bound`; false when it does not, or is
/// gone, and on SQLite. It belongs into a transaction of its own.
///
/// # Errors
/// [`StoreError::Contention`] when somebody had events locked for too long; trying again may help.
pub async fn drop_partition(
    conn: Conn<'_>,
    table: &EventTable,
    bound: Timestamp,
) -> Result<bool, StoreError> {
    partitions::drop_before(conn, table.name(), bound).await
}
