//! What lies in a journal's directory, for somebody who looks at it: it changes nothing, needs no lock,
//! and a process may be writing meanwhile.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use keywright_core::id::{JournalId, SegmentId};
use keywright_core::{NodeId, Timestamp};

use super::codec::{self, HEADER_BYTES, Header};
use super::directory::{self, DAMAGED};
use super::scan::{Hole, scan};
use super::segment::EXTENSION;

/// What lies in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspected {
    /// The directory's id; none before its first start.
    pub id: Option<JournalId>,
    /// Its segments, oldest first; those that are kept because they are damaged are among them.
    pub segments: Vec<InspectedSegment>,
    /// Files that are named like segments and are none of this version.
    pub unreadable: Vec<PathBuf>,
}

/// A segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectedSegment {
    /// Its file.
    pub path: PathBuf,
    /// Its id.
    pub id: SegmentId,
    /// The boot that wrote it.
    pub node: NodeId,
    /// When that began to.
    pub made_at: Timestamp,
    /// How long it is.
    pub bytes: u64,
    /// Where its last whole record ends.
    pub end: u64,
    /// Whole records in it.
    pub records: u64,
    /// The decisions that they stand for.
    pub decisions: u64,
    /// When the first of them was made.
    pub first_at: Option<Timestamp>,
    /// When the last of them was made.
    pub last_at: Option<Timestamp>,
    /// The decisions, by code.
    pub codes: BTreeMap<&'static str, u64>,
    /// Whole records of a version that this one does not know.
    pub unknown_records: u64,
    /// What is damaged between its records.
    pub damaged_bytes: u64,
    /// What lies behind its last record: a record that was being written.
    pub torn_bytes: u64,
    /// Whether it has been moved, and is kept for somebody to look at.
    pub is_kept: bool,
}

/// Looks at all that lies in a directory.
///
/// # Errors
/// When there is no such directory, or it cannot be read.
pub fn inspect(dir: &Path) -> io::Result<Inspected> {
    let mut found = Inspected { id: directory::known_identity(dir), ..Inspected::default() };
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_kept = name.ends_with(&format!(".{EXTENSION}.{DAMAGED}"));
        if !entry.file_type()?.is_file() || !(is_kept || name.ends_with(&format!(".{EXTENSION}"))) {
            continue;
        }
        match look(&path, is_kept) {
            Ok(Some(segment)) => found.segments.push(segment),
            Ok(None) => found.unreadable.push(path),
            // Moved and removed in the meantime.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    found.segments.sort_by_key(|segment| segment.id);
    found.unreadable.sort();
    Ok(found)
}

fn look(path: &Path, is_kept: bool) -> io::Result<Option<InspectedSegment>> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut start = [0; HEADER_BYTES];
    let header = match file.read_exact_at(&mut start, 0) {
        Ok(()) => Header::decode(&start),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
        Err(error) => return Err(error),
    };
    let Some(header) = header else { return Ok(None) };
    let mut segment = InspectedSegment::empty(path, header, bytes, is_kept);
    let found = scan(
        |part, at| file.read_exact_at(part, at),
        bytes,
        |at, payload| segment.add(header.segment, at, payload),
    )?;
    segment.end = found.end;
    segment.damaged_bytes = found.holes.iter().map(Hole::bytes).sum();
    segment.torn_bytes = bytes - found.end;
    Ok(Some(segment))
}

impl InspectedSegment {
    fn empty(path: &Path, header: Header, bytes: u64, is_kept: bool) -> Self {
        Self {
            path: path.to_owned(),
            id: header.segment,
            node: header.node,
            made_at: header.made_at,
            bytes,
            end: HEADER_BYTES as u64,
            records: 0,
            decisions: 0,
            first_at: None,
            last_at: None,
            codes: BTreeMap::new(),
            unknown_records: 0,
            damaged_bytes: 0,
            torn_bytes: 0,
            is_kept,
        }
    }

    fn add(&mut self, id: SegmentId, at: u64, payload: &[u8]) {
        self.records += 1;
        let Some(record) = codec::decode(id, at, payload) else {
            self.unknown_records += 1;
            return;
        };
        let decisions = u64::from(record.occurrences);
        self.decisions += decisions;
        *self.codes.entry(record.code.as_str()).or_default() += decisions;
        let (first, last) = (self.first_at.unwrap_or(record.occurred_at), self.last_at);
        self.first_at = Some(first.min(record.occurred_at));
        self.last_at = Some(last.unwrap_or(record.occurred_at).max(record.occurred_at));
    }
}
