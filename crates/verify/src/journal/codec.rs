//! The journal's format on disk.
//!
//! A segment is a header and records. Header: magic (8), version (2), node (16), segment (16), made at
//! (8), CRC-32 of these (4). Record: length of the payload (4), CRC-32 of the payload (4), payload.
//! Numbers are little-endian. A payload begins with its version; texts are cut at a character boundary
//! to what their field may hold.

use std::net::IpAddr;

use keywright_core::id::SegmentId;
use keywright_core::{CredentialId, EventId, NodeId, PrincipalKind, Timestamp};
use uuid::Uuid;

use super::record::{DecisionRecord, EventKind, RecordCode, RecordRef};

/// Bytes of a segment's header.
pub const HEADER_BYTES: usize = 54;
/// Bytes before each payload.
pub const FRAME_BYTES: usize = 8;
/// Most bytes of a payload: far above what the fields can add up to.
pub const MAX_PAYLOAD_BYTES: usize = 16 * 1024;

const MAGIC: &[u8; 8] = b"KWJRNL\r\n";
const FORMAT: u16 = 1;
const PAYLOAD_VERSION: u8 = 1;

const MAX_NAME: usize = 1024;
const MAX_EMAIL: usize = 320;
const MAX_USER_AGENT: usize = 512;
const MAX_METHOD: usize = 32;
const MAX_ENDPOINT: usize = 512;
const MAX_RAY: usize = 64;
const MAX_REQUEST_ID: usize = 64;
const MAX_DETAILS: usize = 2048;

/// Who wrote a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The boot of the node that wrote it.
    pub node: NodeId,
    /// The segment.
    pub segment: SegmentId,
    /// When it was made.
    pub made_at: Timestamp,
}

impl Header {
    /// The bytes at the start of the file.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..8].copy_from_slice(MAGIC);
        out[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        out[10..26].copy_from_slice(self.node.0.as_bytes());
        out[26..42].copy_from_slice(self.segment.0.as_bytes());
        out[42..50].copy_from_slice(&self.made_at.as_micros().to_le_bytes());
        let crc = crc32fast::hash(&out[..50]);
        out[50..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a header back; `None` when these bytes are none of this version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        Self::read(bytes.get(..HEADER_BYTES)?).ok()
    }

    fn read(bytes: &[u8]) -> Read<Self> {
        let mut reader = Reader(bytes);
        if reader.take(8)? != MAGIC || reader.u16()? != FORMAT {
            return Err(Unreadable);
        }
        let header = Self {
            node: NodeId(reader.uuid()?),
            segment: SegmentId(reader.uuid()?),
            made_at: Timestamp::from_micros(reader.i64()?),
        };
        if reader.u32()? == crc32fast::hash(&bytes[..50]) { Ok(header) } else { Err(Unreadable) }
    }
}

/// The id of the event at `offset` of a segment.
pub fn event_id(segment: SegmentId, offset: u64, occurred_at: Timestamp) -> EventId {
    let mut entropy = [0u8; 10];
    entropy.copy_from_slice(&segment.0.as_bytes()[6..16]);
    // The last 48 bits carry no version and no variant: distinct offsets give distinct ids.
    let mut low = [0u8; 8];
    low[2..].copy_from_slice(&entropy[4..]);
    let shifted = u64::from_be_bytes(low).wrapping_add(offset).to_be_bytes();
    entropy[4..].copy_from_slice(&shifted[2..]);
    EventId::generate(occurred_at, entropy)
}

/// The text, cut at a character boundary to at most so many bytes.
pub(super) fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// Appends a whole record, frame and payload, to `out`.
pub fn encode(record: &RecordRef<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_BYTES]);
    put_payload(record, out);
    put_frame(start, out);
}

/// As [`encode`], filled up with zeros to `bytes` in all, which the fields must leave room for: what
/// follows them is not read.
pub(super) fn encode_filled(record: &RecordRef<'_>, bytes: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_BYTES]);
    put_payload(record, out);
    debug_assert!(out.len() <= start + bytes, "the fields leave no room");
    out.resize(start + bytes, 0);
    put_frame(start, out);
}

/// Length and CRC, before the payload that `start` is followed by.
fn put_frame(start: usize, out: &mut [u8]) {
    let payload = start + FRAME_BYTES;
    let length = u32::try_from(out.len() - payload).unwrap_or(u32::MAX);
    let crc = crc32fast::hash(&out[payload..]);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..payload].copy_from_slice(&crc.to_le_bytes());
}

fn put_payload(record: &RecordRef<'_>, out: &mut Vec<u8>) {
    let facts = Facts::of(record);
    out.extend_from_slice(&facts.bytes[..facts.length]);
    put_text(out, Some(record.request_id), MAX_REQUEST_ID);
    put_text(out, record.token_name, MAX_NAME);
    put_text(out, record.user_email, MAX_EMAIL);
    put_text(out, record.user_agent, MAX_USER_AGENT);
    put_text(out, record.method, MAX_METHOD);
    put_text(out, record.endpoint, MAX_ENDPOINT);
    put_text(out, record.cloudflare_ray_id, MAX_RAY);
    put_text(out, record.error_details, MAX_DETAILS);
}

/// Most bytes of what comes before the texts of a payload: five of one byte, time, latency, four ids,
/// occurrences, and an address.
const MAX_FACTS: usize = 5 + 8 + 4 + 4 * (1 + 16) + 4 + (1 + 16);

/// What comes before the texts of a payload, put together where no room has to be looked for.
struct Facts {
    bytes: [u8; MAX_FACTS],
    length: usize,
}

impl Facts {
    fn of(record: &RecordRef<'_>) -> Self {
        let mut facts = Self { bytes: [0; MAX_FACTS], length: 0 };
        let stale = u8::from(record.stale);
        let principal_kind = number_of(record.principal_kind);
        facts.put([PAYLOAD_VERSION, record.kind.number(), record.code.number(), stale, principal_kind]);
        facts.put(record.occurred_at.as_micros().to_le_bytes());
        facts.put(record.latency_micros.to_le_bytes());
        facts.put_uuid(record.credential_id.map(|id| id.0));
        facts.put_uuid(record.principal_id);
        facts.put_uuid(record.asked_by.map(|id| id.0));
        facts.put_uuid(record.publisher_id);
        facts.put(record.occurrences.to_le_bytes());
        facts.put_address(record.ip_address);
        facts
    }

    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.bytes[self.length..self.length + N].copy_from_slice(&bytes);
        self.length += N;
    }

    fn put_uuid(&mut self, id: Option<Uuid>) {
        self.put([u8::from(id.is_some())]);
        if let Some(id) = id {
            self.put(id.into_bytes());
        }
    }

    fn put_address(&mut self, address: Option<IpAddr>) {
        match address {
            None => self.put([0]),
            Some(IpAddr::V4(v4)) => {
                self.put([4]);
                self.put(v4.octets());
            }
            Some(IpAddr::V6(v6)) => {
                self.put([6]);
                self.put(v6.octets());
            }
        }
    }
}

const fn number_of(kind: Option<PrincipalKind>) -> u8 {
    match kind {
        None => 0,
        Some(PrincipalKind::ServiceToken) => 1,
        Some(PrincipalKind::User) => 2,
        Some(PrincipalKind::External) => 3,
        Some(PrincipalKind::ServiceAccount) => 4,
    }
}

fn put_text(out: &mut Vec<u8>, text: Option<&str>, max: usize) {
    // 0 is absent, so that an empty text stays an empty text.
    let Some(text) = text.map(|text| cut(text, max)) else {
        out.extend_from_slice(&0u16.to_le_bytes());
        return;
    };
    // No text holds what could be taken for a frame, where a damaged file is searched for the next one:
    // the length of a frame has two zeros.
    if has_zero(text.as_bytes()) {
        let clean = text.replace('\0', "\u{FFFD}");
        return put_text(out, Some(&clean), max);
    }
    let length = u16::try_from(text.len() + 1).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Without a way out in the middle, so that it compiles to a few wide comparisons.
fn has_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |found, byte| found | u8::from(*byte == 0)) != 0
}

/// A frame found in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The payload, its CRC checked.
    pub payload: &'a [u8],
    /// Bytes of the whole frame.
    pub bytes: usize,
}

/// The frame at the start of `bytes`; `None` at the end, at a torn tail, or where the CRC differs.
pub fn frame(bytes: &[u8]) -> Option<Frame<'_>> {
    let mut reader = Reader(bytes);
    let length = usize::try_from(reader.u32().ok()?).ok().filter(|n| (1..=MAX_PAYLOAD_BYTES).contains(n))?;
    let crc = reader.u32().ok()?;
    let payload = reader.take(length).ok()?;
    (crc32fast::hash(payload) == crc).then_some(Frame { payload, bytes: FRAME_BYTES + length })
}

/// The frames that follow each other from the start of `bytes` on.
pub fn frames(bytes: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let found = frame(&bytes[at..])?;
        at += found.bytes;
        Some(found)
    })
}

/// Where the first whole frame in `bytes` begins, whatever lies before it.
pub fn find_frame(bytes: &[u8]) -> Option<usize> {
    // The length of a frame is below 65,536 and not 0: nearly all places are told apart by two bytes.
    let begins = |at: &usize| bytes[at + 2] == 0 && bytes[at + 3] == 0 && bytes[*at] | bytes[at + 1] != 0;
    (0..bytes.len().saturating_sub(FRAME_BYTES)).filter(begins).find(|at| frame(&bytes[*at..]).is_some())
}

/// Reads the payload at `offset` of `segment`; `None` when it is of a version that this one does not know.
pub fn decode(segment: SegmentId, offset: u64, payload: &[u8]) -> Option<DecisionRecord> {
    read_payload(segment, offset, payload).ok()
}

fn read_payload(segment: SegmentId, offset: u64, payload: &[u8]) -> Read<DecisionRecord> {
    let mut reader = Reader(payload);
    if reader.u8()? != PAYLOAD_VERSION {
        return Err(Unreadable);
    }
    let kind = EventKind::from_number(reader.u8()?).ok_or(Unreadable)?;
    let code = RecordCode::from_number(reader.u8()?).ok_or(Unreadable)?;
    let stale = reader.u8()? != 0;
    let principal_kind = match reader.u8()? {
        0 => None,
        1 => Some(PrincipalKind::ServiceToken),
        2 => Some(PrincipalKind::User),
        3 => Some(PrincipalKind::External),
        4 => Some(PrincipalKind::ServiceAccount),
        _ => return Err(Unreadable),
    };
    let occurred_at = Timestamp::from_micros(reader.i64()?);
    let latency_micros = reader.u32()?;
    let credential_id = reader.optional_uuid()?.map(CredentialId);
    let principal_id = reader.optional_uuid()?;
    let asked_by = reader.optional_uuid()?.map(CredentialId);
    let publisher_id = reader.optional_uuid()?;
    let occurrences = reader.u32()?;
    let ip_address = match reader.u8()? {
        0 => None,
        4 => Some(IpAddr::from(reader.array::<4>()?)),
        6 => Some(IpAddr::from(reader.array::<16>()?)),
        _ => return Err(Unreadable),
    };
    Ok(DecisionRecord {
        id: event_id(segment, offset, occurred_at),
        occurred_at,
        kind,
        code,
        credential_id,
        principal_kind,
        principal_id,
        asked_by,
        publisher_id,
        ip_address,
        latency_micros,
        stale,
        occurrences,
        request_id: reader.text()?.unwrap_or_default(),
        token_name: reader.text()?,
        user_email: reader.text()?,
        user_agent: reader.text()?,
        method: reader.text()?,
        endpoint: reader.text()?,
        cloudflare_ray_id: reader.text()?,
        error_details: reader.text()?,
    })
}

/// Not what this version writes.
#[derive(Debug)]
struct Unreadable;

type Read<T> = Result<T, Unreadable>;

fn unreadable<E>(_: E) -> Unreadable {
    Unreadable
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Read<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(Unreadable)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.try_into().map_err(unreadable)
    }

    fn u8(&mut self) -> Read<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Read<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Read<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn i64(&mut self) -> Read<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn uuid(&mut self) -> Read<Uuid> {
        self.array().map(Uuid::from_bytes)
    }

    fn optional_uuid(&mut self) -> Read<Option<Uuid>> {
        match self.u8()? {
            0 => Ok(None),
            1 => self.uuid().map(Some),
            _ => Err(Unreadable),
        }
    }

    fn text(&mut self) -> Read<Option<Box<str>>> {
        match usize::from(self.u16()?) {
            0 => Ok(None),
            n => std::str::from_utf8(self.take(n - 1)?).map(|text| Some(text.into())).map_err(unreadable),
        }
    }
}

#[cfg(test)]
mod tests;
