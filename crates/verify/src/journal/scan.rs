//! Going through a segment file from its first record to its last, whatever lies between them.

use std::io;

use super::codec::{self, FRAME_BYTES, HEADER_BYTES, MAX_PAYLOAD_BYTES};

/// The longest record.
const LONGEST: usize = FRAME_BYTES + MAX_PAYLOAD_BYTES;
/// Bytes read at once: many times the longest record.
pub(super) const SCAN_BYTES: usize = 16 * LONGEST;
/// How far the next record is looked for behind a damaged place: no segment is longer.
const SEARCH_BYTES: u64 = 65 * 1024 * 1024;

/// A damaged place with whole records behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Where it begins.
    pub from: u64,
    /// Where the next whole record begins.
    pub to: u64,
}

impl Hole {
    /// How long it is.
    pub fn bytes(&self) -> u64 {
        self.to - self.from
    }
}

/// What a file holds behind its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Where its last whole record ends.
    pub end: u64,
    /// The damaged places before that.
    pub holes: Vec<Hole>,
}

/// Goes through the records of a file of `length` bytes, telling the place and the payload of each. It
/// holds a part of the file at a time, however long that is. `read_at` fills the whole of what it is
/// given from a place in the file, as `FileExt::read_exact_at` does.
///
/// # Errors
/// Those of `read_at`.
pub fn scan(
    read_at: impl Fn(&mut [u8], u64) -> io::Result<()>,
    length: u64,
    mut on_record: impl FnMut(u64, &[u8]),
) -> io::Result<Scan> {
    let file = &read_at;
    let mut buffer = vec![0; SCAN_BYTES];
    let mut found = Scan { end: HEADER_BYTES as u64, holes: Vec::new() };
    let mut at = found.end;
    while at < length {
        let bytes = read(file, &mut buffer, at, length)?;
        let before = at;
        for frame in codec::frames(bytes) {
            on_record(at, frame.payload);
            at += frame.bytes as u64;
        }
        if at > before {
            found.end = at;
            continue;
        }
        let Some(next) = search(file, &mut buffer, at, length)? else { break };
        found.holes.push(Hole { from: at, to: next });
        at = next;
    }
    Ok(found)
}

type ReadAt<'f> = &'f dyn Fn(&mut [u8], u64) -> io::Result<()>;

fn read<'b>(file: ReadAt<'_>, buffer: &'b mut [u8], at: u64, length: u64) -> io::Result<&'b [u8]> {
    let chunk = buffer.len().min(usize::try_from(length - at).unwrap_or(usize::MAX));
    file(&mut buffer[..chunk], at)?;
    Ok(&buffer[..chunk])
}

/// Where the next whole record behind `from` begins.
fn search(file: ReadAt<'_>, buffer: &mut [u8], from: u64, length: u64) -> io::Result<Option<u64>> {
    let limit = length.min(from.saturating_add(SEARCH_BYTES));
    let mut at = from + 1;
    while at < limit {
        let bytes = read(file, buffer, at, length)?;
        if let Some(next) = codec::find_frame(bytes) {
            return Ok(Some(at + next as u64));
        }
        // The next part begins early enough to hold whole what begins in this one.
        let step = if bytes.len() < SCAN_BYTES { bytes.len() } else { SCAN_BYTES - LONGEST };
        at += step as u64;
    }
    Ok(None)
}
