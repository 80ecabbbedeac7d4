//! One segment file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use keywright_core::id::SegmentId;
use keywright_core::{NodeId, Timestamp};
use tracing::{error, warn};

use super::codec::{self, HEADER_BYTES, Header};

/// How a segment's file name ends.
pub const EXTENSION: &str = "kwj";

/// A segment: written by one worker, synced by the syncer, moved by the mover.
#[derive(Debug)]
pub struct Segment {
    header: Header,
    path: PathBuf,
    file: File,
    written: AtomicU64,
    synced: AtomicU64,
    moved: AtomicU64,
    closed: AtomicBool,
    sync_failed: AtomicBool,
    /// When the oldest record that may not be moved yet was appended.
    oldest: AtomicI64,
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
        let prepared = file.write_all_at(&header.encode(), 0).and_then(|()| File::open(dir)?.sync_all());
        if let Err(error) = prepared {
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok(Self::new(header, path, file, HEADER_BYTES as u64, 0, false))
    }

    /// Takes over the file of an earlier process: cuts a torn tail, and closes it for writing. A file
    /// that is none of ours, or of a version that this one does not know, is left alone.
    ///
    /// # Errors
    /// When it cannot be read or cut.
    pub fn recover(path: &Path) -> io::Result<Option<Self>> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let Some(header) = Header::decode(&bytes) else {
            if bytes.len() < HEADER_BYTES {
                std::fs::remove_file(path)?;
            } else {
                error!(path = %path.display(), "not a journal segment of this version; it is left as it is");
            }
            return Ok(None);
        };
        let mut end = HEADER_BYTES;
        while let Some(frame) = codec::frame(&bytes[end..]) {
            end += frame.bytes;
        }
        if end < bytes.len() {
            warn!(path = %path.display(), cut_bytes = bytes.len() - end, "cut the torn tail of a journal segment");
            file.set_len(end as u64)?;
        }
        file.sync_data()?;
        let end = end as u64;
        let segment = Self::new(header, path.to_owned(), file, end, end, true);
        segment.oldest.store(header.made_at.as_micros(), Ordering::Relaxed);
        Ok(Some(segment))
    }

    fn new(header: Header, path: PathBuf, file: File, written: u64, synced: u64, closed: bool) -> Self {
        Self {
            header,
            path,
            file,
            written: AtomicU64::new(written),
            synced: AtomicU64::new(synced),
            moved: AtomicU64::new(HEADER_BYTES as u64),
            closed: AtomicBool::new(closed),
            sync_failed: AtomicBool::new(false),
            oldest: AtomicI64::new(i64::MAX),
        }
    }

    /// Appends whole records; returns where they end. Called by one writer at a time.
    ///
    /// # Errors
    /// When the bytes could not be written; nothing of them counts then.
    pub fn append(&self, bytes: &[u8], now: Timestamp) -> io::Result<u64> {
        let start = self.written.load(Ordering::Relaxed);
        if let Err(error) = self.file.write_all_at(bytes, start) {
            // What was written in part must not be taken for a record after a restart.
            if self.file.set_len(start).is_err() {
                self.close();
            }
            return Err(error);
        }
        if self.moved.load(Ordering::Relaxed) >= start {
            self.oldest.store(now.as_micros(), Ordering::Relaxed);
        }
        let end = start + bytes.len() as u64;
        self.written.store(end, Ordering::Release);
        Ok(end)
    }

    /// Brings what is written to the disk.
    pub fn sync(&self) {
        let written = self.written.load(Ordering::Acquire);
        if self.synced.load(Ordering::Acquire) >= written {
            return;
        }
        match self.file.sync_data() {
            Ok(()) => {
                self.synced.fetch_max(written, Ordering::AcqRel);
                self.sync_failed.store(false, Ordering::Relaxed);
            }
            Err(error) => {
                if !self.sync_failed.swap(true, Ordering::Relaxed) {
                    error!(%error, path = %self.path.display(), "a journal segment could not be synced");
                }
                // What a failed sync left in the kernel cannot be trusted to reach the disk: no more here.
                self.close();
            }
        }
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

    /// The store has what lies before `position`.
    pub fn set_moved(&self, position: u64, newest: Timestamp) {
        self.moved.fetch_max(position, Ordering::AcqRel);
        self.oldest.store(newest.as_micros(), Ordering::Relaxed);
    }

    /// Nothing is appended from now on.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether nothing is appended any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether the last sync failed.
    pub fn sync_failed(&self) -> bool {
        self.sync_failed.load(Ordering::Relaxed)
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
        self.written.load(Ordering::Acquire)
    }

    /// Bytes on disk.
    pub fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// Bytes in the store.
    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::Acquire)
    }

    /// No record that is not in the store is older than this.
    pub fn oldest_unmoved(&self) -> Timestamp {
        Timestamp::from_micros(self.oldest.load(Ordering::Relaxed))
    }
}
