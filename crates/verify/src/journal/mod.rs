//! The journal: no answer without a record (verification.md, The journal).
//!
//! Each worker appends its decisions to a segment file of its own before it answers ([`Writer`]); the
//! bytes are in the kernel then and survive a crash of the process. One thread syncs the segments to
//! disk, and a mover takes synced records to the store ([`mover`]).

pub mod codec;
mod counters;
mod directory;
mod flood;
mod inspect;
pub mod mover;
pub mod record;
mod room;
mod scan;
pub mod segment;
mod status;
mod syncer;
mod writer;
mod writers;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use keywright_core::id::{IdEntropy, JournalId, SegmentId};
use keywright_core::{NodeId, Timestamp};
use parking_lot::Mutex;
use tracing::{error, info};

use crate::clock::wall_clock;
use crate::striped::Striped;

use counters::DecisionCounters;
pub use counters::DecisionCounts;
pub use directory::ephemeral;
use flood::Flood;
pub use inspect::{Inspected, InspectedSegment, inspect};
pub use scan::{Hole, Scan, scan};
use segment::Segment;
pub use status::{Damage, JournalStatus};
use syncer::Syncer;
pub use writer::Writer;
pub use writers::Writers;

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
        "the journal directory {0} is in use by another process, which moves what lies there itself; give each node a journal.dir of its own"
    )]
    Locked(PathBuf),
    /// It lies on a file system that a reboot empties.
    #[error(
        "the journal directory {0} is on {1}, which a restart of the machine or container empties; move journal.dir to a disk, or set journal.allow_ephemeral = true"
    )]
    Ephemeral(PathBuf, &'static str),
    /// There is no journal there.
    #[error("{0} is not the directory of a journal: there is neither a journal.id nor a segment in it")]
    NotAJournal(PathBuf),
}

pub(crate) struct Inner {
    options: JournalOptions,
    id: JournalId,
    node: NodeId,
    segment_bytes: u64,
    /// Of all files, with what their writers have taken ahead: never less than what is held.
    bytes: AtomicU64,
    /// Of records, since the start.
    appended: Striped<AtomicU64>,
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
        Self::take(options, node, entropy)
    }

    /// Opens the directory of a journal that another process left, to move what lies there.
    ///
    /// # Errors
    /// [`JournalError::NotAJournal`], [`JournalError::Locked`] while somebody has it, or
    /// [`JournalError::Io`].
    pub fn adopt(dir: &Path, node: NodeId, entropy: fn() -> IdEntropy) -> Result<Self, JournalError> {
        if !directory::is_journal(dir) {
            return Err(JournalError::NotAJournal(dir.to_owned()));
        }
        let options = JournalOptions {
            dir: dir.to_owned(),
            max_bytes: u64::MAX,
            sync_interval: Duration::from_secs(1),
            allow_ephemeral: true,
        };
        Self::take(options, node, entropy)
    }

    fn take(options: JournalOptions, node: NodeId, entropy: fn() -> IdEntropy) -> Result<Self, JournalError> {
        let lock = directory::lock(&options.dir)?;
        let id = directory::identity(&options.dir, || JournalId::generate(wall_clock(), entropy()))?;
        let segments = directory::left_behind(&options.dir)?;
        let inner = Arc::new(Inner {
            segment_bytes: (options.max_bytes / 16).clamp(64 * 1024, 64 * 1024 * 1024),
            id,
            node,
            bytes: AtomicU64::new(segments.iter().map(|segment| segment.written()).sum()),
            appended: Striped::default(),
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

    /// The id of its directory, which is the same at each start.
    pub fn id(&self) -> JournalId {
        self.inner().id
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.inner().options.dir
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
        self.appended.own().fetch_add(length, Ordering::Relaxed);
    }

    /// Bytes of records appended since the start.
    pub(crate) fn appended_bytes(&self) -> u64 {
        self.appended.sum(|own| own)
    }

    /// Removes the file of a sealed segment, for good: one that came back after a power failure would
    /// be moved again, as its position is forgotten next. A damaged one is kept under another name.
    pub(crate) fn remove(&self, segment: &Segment) -> io::Result<()> {
        let removed = if segment.holes().is_empty() {
            // Its writer may have it open for long yet, and with it the room on the disk that others
            // wait for.
            fs::remove_file(segment.path()).inspect(|()| segment.free())
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

    fn note_outcome<T>(&self, result: &Result<T, JournalError>) {
        match result {
            Ok(_) => self.note_success(),
            Err(error) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    error!(
                        %error,
                        dir = %self.options.dir.display(),
                        "decisions cannot be recorded, and verification answers 503 until they can: make room on the                          disk of that directory and let this process write there; a full journal has room again once                          the store takes what waits in it, or with a greater journal.max_bytes"
                    );
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
