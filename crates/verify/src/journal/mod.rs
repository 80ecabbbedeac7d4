//! The journal: no answer without a record (verification.md, The journal).
//!
//! Each worker appends its decisions to a segment file of its own before it answers ([`Writer`]); the
//! bytes are in the kernel then and survive a crash of the process. One thread syncs the segments to
//! disk, and a mover takes synced records to the store ([`mover`]).

pub mod codec;
mod counters;
mod directory;
mod flood;
pub mod mover;
pub mod record;
mod scan;
pub mod segment;
mod syncer;
mod writer;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use keywright_core::id::{IdEntropy, SegmentId};
use keywright_core::{NodeId, Timestamp};
use parking_lot::Mutex;
use tracing::{error, info};

use counters::DecisionCounters;
pub use counters::DecisionCounts;
pub use directory::ephemeral;
use flood::Flood;
pub use scan::{Hole, Scan, scan};
use segment::Segment;
use syncer::Syncer;
pub use writer::{Writer, Written};

/// How a journal is set up.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// Its directory; one process at a time.
    pub dir: PathBuf,
    /// Most bytes of segment files.
    pub max_bytes: u64,
    /// Between two syncs to disk; zero: before each answer, many at once.
    pub sync_interval: Duration,
    /// Whether a directory that a reboot empties will do.
    pub allow_ephemeral: bool,
}

/// Why a decision could not be recorded, or a journal not be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Its bound is reached: the store has not taken the records for too long.
    #[error("the journal holds {held} bytes and may hold {max}: the store has not taken its records")]
    Full {
        /// Bytes of its files.
        held: u64,
        /// Its bound.
        max: u64,
    },
    /// The directory cannot be written to.
    #[error("the journal cannot be written: {0}")]
    Io(#[from] io::Error),
    /// Another process has it.
    #[error(
        "the journal directory {0} is in use by another process; give each node a journal.dir of its own"
    )]
    Locked(PathBuf),
    /// It lies on a file system that a reboot empties.
    #[error(
        "the journal directory {0} is on {1}, which a restart of the machine or container empties; move journal.dir to a disk, or set journal.allow_ephemeral = true"
    )]
    Ephemeral(PathBuf, &'static str),
}

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

pub(crate) struct Inner {
    options: JournalOptions,
    node: NodeId,
    segment_bytes: u64,
    /// Of all files, with what is being appended.
    bytes: AtomicU64,
    /// Of records, since the start.
    appended: AtomicU64,
    decisions: DecisionCounters,
    /// How much of what was appended the store had when the mover looked last; below zero where an
    /// earlier process left more.
    settled: AtomicI64,
    flood: Flood,
    files: Mutex<Files>,
    failing: AtomicBool,
    rejected: AtomicU64,
    counted: AtomicU64,
    sync_failures: AtomicU64,
    damaged: Vec<Damage>,
    entropy: fn() -> IdEntropy,
    syncer: Syncer,
    _lock: File,
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
    fn of(segment: &Segment) -> Option<Self> {
        let holes = segment.holes();
        (!holes.is_empty()).then(|| Self {
            segment: segment.id(),
            kept_as: directory::damaged_name(segment.path()),
            bytes: holes.iter().map(Hole::bytes).sum(),
        })
    }
}

#[derive(Default)]
struct Files {
    segments: Vec<Arc<Segment>>,
    closed: bool,
}

/// The journal of one node. Cheap to clone; closed when the last clone and the last writer are gone.
#[derive(Clone)]
pub struct Journal {
    handle: Arc<Handle>,
}

struct Handle(Arc<Inner>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Journal {
    /// Opens the directory: locks it, cuts torn tails of what an earlier process left, and begins to
    /// sync. What was left is moved in the background.
    ///
    /// # Errors
    /// [`JournalError`]; nothing was changed then but a directory made.
    pub fn open(
        options: JournalOptions,
        node: NodeId,
        entropy: fn() -> IdEntropy,
    ) -> Result<Self, JournalError> {
        directory::make(&options.dir)?;
        if !options.allow_ephemeral
            && let Some(kind) = ephemeral(&options.dir)?
        {
            return Err(JournalError::Ephemeral(options.dir.clone(), kind));
        }
        let lock = directory::lock(&options.dir)?;
        let segments = directory::left_behind(&options.dir)?;
        let inner = Arc::new(Inner {
            segment_bytes: (options.max_bytes / 16).clamp(64 * 1024, 64 * 1024 * 1024),
            node,
            bytes: AtomicU64::new(segments.iter().map(|segment| segment.written()).sum()),
            appended: AtomicU64::new(0),
            settled: AtomicI64::new(0),
            flood: Flood::default(),
            damaged: segments.iter().filter_map(|segment| Damage::of(segment)).collect(),
            decisions: DecisionCounters::default(),
            files: Mutex::new(Files { segments, closed: false }),
            failing: AtomicBool::new(false),
            rejected: AtomicU64::new(0),
            counted: AtomicU64::new(0),
            sync_failures: AtomicU64::new(0),
            entropy,
            syncer: Syncer::default(),
            options,
            _lock: lock,
        });
        inner.settle();
        let handle = Arc::new(Handle(Arc::clone(&inner)));
        std::thread::Builder::new().name("journal-sync".to_owned()).spawn(move || inner.sync_forever())?;
        Ok(Self { handle })
    }

    /// A writer for one worker.
    pub fn writer(&self) -> Writer {
        Writer::new(Arc::clone(&self.handle))
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.inner().options.dir
    }

    /// What it holds, at `now` of the authority's clock.
    pub fn status(&self, now: Timestamp) -> JournalStatus {
        let inner = self.inner();
        let segments = inner.segments();
        let pending = || segments.iter().filter(|segment| segment.is_pending());
        let oldest = pending().map(|segment| segment.oldest_pending());
        let oldest = oldest.chain(inner.counting().map(|(_, since)| since)).min();
        JournalStatus {
            bytes: inner.bytes.load(Ordering::Relaxed),
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

    /// The segments that were found damaged when it was opened.
    pub fn damaged(&self) -> &[Damage] {
        &self.inner().damaged
    }

    /// The decisions since it was opened.
    pub fn decisions(&self) -> DecisionCounts {
        self.inner().decisions.read()
    }

    /// Bytes of records appended since it was opened.
    pub fn appended_bytes(&self) -> u64 {
        self.inner().appended_bytes()
    }

    /// Syncs everything and writes no more: an append fails from now on. Records may still be moved.
    pub fn close(&self) {
        self.inner().close();
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.handle.0
    }
}

fn closed() -> JournalError {
    io::Error::other("the journal is closed").into()
}

impl Inner {
    pub(crate) fn segments(&self) -> Vec<Arc<Segment>> {
        self.files.lock().segments.clone()
    }

    /// Bytes that the store does not have yet.
    pub(crate) fn pending_bytes(&self) -> u64 {
        let segments = self.segments();
        let pending = segments.iter().filter(|segment| segment.is_pending());
        let counting = self.counting().map_or(0, |(bytes, _)| bytes);
        counting + pending.map(|segment| segment.written().saturating_sub(segment.moved())).sum::<u64>()
    }

    /// Notes what the store has by now.
    pub(crate) fn settle(&self) {
        // In this order: what is appended in between counts as waiting.
        let appended = self.appended_bytes();
        let settled = appended.cast_signed() - self.pending_bytes().cast_signed();
        self.settled.store(settled, Ordering::Relaxed);
    }

    /// About how many bytes wait for the store, without a look at the segments.
    fn backlog_bytes(&self) -> u64 {
        let waiting = self.appended_bytes().cast_signed() - self.settled.load(Ordering::Relaxed);
        u64::try_from(waiting).unwrap_or(0)
    }

    fn count_rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    fn count_appended(&self, length: u64) {
        self.appended.fetch_add(length, Ordering::Relaxed);
    }

    /// Bytes of records appended since the start.
    pub(crate) fn appended_bytes(&self) -> u64 {
        self.appended.load(Ordering::Relaxed)
    }

    /// Whether room is getting short: then a segment that is moved whole goes, though its writer has
    /// not filled it, and perhaps never will.
    pub(crate) fn is_crowded(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.options.max_bytes / 2
    }

    /// Removes the file of a sealed segment, for good: one that came back after a power failure would
    /// be moved again, as its position is forgotten next. A damaged one is kept under another name.
    pub(crate) fn remove(&self, segment: &Segment) -> io::Result<()> {
        let removed = if segment.holes().is_empty() {
            fs::remove_file(segment.path())
        } else {
            fs::rename(segment.path(), directory::damaged_name(segment.path()))
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => directory::sync(&self.options.dir)?,
        }
        self.files.lock().segments.retain(|other| other.id() != segment.id());
        self.bytes.fetch_sub(segment.written(), Ordering::Relaxed);
        Ok(())
    }

    fn new_segment(&self, now: Timestamp) -> Result<Arc<Segment>, JournalError> {
        if self.files.lock().closed {
            return Err(closed());
        }
        let id = SegmentId::generate(now, (self.entropy)());
        let segment = Arc::new(Segment::create(&self.options.dir, self.node, id, now)?);
        let mut files = self.files.lock();
        if files.closed {
            let _ = fs::remove_file(segment.path());
            return Err(closed());
        }
        self.bytes.fetch_add(segment.written(), Ordering::Relaxed);
        files.segments.push(Arc::clone(&segment));
        Ok(segment)
    }

    /// Takes room for a record, before it is written: what counts as held is never less than what is.
    fn take_room(&self, length: u64) -> Result<(), JournalError> {
        let held = self.bytes.fetch_add(length, Ordering::Relaxed);
        if held + length > self.options.max_bytes {
            self.give_room_back(length);
            return Err(JournalError::Full { held, max: self.options.max_bytes });
        }
        Ok(())
    }

    fn give_room_back(&self, length: u64) {
        self.bytes.fetch_sub(length, Ordering::Relaxed);
    }

    fn note_outcome<T>(&self, result: &Result<T, JournalError>) {
        match result {
            Ok(_) => self.note_success(),
            Err(error) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    error!(%error, "decisions cannot be recorded; verification answers 503 until they can");
                }
            }
        }
    }

    fn note_success(&self) {
        if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
            info!("the journal takes records again");
        }
    }

    /// A journal that could not take a record looks for itself whether it can again: nobody may be
    /// asking any more, just because it said that it cannot.
    fn look_again(&self) {
        if !self.failing.load(Ordering::Relaxed) || self.files.lock().closed {
            return;
        }
        let held = self.bytes.load(Ordering::Relaxed) + directory::PROBE_BYTES as u64;
        if held <= self.options.max_bytes && directory::takes_records(&self.options.dir) {
            self.note_success();
        }
    }

    fn close(&self) {
        {
            let mut files = self.files.lock();
            files.closed = true;
            for segment in &files.segments {
                segment.seal();
            }
        }
        self.seal_counts();
        self.syncer.stop();
        self.sync_all();
    }
}

#[cfg(test)]
mod tests;
