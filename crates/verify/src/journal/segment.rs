//! One segment file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use keywright_core::id::SegmentId;
use keywright_core::{NodeId, Timestamp};
use tracing::{error, warn};

use super::codec::{HEADER_BYTES, Header};
use super::directory;
use super::scan::{Hole, Scan, scan};

/// How a segment's file name ends.
pub const EXTENSION: &str = "kwj";
/// Set in the number that tells where the records end once nothing may be appended any more, so that
/// sealing and appending are one and the same step: a record is either before the seal, or nowhere.
const SEALED: u64 = 1 << 63;
/// Nothing failed to reach the disk.
const NOWHERE: u64 = u64::MAX;

/// A segment: written by one worker, synced by the syncer, moved by the mover.
#[derive(Debug)]
pub struct Segment {
    header: Header,
    path: PathBuf,
    file: File,
    /// Where the records end, and whether it is [`SEALED`].
    end: AtomicU64,
    synced: AtomicU64,
    /// From here on a sync has failed once: a later one that succeeds proves nothing of these bytes.
    doubtful_from: AtomicU64,
    moved: AtomicU64,
    /// The mover met a record that it cannot read.
    stuck: AtomicBool,
    /// When the first record was appended after all before it had been moved.
    pending_since: AtomicI64,
    /// When the newest record that was moved was made.
    newest_moved: AtomicI64,
    /// What is damaged between its records.
    holes: Vec<Hole>,
}

impl Segment {
    /// Makes the file, with its header.
    ///
    /// # Errors
    /// When it cannot be made; a half-made file is removed.
    pub fn create(dir: &Path, node: NodeId, id: SegmentId, now: Timestamp) -> io::Result<Self> {
        let path = dir.join(format!("{id}.{EXTENSION}"));
        let header = Header { node, segment: id, made_at: now };
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        let prepared = file.write_all_at(&header.encode(), 0).and_then(|()| directory::sync(dir));
        if let Err(error) = prepared {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(Self::new(header, path, file, HEADER_BYTES as u64, 0))
    }

    /// Takes over the file of an earlier process: cuts a torn tail, and seals it. What is damaged and
    /// followed by whole records is left where it is and passed over. A file that is none of ours, or
    /// of a version that this one does not know, is left alone.
    ///
    /// # Errors
    /// When it cannot be read or cut.
    pub fn recover(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let length = file.metadata()?.len();
        let mut start = vec![0; HEADER_BYTES.min(usize::try_from(length).unwrap_or(HEADER_BYTES))];
        file.read_exact_at(&mut start, 0)?;
        let named: Option<SegmentId> =
            path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        let Some(header) = Header::decode(&start).filter(|header| Some(header.segment) == named) else {
            let header_never_arrived = start.len() < HEADER_BYTES || start.iter().all(|byte| *byte == 0);
            if named.is_some() && header_never_arrived {
                fs::remove_file(path)?;
            } else {
                error!(path = %path.display(), "not a journal segment of this version; it is left as it is");
            }
            return Ok(None);
        };
        let Scan { end, holes } = scan(|bytes, at| file.read_exact_at(bytes, at), length, |_, _| {})?;
        if !holes.is_empty() {
            let damaged_bytes: u64 = holes.iter().map(Hole::bytes).sum();
            error!(
                path = %path.display(), damaged_bytes, first_at = holes[0].from,
                "a journal segment is damaged between its records; those around it are moved, the file is kept"
            );
        }
        if end < length {
            warn!(path = %path.display(), cut_bytes = length - end, "cut the torn tail of a journal segment");
            file.set_len(end)?;
        }
        file.sync_data()?;
        let recovered = Self::new(header, path.to_owned(), file, end | SEALED, end);
        Ok(Some(Self { holes, ..recovered }))
    }

    fn new(header: Header, path: PathBuf, file: File, end: u64, synced: u64) -> Self {
        Self {
            header,
            path,
            file,
            end: AtomicU64::new(end),
            synced: AtomicU64::new(synced),
            doubtful_from: AtomicU64::new(NOWHERE),
            moved: AtomicU64::new(HEADER_BYTES as u64),
            stuck: AtomicBool::new(false),
            pending_since: AtomicI64::new(header.made_at.as_micros()),
            newest_moved: AtomicI64::new(i64::MIN),
            holes: Vec::new(),
        }
    }

    /// What is damaged between its records.
    pub fn holes(&self) -> &[Hole] {
        &self.holes
    }

    /// The place itself, or the end of the damage that it lies in.
    pub fn next_readable(&self, at: u64) -> u64 {
        let hole = self.holes.iter().find(|hole| hole.from <= at && at < hole.to);
        hole.map_or(at, |hole| hole.to)
    }

    /// Appends whole records; returns where they end, `None` when the segment is sealed. Called by one
    /// writer at a time.
    ///
    /// # Errors
    /// When the bytes could not be written; nothing of them counts then.
    pub fn append(&self, bytes: &[u8], now: Timestamp) -> io::Result<Option<u64>> {
        let start = self.end.load(Ordering::Acquire);
        if start & SEALED != 0 {
            return Ok(None);
        }
        if let Err(error) = write_all_at(&self.file, bytes, start) {
            self.take_back(start);
            // Room may come back here; whatever else is wrong may be wrong with this file only.
            if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
                self.seal();
            }
            return Err(error);
        }
        if self.moved() >= start {
            self.pending_since.store(now.as_micros(), Ordering::Relaxed);
        }
        let end = start + bytes.len() as u64;
        if self.end.compare_exchange(start, end, Ordering::AcqRel, Ordering::Acquire).is_err() {
            self.take_back(start);
            return Ok(None);
        }
        Ok(Some(end))
    }

    /// Overwrites a place, or writes one behind the end that nobody reads before [`Segment::finish`].
    pub(super) fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        write_all_at(&self.file, bytes, at)
    }

    /// Takes back what lies behind a place that nothing of which counts.
    pub(super) fn cut(&self, end: u64) {
        // If that fails, what is there is a whole record or none; and the next write goes over it.
        let _ = self.file.set_len(end);
    }

    /// The records end here, and nothing is written any more.
    pub(super) fn finish(&self, end: u64) {
        self.end.store(end | SEALED, Ordering::Release);
    }

    pub(super) fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// What was written and does not count must not be taken for a record after a restart.
    fn take_back(&self, start: u64) {
        if self.file.set_len(start).is_err() {
            self.seal();
        }
    }

    /// Brings what is written to the disk; false when that failed. Called by one at a time: the kernel
    /// tells of a failure once.
    pub fn sync(&self) -> bool {
        let written = self.written();
        if self.synced() >= written {
            return true;
        }
        match self.file.sync_data() {
            Ok(()) => {
                self.synced.fetch_max(written, Ordering::AcqRel);
                true
            }
            Err(error) => {
                if self.doubt() {
                    error!(%error, path = %self.path.display(), "a journal segment could not be synced");
                }
                false
            }
        }
    }

    /// What is not on disk by now may never be, whatever a later sync says: the kernel forgets what it
    /// could not write. True the first time.
    pub(super) fn doubt(&self) -> bool {
        let before = self.doubtful_from.fetch_min(self.synced(), Ordering::AcqRel);
        self.seal();
        before == NOWHERE
    }

    /// Whether what ends at `end` is on disk for certain; `None` while that is not known.
    pub fn is_durable(&self, end: u64) -> Option<bool> {
        let synced = self.synced();
        if end > self.doubtful_from.load(Ordering::Acquire) {
            return Some(false);
        }
        (synced >= end).then_some(true)
    }

    /// Reads what is synced, from `from`, at most `max` bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_synced(&self, from: u64, max: usize) -> io::Result<Vec<u8>> {
        let available = usize::try_from(self.synced().saturating_sub(from)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; available.min(max)];
        self.file.read_exact_at(&mut bytes, from)?;
        Ok(bytes)
    }

    /// The store has what lies before `position`; the newest of that was made at `newest`.
    pub fn set_moved(&self, position: u64, newest: Timestamp) {
        self.newest_moved.store(newest.as_micros(), Ordering::Relaxed);
        self.moved.store(position, Ordering::Release);
    }

    /// The store has what lies before `position`, more or less than was known here: a process before
    /// this one moved a part, or the store was put back to an earlier state.
    pub fn set_position(&self, position: u64) {
        let made_at = self.header.made_at.as_micros();
        self.pending_since.store(made_at, Ordering::Relaxed);
        self.newest_moved.store(made_at, Ordering::Relaxed);
        self.moved.store(position.max(HEADER_BYTES as u64), Ordering::Release);
    }

    /// Frees the room of a file that has been removed, whoever still has it open.
    pub(super) fn free(&self) {
        let _ = self.file.set_len(0);
    }

    /// Nothing is appended from now on.
    pub fn seal(&self) {
        self.end.fetch_or(SEALED, Ordering::AcqRel);
    }

    /// Whether nothing is appended any more.
    pub fn is_sealed(&self) -> bool {
        self.end.load(Ordering::Acquire) & SEALED != 0
    }

    /// The mover cannot read on.
    pub fn set_stuck(&self) {
        self.stuck.store(true, Ordering::Relaxed);
    }

    /// Whether the mover cannot read on.
    pub fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Relaxed)
    }

    /// Its id.
    pub fn id(&self) -> SegmentId {
        self.header.segment
    }

    /// The boot that wrote it.
    pub fn node(&self) -> NodeId {
        self.header.node
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes written.
    pub fn written(&self) -> u64 {
        self.end.load(Ordering::Acquire) & !SEALED
    }

    /// Bytes on disk.
    pub fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// Bytes in the store; beyond the end when a power failure took what had been moved.
    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::Acquire)
    }

    /// Whether it holds a record that is not in the store.
    pub fn is_pending(&self) -> bool {
        self.moved() < self.written()
    }

    /// No record that is not in the store is older than this.
    pub fn oldest_pending(&self) -> Timestamp {
        let pending_since = self.pending_since.load(Ordering::Relaxed);
        Timestamp::from_micros(pending_since.max(self.newest_moved.load(Ordering::Relaxed)))
    }
}

/// As `FileExt::write_all_at`, but past the C library, whose `pwrite` is a cancellation point and pays
/// for it with each record.
fn write_all_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(file, bytes, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                at += written as u64;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
