//! Storing a batch, whatever the store says of it.

use std::io;
use std::sync::Arc;

use tracing::error;

use super::super::Inner;
use super::super::codec::{self, HEADER_BYTES};
use super::batch::{Batch, Part};
use crate::clock::wall_clock;
use crate::source::{Appended, EventSink, Piece, Reject, SourceError};

/// What became of a batch.
#[derive(Default)]
pub(super) struct Stored {
    /// Records stored.
    pub(super) records: usize,
    /// Whether a segment was elsewhere, and so is to be read again.
    pub(super) elsewhere: bool,
    /// What the store, or the disk, said of a segment that could not be moved.
    pub(super) fault: Option<SourceError>,
}

/// Stores a batch. One that the store refuses is halved until what it refuses is found; that is kept
/// raw, and the rest stored. A segment that is elsewhere is left to the next pass, and one that the
/// store fails on keeps no other from being moved.
///
/// # Errors
/// [`SourceError::Unavailable`]: the store would take the rest no better.
pub(super) async fn store<S: EventSink>(
    inner: &Arc<Inner>,
    sink: &S,
    mut batch: Batch,
) -> Result<Stored, SourceError> {
    let mut stored = Stored { fault: batch.fault.take(), ..Stored::default() };
    let mut waiting = vec![batch];
    while let Some(mut batch) = waiting.pop() {
        batch.parts.retain(Part::is_next);
        if batch.parts.is_empty() {
            continue;
        }
        match append(sink, &mut batch).await {
            Ok(Appended::Done) => {
                stored.records += batch.records();
                for part in &batch.parts {
                    part.segment.set_moved(part.piece.to, part.newest());
                }
            }
            Ok(Appended::Elsewhere { segment, position }) => {
                stored.elsewhere = true;
                let at = batch.parts.iter().position(|part| part.piece.segment == segment);
                let part = at.map(|at| batch.parts.swap_remove(at));
                let Some(part) = part.filter(|part| part.piece.from != position) else {
                    let message = format!("journal segment {segment}: the store contradicts itself");
                    return Err(SourceError::Failed(message));
                };
                part.segment.set_position(position);
                waiting.push(batch);
            }
            Err(SourceError::Refused(reason)) if batch.records() == 1 => {
                let part = &batch.parts[0];
                match reject(inner, sink, part, reason).await {
                    Ok(()) => {}
                    Err(error @ SourceError::Unavailable(_)) => return Err(error),
                    Err(error) => stored.fault = Some(error),
                }
            }
            Err(SourceError::Refused(_)) => divide(&mut waiting, batch),
            Err(SourceError::Failed(_)) if batch.parts.len() > 1 => divide(&mut waiting, batch),
            Err(error @ SourceError::Unavailable(_)) => return Err(error),
            Err(error) => stored.fault = Some(error),
        }
    }
    Ok(stored)
}

fn divide(waiting: &mut Vec<Batch>, batch: Batch) {
    let (first, second) = batch.halve();
    waiting.push(second);
    waiting.push(first);
}

async fn append<S: EventSink>(sink: &S, batch: &mut Batch) -> Result<Appended, SourceError> {
    let pieces: Vec<Piece> = batch.parts.iter_mut().map(|part| take(&mut part.piece)).collect();
    let outcome = sink.append(&pieces).await;
    for (part, piece) in batch.parts.iter_mut().zip(pieces) {
        part.piece = piece;
    }
    outcome
}

/// The piece itself: its records are not copied to be handed over.
fn take(piece: &mut Piece) -> Piece {
    Piece { records: std::mem::take(&mut piece.records), ..*piece }
}

/// Keeps the one record of this part raw, and moves past it.
async fn reject<S: EventSink>(
    inner: &Arc<Inner>,
    sink: &S,
    part: &Part,
    reason: String,
) -> Result<(), SourceError> {
    let Piece { node, segment, from, to, .. } = part.piece;
    let raw =
        payload(part).map_err(|error| SourceError::Failed(format!("journal segment {segment}: {error}")))?;
    error!(%segment, offset = from, %reason, "the store refuses a record; it is kept in journal_rejects");
    let reject = Reject { node, segment, from, to, raw, reason, rejected_at: wall_clock() };
    match sink.reject(&reject).await? {
        Appended::Done => {
            inner.count_rejected();
            part.segment.set_moved(to, part.newest());
        }
        Appended::Elsewhere { position, .. } => part.segment.set_position(position),
    }
    Ok(())
}

fn payload(part: &Part) -> io::Result<Vec<u8>> {
    let from = part.segment.next_readable(part.piece.from.max(HEADER_BYTES as u64));
    let length = usize::try_from(part.piece.to.saturating_sub(from)).map_err(io::Error::other)?;
    let bytes = part.segment.read_synced(from, length)?;
    Ok(codec::frame(&bytes).map(|frame| frame.payload.to_vec()).unwrap_or(bytes))
}
