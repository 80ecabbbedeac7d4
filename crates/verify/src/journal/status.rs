//! How a journal is doing.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use keywright_core::Timestamp;
use keywright_core::id::SegmentId;

use super::codec::HEADER_BYTES;
use super::segment::Segment;
use super::{Hole, Journal, directory};

/// What the journal holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalStatus {
    /// Bytes of its files.
    pub bytes: u64,
    /// Its bound.
    pub max_bytes: u64,
    /// Bytes that the store does not have yet.
    pub pending_bytes: u64,
    /// Age of the oldest record that the store may not have, in microseconds.
    pub lag_micros: i64,
    /// Whether decisions can be recorded.
    pub writable: bool,
    /// Records that the store refused, since the start; it keeps them raw.
    pub rejected: u64,
    /// Decisions that were only counted, since the start.
    pub counted: u64,
    /// Segments that could not be synced to disk, since the start.
    pub sync_failures: u64,
    /// Segments with a record that cannot be read: of an unknown version, or damaged since the start.
    pub stuck_segments: usize,
    /// Segments that were found damaged between their records, at the start.
    pub damaged_segments: usize,
}

/// A segment that was found damaged between its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub segment: SegmentId,
    /// Where its file is kept once the records that can be read are stored.
    pub kept_as: PathBuf,
    /// How much of it cannot be read.
    pub bytes: u64,
}

impl Damage {
    pub(super) fn of(segment: &Segment) -> Option<Self> {
        let holes = segment.holes();
        (!holes.is_empty()).then(|| Self {
            segment: segment.id(),
            kept_as: directory::damaged_name(segment.path()),
            bytes: holes.iter().map(Hole::bytes).sum(),
        })
    }
}

impl Journal {
    /// What it holds, at `now` of the authority's clock.
    pub fn status(&self, now: Timestamp) -> JournalStatus {
        let inner = self.inner();
        let segments = inner.segments();
        let pending = || segments.iter().filter(|segment| segment.is_pending());
        let oldest = pending().map(|segment| segment.oldest_pending());
        let counting = inner.counting();
        let oldest = oldest.chain(counting.map(|(_, since)| since)).min();
        let counts = counting.map_or(0, |(bytes, _)| HEADER_BYTES as u64 + bytes);
        JournalStatus {
            bytes: counts + segments.iter().map(|segment| segment.written()).sum::<u64>(),
            max_bytes: inner.options.max_bytes,
            pending_bytes: inner.pending_bytes(),
            lag_micros: oldest.map_or(0, |oldest| now.micros_since(oldest).max(0)),
            writable: !inner.failing.load(Ordering::Relaxed),
            rejected: inner.rejected.load(Ordering::Relaxed),
            counted: inner.counted.load(Ordering::Relaxed),
            sync_failures: inner.sync_failures.load(Ordering::Relaxed),
            stuck_segments: segments.iter().filter(|segment| segment.is_stuck()).count(),
            damaged_segments: inner.damaged.len(),
        }
    }
}
