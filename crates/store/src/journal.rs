//! Where journals end: each batch of events is stored once, with the position that it moves.

use std::collections::BTreeMap;

use keywright_core::id::SegmentId;
use keywright_core::{CredentialId, NodeId, Timestamp};
use keywright_verify::{Appended, DecisionRecord, EventSink, SourceError};
use sqlx::QueryBuilder;
use uuid::Uuid;

use crate::authentication_events::append_batch;
use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::error::{CommitError, StoreError};
use crate::store::Store;
use crate::types::{Time, to_i64, to_u64};

statements! {
    MOVE = [
        "UPDATE journal_segments SET position = $3, last_event_at = COALESCE($4, last_event_at) \
         WHERE id = $1 AND position = $2"
    ];
    CREATE = [
        "INSERT INTO journal_segments (id, node_id, position) VALUES ($1, $2, 0) ON CONFLICT (id) DO NOTHING"
    ];
    POSITION = ["SELECT position FROM journal_segments WHERE id = $1"];
    FORGET = ["DELETE FROM journal_segments WHERE id = $1"];
}

/// Credentials of one statement that counts.
const USAGE_ROWS: usize = 500;

impl EventSink for Store {
    async fn append(
        &self,
        node: NodeId,
        segment: SegmentId,
        from: u64,
        to: u64,
        events: Vec<DecisionRecord>,
    ) -> Result<Appended, SourceError> {
        let mut tx = self.begin().await?;
        if !move_position(tx.conn(), node, segment, from, to, &events).await? {
            let position = position(tx.conn(), segment).await?;
            return Ok(Appended::Elsewhere { position });
        }
        append_batch(tx.conn(), node, &events).await?;
        count_usage(tx.conn(), &events).await?;
        match tx.commit().await {
            Ok(()) => Ok(Appended::Done),
            // Trying again tells: the position is where it was, or where it should be.
            Err(CommitError::NotCommitted(error) | CommitError::OutcomeUnknown(error)) => Err(error.into()),
        }
    }

    async fn position(&self, segment: SegmentId) -> Result<u64, SourceError> {
        let mut reader = self.read().await?;
        Ok(position(reader.conn(), segment).await?)
    }

    async fn forget(&self, segment: SegmentId) -> Result<(), SourceError> {
        let mut tx = self.begin().await?;
        change!(tx.conn(), FORGET; segment.0)?;
        tx.commit().await.map_err(|error| StoreError::from(error).into())
    }
}

/// The compare-and-set. A segment that is not known yet is at 0.
async fn move_position(
    mut conn: Conn<'_>,
    node: NodeId,
    segment: SegmentId,
    from: u64,
    to: u64,
    events: &[DecisionRecord],
) -> Result<bool, StoreError> {
    let newest = events.iter().map(|event| event.occurred_at).max();
    if set_position(conn.reborrow(), segment, from, to, newest).await? {
        return Ok(true);
    }
    let created = change!(conn.reborrow(), CREATE; segment.0, node.0)?;
    Ok(created == 1 && set_position(conn, segment, from, to, newest).await?)
}

async fn set_position(
    conn: Conn<'_>,
    segment: SegmentId,
    from: u64,
    to: u64,
    newest: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let moved = change!(conn, MOVE; segment.0, to_i64(from), to_i64(to), Time::optional(newest))?;
    Ok(moved == 1)
}

/// How far a segment is stored; 0 of an unknown one.
async fn position(conn: Conn<'_>, segment: SegmentId) -> Result<u64, StoreError> {
    let position = on!(conn, |c| sqlx::query_scalar::<DB, i64>(POSITION.text::<DB>())
        .bind(segment.0)
        .fetch_optional(c))?;
    Ok(position.map_or(0, to_u64))
}

/// Counts what was accepted. In the order of ids, so that two nodes never wait for each other.
async fn count_usage(mut conn: Conn<'_>, events: &[DecisionRecord]) -> Result<(), StoreError> {
    let mut uses: BTreeMap<Uuid, (i64, Timestamp)> = BTreeMap::new();
    for event in events.iter().filter(|event| event.success()) {
        if let Some(CredentialId(id)) = event.credential_id {
            let (count, last) = uses.entry(id).or_insert((0, event.occurred_at));
            *count += 1;
            *last = event.occurred_at.max(*last);
        }
    }
    let uses: Vec<_> = uses.into_iter().collect();
    for slice in uses.chunks(USAGE_ROWS) {
        on!(conn.reborrow(), |c| async {
            let mut query = QueryBuilder::<DB>::new(
                "INSERT INTO credential_usage (credential_id, usage_count, last_used_at) ",
            );
            query.push_values(slice, |mut row, (id, (count, last))| {
                row.push_bind(*id).push_bind(*count).push_bind(Time(*last));
            });
            query.push(
                " ON CONFLICT (credential_id) DO UPDATE SET \
                 usage_count = credential_usage.usage_count + excluded.usage_count, \
                 last_used_at = CASE WHEN excluded.last_used_at > credential_usage.last_used_at \
                 THEN excluded.last_used_at ELSE credential_usage.last_used_at END",
            );
            query.build().persistent(slice.len() == 1).execute(c).await.map(drop)
        })?;
    }
    Ok(())
}
