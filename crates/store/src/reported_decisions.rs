//! Decisions that caches elsewhere have made: which were taken already, and taking others.

use std::collections::HashSet;

use keywright_core::id::SegmentId;
use keywright_core::{NodeId, Timestamp};
use keywright_verify::{DecisionRecord, Piece};
use sqlx::{Postgres, QueryBuilder, Sqlite};
use uuid::Uuid;

use crate::authentication_events::append_batch;
use crate::conn::{Conn, call, change};
use crate::dialect::statements;
use crate::error::StoreError;
use crate::places::FoundPlaces;
use crate::store::Store;
use crate::transaction::Tx;
use crate::types::Time;
use crate::usage::{self, Tally};

statements! {
    DELETE_OLDER = [
        "DELETE FROM reported_decisions WHERE event_id IN \
         (SELECT event_id FROM reported_decisions WHERE reported_at < $1 ORDER BY reported_at LIMIT $2)"
    ];
}

/// Ids of one statement on SQLite.
const IDS_AT_ONCE: usize = 500;

impl Store {
    /// Takes those events that were not taken before and adds them to the roll-ups and counters, and commits: which ids
    /// are taken, their rows and what they count are one transaction. Gives how many were new.
    ///
    /// # Errors
    /// As any statement; [`StoreError::Duplicate`] when an event of another origin has the id and the moment of one.
    /// Nothing has changed then, unless the outcome of the commit is unknown; trying again is right either way.
    pub async fn take_reported(
        &self,
        mut tx: Tx,
        node: NodeId,
        mut events: Vec<DecisionRecord>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        // In one order, so that two that report the same never wait for each other in a circle.
        events.sort_by_key(|event| event.id);
        let new = remember(tx.conn(), &events, now).await?;
        events.retain(|event| new.contains(&event.id.0));
        if events.is_empty() {
            return Ok(0);
        }
        let count = events.len() as u64;
        // Of no journal, and so at no place of a segment.
        let piece = Piece { node, segment: SegmentId(Uuid::nil()), from: 0, to: 0, records: events };
        let found = FoundPlaces::look_up(self.places(), piece.records.iter());
        append_batch(tx.conn(), std::slice::from_ref(&piece), self.success_events(), &found).await?;
        // Last, as it holds rows that other nodes count in as well.
        let news = usage::record(tx.conn(), self.labels(), &Tally::of(piece.records.iter(), &found)).await?;
        tx.commit().await?;
        self.labels().remember(news);
        Ok(count)
    }
}

/// Remembers the ids of events, and gives those that were not remembered before. Whoever reports the same at the same
/// moment waits here until this transaction has ended.
async fn remember(
    conn: Conn<'_>,
    events: &[DecisionRecord],
    now: Timestamp,
) -> Result<HashSet<Uuid>, StoreError> {
    const ARRAY: &str = "INSERT INTO reported_decisions (event_id, reported_at) \
         SELECT w.id, $2 FROM UNNEST($1::UUID[]) AS w (id) \
         ON CONFLICT (event_id) DO NOTHING RETURNING event_id";
    let mut new = HashSet::with_capacity(events.len());
    match conn {
        Conn::Postgres(link) => {
            let ids: Vec<Uuid> = events.iter().map(|event| event.id.0).collect();
            let query = sqlx::query_scalar::<Postgres, Uuid>(ARRAY).bind(ids).bind(Time(now));
            new.extend(call!(link, |c| query.fetch_all(c))?);
        }
        Conn::Sqlite(link) => {
            for slice in events.chunks(IDS_AT_ONCE) {
                let ids: Vec<Uuid> = call!(&mut *link, |c| async {
                    let text = "INSERT INTO reported_decisions (event_id, reported_at) ";
                    let mut query = QueryBuilder::<Sqlite>::new(text);
                    query.push_values(slice, |mut row, event| {
                        row.push_bind(event.id.0).push_bind(Time(now));
                    });
                    query.push(" ON CONFLICT (event_id) DO NOTHING RETURNING event_id");
                    query.build_query_scalar().persistent(false).fetch_all(c).await
                })?;
                new.extend(ids);
            }
        }
    }
    Ok(new)
}

/// Forgets at most `limit` ids that were reported before a moment; tells how many.
///
/// # Errors
/// As any query.
pub async fn delete_older(conn: Conn<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    change!(conn, DELETE_OLDER; Time(before), i64::from(limit))
}
