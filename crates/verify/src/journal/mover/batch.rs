//! What goes into one transaction: pieces of segments, read and decoded.

use std::cmp::Reverse;
use std::io;
use std::sync::Arc;

use keywright_core::Timestamp;
use tracing::error;

use super::super::codec::{self, FRAME_BYTES, HEADER_BYTES, MAX_PAYLOAD_BYTES};
use super::super::segment::Segment;
use crate::source::{Piece, SourceError};

/// Most bytes of one transaction. Together with [`MAX_RECORDS`] it bounds what the mover holds in
/// memory.
pub(super) const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// Most records of one transaction.
const MAX_RECORDS: usize = 40_000;
/// Most segments of one transaction, so that each has room for many of the longest records.
pub(super) const MAX_PIECES: usize = 64;
/// Bytes read at once.
const CHUNK_BYTES: usize = 1024 * 1024;
/// The longest record.
const LONGEST: u64 = (FRAME_BYTES + MAX_PAYLOAD_BYTES) as u64;

/// A piece with what is needed to divide it.
pub(super) struct Part {
    /// Where it comes from.
    pub(super) segment: Arc<Segment>,
    /// What the store is given.
    pub(super) piece: Piece,
    /// Where each of its records ends in the file.
    pub(super) ends: Vec<u64>,
}

impl Part {
    /// Whether the segment is where this begins: not when what lies before it was not stored, or was
    /// stored by another.
    pub(super) fn is_next(&self) -> bool {
        self.segment.moved() == self.piece.from.max(HEADER_BYTES as u64)
    }

    /// When the newest of its records was made.
    pub(super) fn newest(&self) -> Timestamp {
        self.piece.records.iter().map(|record| record.occurred_at).max().unwrap_or(Timestamp::EPOCH)
    }

    /// Its first half and its second.
    fn halve(mut self) -> (Self, Self) {
        let middle = self.ends.len() / 2;
        let ends = self.ends.split_off(middle);
        let records = self.piece.records.split_off(middle);
        let from = self.ends.last().copied().unwrap_or(self.piece.from);
        let piece = Piece { from, records, ..self.piece };
        self.piece.to = from;
        (Self { segment: Arc::clone(&self.segment), ..self }, Self { piece, ends, segment: self.segment })
    }
}

/// The pending segments that go next.
pub(super) fn choose(segments: Vec<Arc<Segment>>) -> Vec<Arc<Segment>> {
    let mut pending: Vec<_> = segments
        .into_iter()
        .filter(|segment| segment.synced() > segment.moved() && !segment.is_stuck())
        .collect();
    // The oldest records first, when there are more segments than one batch may have.
    pending.sort_by_key(|segment| segment.oldest_pending());
    pending.truncate(MAX_PIECES);
    pending
}

/// Deals the segments out to so many transactions at most, each about as much.
pub(super) fn deal(segments: Vec<Arc<Segment>>, transactions: usize) -> Vec<Vec<Arc<Segment>>> {
    let mut segments: Vec<_> = segments.into_iter().map(|segment| (available(&segment), segment)).collect();
    segments.sort_by_key(|(bytes, _)| Reverse(*bytes));
    let mut dealt: Vec<(u64, Vec<_>)> = vec![(0, Vec::new()); transactions.clamp(1, segments.len().max(1))];
    for (bytes, segment) in segments {
        if let Some((sum, share)) = dealt.iter_mut().min_by_key(|(sum, _)| *sum) {
            *sum += bytes;
            share.push(segment);
        }
    }
    dealt.into_iter().map(|(_, share)| share).collect()
}

/// Synced bytes of a segment that are not stored yet.
fn available(segment: &Segment) -> u64 {
    segment.synced().saturating_sub(segment.moved())
}

/// What one transaction is to store.
#[derive(Default)]
pub(super) struct Batch {
    /// Of each segment one.
    pub(super) parts: Vec<Part>,
    /// Whether more of these segments could have been read.
    pub(super) more: bool,
    /// A segment that could not be read.
    pub(super) fault: Option<SourceError>,
}

impl Batch {
    /// Reads what lies next in these segments, each up to its fair share.
    pub(super) fn read(segments: &[Arc<Segment>]) -> Self {
        let mut segments: Vec<_> = segments.iter().filter(|segment| available(segment) > 0).collect();
        // Who has little leaves the rest of his share to the others.
        segments.sort_by_key(|segment| available(segment));
        let (mut bytes_left, mut records_left) = (MAX_BYTES, MAX_RECORDS);
        let mut batch = Self::default();
        for (done, segment) in segments.iter().enumerate() {
            let sharers = segments.len() - done;
            let max_bytes = (bytes_left / sharers as u64).max(LONGEST);
            match read(segment, max_bytes, (records_left / sharers).max(1)) {
                Ok(Some(part)) => {
                    bytes_left = bytes_left.saturating_sub(part.piece.to - part.piece.from);
                    records_left = records_left.saturating_sub(part.ends.len());
                    batch.more |= segment.synced() > part.piece.to;
                    batch.parts.push(part);
                }
                Ok(None) => {
                    error!(
                        path = %segment.path().display(), offset = segment.moved(),
                        "a record is damaged or of an unknown version; the segment is kept from here on"
                    );
                    segment.set_stuck();
                }
                Err(error) => {
                    let message = format!("journal segment {}: {error}", segment.id());
                    batch.fault = Some(SourceError::Failed(message));
                }
            }
        }
        batch
    }

    /// How many records it has.
    pub(super) fn records(&self) -> usize {
        self.parts.iter().map(|part| part.ends.len()).sum()
    }

    /// Two batches of about half the size: of half the segments, or of half the records of the one
    /// that is left.
    pub(super) fn halve(mut self) -> (Self, Self) {
        let of = |parts| Self { parts, ..Self::default() };
        if self.parts.len() > 1 {
            let second = self.parts.split_off(self.parts.len() / 2);
            return (of(self.parts), of(second));
        }
        let halves = self.parts.pop().map(Part::halve);
        halves.map_or_else(Default::default, |(first, second)| (of(vec![first]), of(vec![second])))
    }
}

/// The records of a segment from where it is moved to; `None` when the first of them cannot be read.
fn read(segment: &Arc<Segment>, max_bytes: u64, max_records: usize) -> io::Result<Option<Part>> {
    let from = segment.moved();
    let limit = from + max_bytes;
    let (mut at, mut records, mut ends) = (from, Vec::new(), Vec::new());
    while at < limit && records.len() < max_records {
        at = segment.next_readable(at);
        let wanted = usize::try_from((limit.saturating_sub(at)).max(LONGEST)).unwrap_or(CHUNK_BYTES);
        let bytes = segment.read_synced(at, wanted.min(CHUNK_BYTES))?;
        let before = at;
        for frame in codec::frames(&bytes).take(max_records - records.len()) {
            let Some(record) = codec::decode(segment.id(), at, frame.payload) else { break };
            at += frame.bytes as u64;
            records.push(record);
            ends.push(at);
        }
        if at == before {
            break;
        }
    }
    let Some(&to) = ends.last() else { return Ok(None) };
    let from = if from == HEADER_BYTES as u64 { 0 } else { from };
    let piece = Piece { node: segment.node(), segment: segment.id(), from, to, records };
    Ok(Some(Part { segment: Arc::clone(segment), piece, ends }))
}
