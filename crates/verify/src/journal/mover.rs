//! The mover: takes synced records to the store, each once.

use std::sync::Arc;
use std::time::Duration;

use keywright_core::Timestamp;
use tracing::{error, warn};

use super::codec::{self, HEADER_BYTES};
use super::record::DecisionRecord;
use super::segment::Segment;
use super::{Inner, Journal};
use crate::source::{Appended, EventSink, SourceError};

/// Bytes read at once.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Between two looks at a journal that had nothing to move.
const IDLE: Duration = Duration::from_millis(200);
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
    loop {
        match pass(&journal, sink.as_ref()).await {
            Ok(moved) if moved.more => tokio::task::yield_now().await,
            Ok(_) => tokio::time::sleep(IDLE).await,
            Err(error) => {
                warn!(%error, "authentication events stay in the journal");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Goes over all segments once, one chunk each. Segments that are stored whole and closed are removed.
///
/// # Errors
/// When the store did not take a batch; nothing is lost then.
pub async fn pass<S: EventSink>(journal: &Journal, sink: &S) -> Result<Moved, SourceError> {
    let mut total = Moved::default();
    for segment in journal.inner().segments() {
        let moved = move_chunk(&segment, sink).await?;
        total.records += moved.records;
        total.more |= moved.more;
        if !moved.more && segment.is_closed() && segment.moved() == segment.written() {
            remove(journal.inner(), &segment, sink).await;
        }
    }
    Ok(total)
}

async fn remove<S: EventSink>(inner: &Inner, segment: &Segment, sink: &S) {
    match inner.remove(segment) {
        Ok(()) => {
            if let Err(error) = sink.forget(segment.id()).await {
                warn!(%error, "the position of a segment that is gone stays in the store");
            }
        }
        Err(error) => warn!(%error, path = %segment.path().display(), "a moved segment could not be removed"),
    }
}

async fn move_chunk<S: EventSink>(segment: &Arc<Segment>, sink: &S) -> Result<Moved, SourceError> {
    let mut from = segment.moved();
    if from == HEADER_BYTES as u64 && segment.synced() > from && segment.is_closed() {
        // Perhaps a process before this one has moved a part of it.
        from = sink.position(segment.id()).await?.max(from);
        segment.set_moved(from, segment.oldest_unmoved());
    }
    if segment.synced() <= from {
        return Ok(Moved::default());
    }
    let reader = Arc::clone(segment);
    let batch = tokio::task::spawn_blocking(move || read_batch(&reader, from))
        .await
        .map_err(|error| SourceError::Failed(error.to_string()))?
        .map_err(|error| SourceError::Failed(format!("journal segment {}: {error}", segment.id())))?;
    let Some(batch) = batch else { return Ok(Moved::default()) };
    let records = batch.records.len();
    let stored_from = if from == HEADER_BYTES as u64 { 0 } else { from };
    match sink.append(segment.node(), segment.id(), stored_from, batch.end, batch.records).await? {
        Appended::Done => {
            segment.set_moved(batch.end, batch.newest);
            Ok(Moved { records, more: segment.synced() > batch.end })
        }
        Appended::Elsewhere { position } => {
            segment.set_moved(position, batch.newest);
            Ok(Moved { records: 0, more: segment.synced() > position })
        }
    }
}

struct Batch {
    records: Vec<DecisionRecord>,
    end: u64,
    newest: Timestamp,
}

fn read_batch(segment: &Segment, from: u64) -> std::io::Result<Option<Batch>> {
    let bytes = segment.read_synced(from, CHUNK_BYTES)?;
    let mut records = Vec::with_capacity(bytes.len() / 128);
    let mut at = 0;
    while let Some(frame) = codec::frame(&bytes[at..]) {
        let offset = from + at as u64;
        let Some(record) = codec::decode(segment.id(), offset, &frame.payload[..]) else {
            error!(segment = %segment.id(), offset, "a record of an unknown version; the segment is kept from here on");
            break;
        };
        records.push(record);
        at += frame.bytes;
    }
    let newest = records.last().map(|record| record.occurred_at);
    Ok(newest.map(|newest| Batch { records, end: from + at as u64, newest }))
}
