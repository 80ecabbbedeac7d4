//! Where journals end: each batch of events is stored once, with the position that it moves.

use keywright_core::id::SegmentId;
use keywright_core::{NodeId, Timestamp};
use keywright_verify::{Appended, EventSink, Piece, Reject, SourceError};

use crate::authentication_events::append_batch;
use crate::conn::{Conn, change, on};
use crate::dialect::statements;
use crate::engine::Engine;
use crate::error::{CommitError, StoreError};
use crate::places::FoundPlaces;
use crate::store::Store;
use crate::transaction::Tx;
use crate::types::{Time, to_i64, to_u64};
use crate::usage::{self, Tally};

statements! {
    MOVE = [
        "UPDATE journal_segments SET position = $3, last_event_at = COALESCE($4, last_event_at) \
         WHERE id = $1 AND position = $2"
    ];
    CREATE = [
        "INSERT INTO journal_segments (id, node_id, position) VALUES ($1, $2, 0) ON CONFLICT (id) DO NOTHING"
    ];
    POSITION = ["SELECT position FROM journal_segments WHERE id = $1"];
    REJECT = [
        "INSERT INTO journal_rejects (segment_id, start_position, node_id, raw, reason, rejected_at) \
         VALUES ($1, $2, $3, $4, $5, $6)"
    ];
    FORGET = ["DELETE FROM journal_segments WHERE id = $1"];
}

/// Transactions that take events at once: they wait for each other where they count the same.
const MOST_AT_ONCE: usize = 4;

impl EventSink for Store {
    async fn append(&self, pieces: &[Piece]) -> Result<Appended, SourceError> {
        let mut tx = self.begin().await?;
        // In one order, so that two that try the same never wait for each other.
        let mut ordered: Vec<&Piece> = pieces.iter().collect();
        ordered.sort_by_key(|piece| piece.segment);
        for piece in ordered {
            let newest = piece.records.iter().map(|record| record.occurred_at).max();
            let place = Place { node: piece.node, segment: piece.segment, from: piece.from, to: piece.to };
            if !place.advance(tx.conn(), newest).await? {
                return elsewhere(tx.conn(), piece.segment).await;
            }
        }
        let events = || pieces.iter().flat_map(|piece| &piece.records);
        let found = FoundPlaces::look_up(self.places(), events());
        append_batch(tx.conn(), pieces, self.success_events(), &found).await.map_err(refusal)?;
        // Last, as it holds rows that other nodes count in as well.
        let news =
            usage::record(tx.conn(), self.labels(), &Tally::of(events(), &found)).await.map_err(refusal)?;
        let appended = finish(tx).await?;
        self.labels().remember(news);
        Ok(appended)
    }

    /// SQLite has one writer. A connection to PostgreSQL keeps one core there busy; where this process has few, the
    /// store, if it is beside it, has no more to give.
    fn at_once(&self) -> usize {
        match self.engine() {
            Engine::Sqlite => 1,
            Engine::Postgres => std::thread::available_parallelism().map_or(1, usize::from).min(MOST_AT_ONCE),
        }
    }

    async fn reject(&self, reject: &Reject) -> Result<Appended, SourceError> {
        let place = Place { node: reject.node, segment: reject.segment, from: reject.from, to: reject.to };
        let mut tx = self.begin().await?;
        if !place.advance(tx.conn(), None).await? {
            return elsewhere(tx.conn(), reject.segment).await;
        }
        let reason = reject.reason.replace('\0', "\u{FFFD}");
        change!(
            tx.conn(), REJECT;
            reject.segment.0, to_i64(reject.from), reject.node.0, &reject.raw[..], reason, Time(reject.rejected_at)
        )?;
        finish(tx).await
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

/// Of a fault while events are stored: one that is about the events will be there the next time too.
fn refusal(error: StoreError) -> SourceError {
    match error {
        StoreError::Duplicate(_) | StoreError::Data(_) => SourceError::Refused(error.to_string()),
        other => other.into(),
    }
}

async fn finish(tx: Tx) -> Result<Appended, SourceError> {
    match tx.commit().await {
        Ok(()) => Ok(Appended::Done),
        // Trying again tells: the positions are where they were, or where they should be.
        Err(CommitError::NotCommitted(error) | CommitError::OutcomeUnknown(error)) => Err(error.into()),
    }
}

async fn elsewhere(conn: Conn<'_>, segment: SegmentId) -> Result<Appended, SourceError> {
    Ok(Appended::Elsewhere { segment, position: position(conn, segment).await? })
}

/// A step of a segment's position.
struct Place {
    node: NodeId,
    segment: SegmentId,
    from: u64,
    to: u64,
}

impl Place {
    /// The compare-and-set. A segment that is not known yet is at 0.
    async fn advance(&self, mut conn: Conn<'_>, newest: Option<Timestamp>) -> Result<bool, StoreError> {
        if self.from == 0 {
            change!(conn.reborrow(), CREATE; self.segment.0, self.node.0)?;
        }
        let (from, to) = (to_i64(self.from), to_i64(self.to));
        let moved = change!(conn, MOVE; self.segment.0, from, to, Time::optional(newest))?;
        Ok(moved == 1)
    }
}

/// How far a segment is stored; 0 of an unknown one.
async fn position(conn: Conn<'_>, segment: SegmentId) -> Result<u64, StoreError> {
    let position = on!(conn, |c| sqlx::query_scalar::<DB, i64>(POSITION.text::<DB>())
        .bind(segment.0)
        .fetch_optional(c))?;
    Ok(position.map_or(0, to_u64))
}
