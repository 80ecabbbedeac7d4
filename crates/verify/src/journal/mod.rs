//! The journal: no answer without a record (verification.md, The journal).
//!
//! Each worker appends its decisions to a segment file of its own before it answers; the bytes are in
//! the kernel then and survive a crash of the process. One thread syncs the segments to disk, and a
//! mover takes synced records to the store ([`mover`]).

pub mod codec;
pub mod mover;
pub mod record;
pub mod segment;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use keywright_core::id::{IdEntropy, SegmentId};
use keywright_core::{NodeId, Timestamp};
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;
use tracing::{error, info};

use record::RecordRef;
use segment::Segment;

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
}

pub(crate) struct Inner {
    options: JournalOptions,
    node: NodeId,
    segment_bytes: u64,
    bytes: AtomicU64,
    segments: Mutex<Vec<Arc<Segment>>>,
    failing: AtomicBool,
    entropy: fn() -> IdEntropy,
    wake: Mutex<Wake>,
    alarm: Condvar,
    synced: watch::Sender<u64>,
    _lock: File,
}

#[derive(Default)]
struct Wake {
    wanted: bool,
    stop: bool,
}

/// The journal of one node. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

/// Appends for one worker.
pub struct Writer {
    inner: Arc<Inner>,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    segment: Option<Arc<Segment>>,
    buffer: Vec<u8>,
}

/// Where a record ends; to wait until it is on disk.
pub struct Written {
    segment: Arc<Segment>,
    end: u64,
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
        DirBuilder::new().recursive(true).mode(0o700).create(&options.dir)?;
        if !options.allow_ephemeral
            && let Some(kind) = ephemeral(&options.dir)?
        {
            return Err(JournalError::Ephemeral(options.dir.clone(), kind));
        }
        let lock = lock(&options.dir)?;
        let segments = left_behind(&options.dir)?;
        let bytes = segments.iter().map(|segment| segment.written()).sum();
        let inner = Arc::new(Inner {
            segment_bytes: (options.max_bytes / 16).clamp(64 * 1024, 64 * 1024 * 1024),
            node,
            bytes: AtomicU64::new(bytes),
            segments: Mutex::new(segments),
            failing: AtomicBool::new(false),
            entropy,
            wake: Mutex::new(Wake::default()),
            alarm: Condvar::new(),
            synced: watch::Sender::new(0),
            options,
            _lock: lock,
        });
        let syncer = Arc::clone(&inner);
        std::thread::Builder::new().name("journal-sync".to_owned()).spawn(move || syncer.sync_forever())?;
        Ok(Self { inner })
    }

    /// A writer for one worker.
    pub fn writer(&self) -> Writer {
        Writer { inner: Arc::clone(&self.inner), current: Mutex::new(Current::default()) }
    }

    /// What it holds, at `now` of the authority's clock.
    pub fn status(&self, now: Timestamp) -> JournalStatus {
        let segments = self.inner.segments.lock();
        let pending = |segment: &&Arc<Segment>| segment.moved() < segment.written();
        let oldest = segments.iter().filter(pending).map(|segment| segment.oldest_unmoved()).min();
        JournalStatus {
            bytes: self.inner.bytes.load(Ordering::Relaxed),
            max_bytes: self.inner.options.max_bytes,
            pending_bytes: segments.iter().map(|s| s.written().saturating_sub(s.moved())).sum(),
            lag_micros: oldest.map_or(0, |at| now.micros_since(at).max(0)),
            writable: !self.inner.failing.load(Ordering::Relaxed),
        }
    }

    /// Syncs everything and writes no more. Records may still be moved afterwards.
    pub fn close(&self) {
        self.inner.wake.lock().stop = true;
        self.inner.alarm.notify_all();
        for segment in self.inner.segments.lock().iter() {
            segment.close();
        }
        self.inner.sync_all();
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

impl Writer {
    /// Appends a record: when this returns, it is in the kernel.
    ///
    /// # Errors
    /// [`JournalError::Full`] or [`JournalError::Io`]: the decision must not be answered.
    pub fn append(&self, record: &RecordRef<'_>) -> Result<Written, JournalError> {
        let result = self.try_append(record);
        self.inner.note_outcome(&result);
        result
    }

    /// Appends, and where the journal syncs before each answer waits for that.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub async fn append_durably(&self, record: &RecordRef<'_>) -> Result<(), JournalError> {
        let written = self.append(record)?;
        if self.inner.options.sync_interval.is_zero() {
            self.inner.until_synced(&written).await
        } else {
            Ok(())
        }
    }

    /// Whether [`Writer::append_durably`] ever waits.
    pub fn syncs_before_answers(&self) -> bool {
        self.inner.options.sync_interval.is_zero()
    }

    fn try_append(&self, record: &RecordRef<'_>) -> Result<Written, JournalError> {
        let mut current = self.current.lock();
        let Current { segment, buffer } = &mut *current;
        buffer.clear();
        codec::encode(record, buffer);
        let length = buffer.len() as u64;
        let held = self.inner.bytes.load(Ordering::Relaxed);
        if held + length > self.inner.options.max_bytes {
            return Err(JournalError::Full { held, max: self.inner.options.max_bytes });
        }
        if segment.as_ref().is_none_or(|s| s.is_closed() || s.written() + length > self.inner.segment_bytes) {
            if let Some(full) = segment.take() {
                full.close();
            }
            *segment = Some(self.inner.new_segment(record.occurred_at)?);
        }
        let Some(segment) = segment.as_ref() else { return Err(io::Error::other("no segment").into()) };
        let end = segment.append(buffer, record.occurred_at)?;
        self.inner.bytes.fetch_add(length, Ordering::Relaxed);
        Ok(Written { segment: Arc::clone(segment), end })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(segment) = self.current.lock().segment.take() {
            segment.close();
        }
    }
}

impl Inner {
    pub(crate) fn segments(&self) -> Vec<Arc<Segment>> {
        self.segments.lock().clone()
    }

    pub(crate) fn remove(&self, segment: &Segment) -> io::Result<()> {
        fs::remove_file(segment.path())?;
        self.bytes.fetch_sub(segment.written(), Ordering::Relaxed);
        self.segments.lock().retain(|other| other.id() != segment.id());
        Ok(())
    }

    fn new_segment(&self, now: Timestamp) -> Result<Arc<Segment>, JournalError> {
        let id = SegmentId::generate(now, (self.entropy)());
        let segment = Arc::new(Segment::create(&self.options.dir, self.node, id, now)?);
        self.bytes.fetch_add(segment.written(), Ordering::Relaxed);
        self.segments.lock().push(Arc::clone(&segment));
        Ok(segment)
    }

    fn note_outcome<T>(&self, result: &Result<T, JournalError>) {
        match result {
            Ok(_) => {
                if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
                    info!("the journal takes records again");
                }
            }
            Err(error) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    error!(%error, "decisions cannot be recorded; verification answers 503 until they can");
                }
            }
        }
    }

    async fn until_synced(&self, written: &Written) -> Result<(), JournalError> {
        let mut rounds = self.synced.subscribe();
        loop {
            if written.segment.synced() >= written.end {
                return Ok(());
            }
            self.wake.lock().wanted = true;
            self.alarm.notify_all();
            rounds.changed().await.map_err(|_| io::Error::other("the journal is closed"))?;
            if written.segment.sync_failed() {
                return Err(io::Error::other("a record could not be synced to disk").into());
            }
        }
    }

    fn sync_forever(&self) {
        let interval = self.options.sync_interval;
        loop {
            {
                let mut wake = self.wake.lock();
                if interval.is_zero() {
                    while !wake.wanted && !wake.stop {
                        self.alarm.wait(&mut wake);
                    }
                } else if !wake.stop {
                    self.alarm.wait_for(&mut wake, interval);
                }
                wake.wanted = false;
                if wake.stop {
                    break;
                }
            }
            self.sync_all();
        }
        self.sync_all();
    }

    fn sync_all(&self) {
        for segment in self.segments() {
            segment.sync();
        }
        self.synced.send_modify(|rounds| *rounds += 1);
    }
}

fn lock(dir: &Path) -> Result<File, JournalError> {
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(JournalError::Locked(dir.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

/// The kind of file system, if it is one that a reboot empties.
///
/// # Errors
/// When the directory cannot be looked at.
#[cfg(target_os = "linux")]
pub fn ephemeral(dir: &Path) -> io::Result<Option<&'static str>> {
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    const OVERLAY: i64 = 0x794c_7630;
    let kind = i64::try_from(rustix::fs::statfs(dir)?.f_type).unwrap_or_default();
    Ok(match kind {
        TMPFS => Some("tmpfs"),
        RAMFS => Some("ramfs"),
        OVERLAY => Some("overlayfs"),
        _ => None,
    })
}

/// Elsewhere nothing is known of that.
///
/// # Errors
/// Never.
#[cfg(not(target_os = "linux"))]
pub fn ephemeral(_dir: &Path) -> io::Result<Option<&'static str>> {
    Ok(None)
}

fn left_behind(dir: &Path) -> Result<Vec<Arc<Segment>>, JournalError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == segment::EXTENSION)
            && let Some(segment) = Segment::recover(&path)?
        {
            segments.push(Arc::new(segment));
        }
    }
    segments.sort_by_key(|segment| segment.id());
    Ok(segments)
}

#[cfg(test)]
mod tests;
