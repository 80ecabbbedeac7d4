//! The mover: takes synced records to the store, each once.

use std::sync::Arc;
use std::time::Duration;

use keywright_core::Timestamp;
use tracing::{error, warn};

use super::codec::{self, HEADER_BYTES};
use super::record::DecisionRecord;
use super::segment::Segment;
use super::{Inner, Journal};
use crate::clock::boot_micros;
use crate::source::{Appended, EventSink, Piece, SourceError};

/// Bytes read at once.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Between two looks at a journal that had nothing to move.
const IDLE: Duration = Duration::from_millis(200);
/// Fewer bytes than this between two passes, and nobody is in a hurry to be answered.
const QUIET_BYTES: u64 = 64 * 1024;
/// About what a busy second appends.
const SECOND_BYTES: u64 = 16 * 1024 * 1024;
/// So much waits that the events are late.
const LATE_BYTES: u64 = 64 * 1024 * 1024;
/// A piece of work that took longer, for whatever reason, is not rested from longer.
const MAX_REST: Duration = Duration::from_millis(250);
/// Between two tries of a store that did not take a batch.
const RETRY: Duration = Duration::from_secs(1);

/// What one pass over the segments did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Records stored.
    pub records: usize,
    /// Whether something synced is still to be stored.
    pub more: bool,
}

/// Moves for as long as it is polled.
pub async fn run<S: EventSink>(journal: Journal, sink: Arc<S>) {
    let mut appended = journal.inner().appended_bytes();
    loop {
        let began = boot_micros();
        let before = std::mem::replace(&mut appended, journal.inner().appended_bytes());
        match pass(&journal, sink.as_ref()).await {
            Ok(moved) if moved.more => {
                tokio::time::sleep(rest(journal.inner(), boot_micros() - began, appended - before)).await;
            }
            Ok(_) => tokio::time::sleep(IDLE).await,
            Err(error) => {
                warn!(%error, "authentication events stay in the journal");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Answering goes first: while records are being appended the mover rests three times as long as it
/// worked, as long when about a second's worth waits, and not at all beyond that or once nobody appends:
/// a journal is there to be filled in a rush and emptied after it.
fn rest(inner: &Inner, worked_micros: i64, appended_bytes: u64) -> Duration {
    let worked = Duration::from_micros(u64::try_from(worked_micros).unwrap_or(0)).min(MAX_REST);
    match inner.pending_bytes() {
        _ if appended_bytes < QUIET_BYTES => Duration::ZERO,
        0..SECOND_BYTES => worked * 3,
        SECOND_BYTES..LATE_BYTES => worked,
        _ => Duration::ZERO,
    }
}

/// Goes over all segments once, one chunk each. Segments that are stored whole and sealed are removed.
///
/// # Errors
/// When the store did not take a batch; nothing is lost then. What it takes of the other segments is
/// stored all the same, and then its refusal is only told.
pub async fn pass<S: EventSink>(journal: &Journal, sink: &S) -> Result<Moved, SourceError> {
    let mut total = Moved::default();
    let mut refused = None;
    for segment in journal.inner().segments() {
        match move_chunk(&segment, sink).await {
            Ok(moved) => {
                total.records += moved.records;
                total.more |= moved.more;
            }
            // It would take the others no better.
            Err(error @ SourceError::Unavailable(_)) => return Err(error),
            Err(error) => refused = Some(error),
        }
        if segment.is_pending() {
            continue;
        }
        if journal.inner().is_crowded() && segment.written() > HEADER_BYTES as u64 {
            segment.seal();
        }
        // In this order: once it is sealed nothing is added to what was moved.
        if segment.is_sealed() && !segment.is_pending() {
            remove(journal.inner(), segment, sink).await;
        }
    }
    match refused {
        Some(error) if total.records == 0 => Err(error),
        Some(error) => {
            warn!(%error, "authentication events of one segment stay in the journal");
            Ok(total)
        }
        None => Ok(total),
    }
}

async fn remove<S: EventSink>(inner: &Arc<Inner>, segment: Arc<Segment>, sink: &S) {
    let (own, id) = (Arc::clone(inner), segment.id());
    let removed = tokio::task::spawn_blocking(move || own.remove(&segment)).await;
    if let Err(error) = removed.map_err(std::io::Error::other).flatten() {
        warn!(%error, segment = %id, "a moved segment could not be removed");
    } else if let Err(error) = sink.forget(id).await {
        warn!(%error, "the position of a segment that is gone stays in the store");
    }
}

async fn move_chunk<S: EventSink>(segment: &Arc<Segment>, sink: &S) -> Result<Moved, SourceError> {
    if segment.moved() == HEADER_BYTES as u64 && segment.is_sealed() && segment.is_pending() {
        // Perhaps a process before this one has moved a part of it.
        segment.set_position(sink.position(segment.id()).await?);
    }
    let from = segment.moved();
    if segment.synced() <= from || segment.is_stuck() {
        return Ok(Moved::default());
    }
    let reader = Arc::clone(segment);
    let batch = tokio::task::spawn_blocking(move || read_batch(&reader, from))
        .await
        .map_err(|error| SourceError::Failed(error.to_string()))?
        .map_err(|error| SourceError::Failed(format!("journal segment {}: {error}", segment.id())))?;
    let Some(batch) = batch else {
        error!(
            path = %segment.path().display(), offset = from,
            "a record is damaged or of an unknown version; the segment is kept from here on"
        );
        segment.set_stuck();
        return Ok(Moved::default());
    };
    let records = batch.records.len();
    let stored_from = if from == HEADER_BYTES as u64 { 0 } else { from };
    let piece = Piece {
        node: segment.node(),
        segment: segment.id(),
        from: stored_from,
        to: batch.end,
        records: batch.records,
    };
    match sink.append(&[piece]).await? {
        Appended::Done => {
            segment.set_moved(batch.end, batch.newest);
            Ok(Moved { records, more: segment.synced() > batch.end })
        }
        Appended::Elsewhere { position, .. } if position != stored_from => {
            segment.set_position(position);
            Ok(Moved { records: 0, more: segment.synced() > segment.moved() })
        }
        Appended::Elsewhere { .. } => Err(SourceError::Failed(format!(
            "journal segment {}: the store contradicts itself",
            segment.id()
        ))),
    }
}

struct Batch {
    records: Vec<DecisionRecord>,
    end: u64,
    newest: Timestamp,
}

/// The records that can be read from here on; `None` when the first of them cannot.
fn read_batch(segment: &Segment, from: u64) -> std::io::Result<Option<Batch>> {
    let bytes = segment.read_synced(from, CHUNK_BYTES)?;
    let mut records = Vec::with_capacity(bytes.len() / 128);
    let mut at = 0;
    while let Some(frame) = codec::frame(&bytes[at..])
        && let Some(record) = codec::decode(segment.id(), from + at as u64, frame.payload)
    {
        records.push(record);
        at += frame.bytes;
    }
    let newest = records.last().map(|record| record.occurred_at);
    Ok(newest.map(|newest| Batch { records, end: from + at as u64, newest }))
}
