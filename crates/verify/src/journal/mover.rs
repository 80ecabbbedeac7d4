//! The mover: takes synced records to the store, each once.
//!
//! One transaction takes what many segments hold, as much as is there up to a bound: the roll-ups are
//! paid for once in each transaction, whatever it brings. When more waits than one can take, several go at once, each
//! with other segments: a single connection keeps one core of the store busy.

mod batch;
mod store;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tracing::warn;

use self::batch::{Batch, MAX_BYTES, MAX_PIECES};
use self::store::Stored;
use super::codec::HEADER_BYTES;
use super::segment::Segment;
use super::{Inner, Journal};
use crate::clock::boot_micros;
use crate::source::{EventSink, SourceError};

/// Between two looks at a journal that had nothing to move, or little.
const IDLE: Duration = Duration::from_millis(200);
/// Fewer bytes than this between two passes, and nobody is in a hurry to be answered.
const QUIET_BYTES: u64 = 64 * 1024;
/// So much waits that the events are late.
const LATE_BYTES: u64 = 64 * 1024 * 1024;
/// So much waits that one transaction after the other would be long about it.
const MUCH_BYTES: u64 = 2 * MAX_BYTES;
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

/// Answering goes first, and few large batches cost less than many small ones: while records are being
/// appended the mover rests three times as long as it worked until a whole batch waits, as long as it
/// worked when more does, and not at all once the events are late or nobody appends: a journal is there
/// to be filled in a rush and emptied after it.
fn rest(inner: &Inner, worked_micros: i64, appended_bytes: u64) -> Duration {
    let worked = Duration::from_micros(u64::try_from(worked_micros).unwrap_or(0)).min(MAX_REST);
    match inner.pending_bytes() {
        _ if appended_bytes < QUIET_BYTES => Duration::ZERO,
        0..MAX_BYTES => IDLE.max(worked * 3),
        MAX_BYTES..LATE_BYTES => worked,
        _ => Duration::ZERO,
    }
}

/// Takes a batch to the store, or several at once when much waits, and removes the segments that are stored whole and sealed.
///
/// # Errors
/// When the store did not take what it was given; nothing is lost then. What it takes of the other
/// segments is stored all the same, and then its refusal is only told.
pub async fn pass<S: EventSink>(journal: &Journal, sink: &S) -> Result<Moved, SourceError> {
    let inner = journal.inner();
    let mut total = Moved::default();
    let mut fault = None;
    if inner.counting().is_some() {
        let own = Arc::clone(inner);
        let _ = tokio::task::spawn_blocking(move || own.seal_counts_if_due()).await;
    }
    let pending = batch::choose(inner.segments());
    let was_more = pending.len() == MAX_PIECES;
    if !pending.is_empty() {
        locate(&pending, sink).await?;
        let transactions = if inner.pending_bytes() < MUCH_BYTES { 1 } else { sink.at_once() };
        let shares = batch::deal(pending, transactions);
        let outcomes = join_all(shares.into_iter().map(|share| take(inner, sink, share))).await;
        let mut away = None;
        for outcome in outcomes {
            match outcome {
                Ok((stored, more)) => {
                    total.records += stored.records;
                    total.more |= was_more || more || stored.elsewhere;
                    fault = fault.or(stored.fault);
                }
                Err(error) => away = Some(error),
            }
        }
        if let Some(error) = away {
            return Err(error);
        }
    }
    inner.settle();
    for segment in inner.segments() {
        tidy(inner, segment, sink).await;
    }
    match fault {
        Some(error) if total.records == 0 => Err(error),
        Some(error) => {
            warn!(%error, "authentication events of one segment stay in the journal");
            Ok(total)
        }
        None => Ok(total),
    }
}

/// Takes what lies next in these segments to the store; and whether more does.
async fn take<S: EventSink>(
    inner: &Arc<Inner>,
    sink: &S,
    segments: Vec<Arc<Segment>>,
) -> Result<(Stored, bool), SourceError> {
    let batch = tokio::task::spawn_blocking(move || Batch::read(&segments))
        .await
        .map_err(|error| SourceError::Failed(error.to_string()))?;
    let more = batch.more;
    Ok((store::store(inner, sink, batch).await?, more))
}

/// Asks where the segments are that a process before this one may have moved in part.
async fn locate<S: EventSink>(segments: &[Arc<Segment>], sink: &S) -> Result<(), SourceError> {
    for segment in segments {
        if segment.moved() == HEADER_BYTES as u64 && segment.is_sealed() {
            segment.set_position(sink.position(segment.id()).await?);
        }
    }
    Ok(())
}

/// Lets a segment go that has nothing left to move and gets nothing any more.
async fn tidy<S: EventSink>(inner: &Arc<Inner>, segment: Arc<Segment>, sink: &S) {
    if segment.is_pending() {
        return;
    }
    if inner.is_crowded() && segment.written() > HEADER_BYTES as u64 {
        segment.seal();
    }
    // In this order: once it is sealed nothing is added to what was moved.
    if !segment.is_sealed() || segment.is_pending() {
        return;
    }
    let (own, id) = (Arc::clone(inner), segment.id());
    let removed = tokio::task::spawn_blocking(move || own.remove(&segment)).await;
    if let Err(error) = removed.map_err(std::io::Error::other).flatten() {
        warn!(%error, segment = %id, "a moved segment could not be removed");
    } else if let Err(error) = sink.forget(id).await {
        warn!(%error, "the position of a segment that is gone stays in the store");
    }
}
