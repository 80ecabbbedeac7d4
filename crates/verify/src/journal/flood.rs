//! The flood bound: what names no known credential costs an attacker nothing to send, and must not fill
//! the journal.
//!
//! Once more than a quarter of the journal waits for the store, such decisions are only counted, for
//! each client network and code. The counts lie in a segment of their own, as records that are
//! overwritten in place with each decision: in the kernel before the answer, as any other record, and
//! read like any other once the segment is sealed. A record never lies across the boundary of a page or
//! a sector: a kill, or a power failure, finds the old count or the new one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use keywright_core::Timestamp;
use keywright_core::id::SegmentId;
use parking_lot::Mutex;
use tracing::{error, warn};

use super::codec::{self, HEADER_BYTES};
use super::record::{RecordCode, RecordRef};
use super::segment::Segment;
use super::writer::Kept;
use super::{Inner, JournalError, closed};
use crate::clock::boot_micros;

/// Networks that are told apart in one segment; those beyond are counted together.
pub(super) const MAX_NETWORKS: usize = 1_000;
/// Bytes of a record: a page and a sector hold a whole number of them.
pub(super) const SLOT_BYTES: u64 = 256;
/// Where the first record ends: it fills up what the header leaves of two slots.
const FIRST_END: u64 = 2 * SLOT_BYTES;
/// The counts go to the store when they are this old, in microseconds.
const DUE_MICROS: i64 = 1_000_000;
/// Bytes of the user agent and of the endpoint that are kept of a decision about nobody known.
const COMPACT_BYTES: usize = 64;
/// Bytes of the latest request's id that are kept.
const REQUEST_ID_BYTES: usize = 36;

/// Whether a decision names no known credential.
fn is_anonymous(record: &RecordRef<'_>) -> bool {
    record.credential_id.is_none() && record.code != RecordCode::Valid
}

/// What is kept of a decision; `None` when all of it is.
pub(super) fn compact<'a>(record: &RecordRef<'a>) -> Option<RecordRef<'a>> {
    let cut = |text: Option<&'a str>| text.map(|text| codec::cut(text, COMPACT_BYTES));
    is_anonymous(record).then(|| RecordRef {
        user_agent: cut(record.user_agent),
        endpoint: cut(record.endpoint),
        ..*record
    })
}

/// The counts of a journal.
#[derive(Default)]
pub(super) struct Flood {
    open: Mutex<Option<Open>>,
    /// The segment of counts that was sealed last.
    sealed: Mutex<Option<Arc<Segment>>>,
}

/// A segment of counts, being written.
struct Open {
    segment: Arc<Segment>,
    end: u64,
    slots: HashMap<Key, Slot>,
    opened_at: i64,
    first_at: Timestamp,
    progress: Arc<Progress>,
    buffer: Vec<u8>,
}

/// How many counts of a segment are written, and how many of those are on disk.
#[derive(Debug, Default)]
pub(super) struct Progress {
    written: AtomicU64,
    synced: AtomicU64,
    failed: AtomicBool,
}

impl Progress {
    /// Whether the count of this number is on disk; `None` while that is not known.
    pub(super) fn is_durable(&self, number: u64) -> Option<bool> {
        if self.synced.load(Ordering::Acquire) >= number {
            return Some(true);
        }
        self.failed.load(Ordering::Acquire).then_some(false)
    }

    fn is_behind(&self) -> bool {
        self.synced.load(Ordering::Acquire) < self.written.load(Ordering::Acquire)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    kind: &'static str,
    code: &'static str,
    network: Network,
}

/// Where decisions were asked for from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Network {
    /// The first 24 bits.
    V4([u8; 3]),
    /// The first 64 bits.
    V6([u8; 8]),
    /// The address is not known.
    Unknown,
    /// One of those that came when there were too many.
    Others,
}

impl Network {
    fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(v4)) => {
                let [a, b, c, _] = v4.octets();
                Self::V4([a, b, c])
            }
            Some(IpAddr::V6(v6)) => {
                // Its upper half: all of it fits.
                Self::V6(u64::try_from(v6.to_bits() >> 64).unwrap_or_default().to_be_bytes())
            }
            None => Self::Unknown,
        }
    }

    fn address(self) -> Option<IpAddr> {
        match self {
            Self::V4([a, b, c]) => Some(Ipv4Addr::new(a, b, c, 0).into()),
            Self::V6(first) => Some(Ipv6Addr::from(u128::from(u64::from_be_bytes(first)) << 64).into()),
            Self::Unknown | Self::Others => None,
        }
    }

    fn name(self) -> String {
        match (self, self.address()) {
            (Self::V4(_), Some(address)) => format!("{address}/24"),
            (_, Some(address)) => format!("{address}/64"),
            (Self::Others, _) => "others".to_owned(),
            (_, None) => "unknown".to_owned(),
        }
    }
}

/// A record of counts.
struct Slot {
    at: u64,
    bytes: usize,
    occurrences: u32,
    address: Option<IpAddr>,
    details: Box<str>,
}

impl Slot {
    /// The next one of a segment that ends at `end`.
    fn next(end: u64, network: Network, first_at: Timestamp) -> Self {
        let bytes = if end == HEADER_BYTES as u64 { FIRST_END - end } else { SLOT_BYTES };
        let details = format!(r#"{{"counted":true,"network":"{}","first_at":"{first_at}"}}"#, network.name());
        Self {
            at: end,
            bytes: usize::try_from(bytes).unwrap_or_default(),
            occurrences: 0,
            address: network.address(),
            details: details.into(),
        }
    }

    fn encode(&self, latest: &RecordRef<'_>, occurrences: u32, out: &mut Vec<u8>) {
        let record = RecordRef {
            ip_address: self.address,
            request_id: codec::cut(latest.request_id, REQUEST_ID_BYTES),
            error_details: Some(&self.details),
            asked_by: None,
            user_agent: None,
            method: None,
            endpoint: None,
            cloudflare_ray_id: None,
            occurrences,
            ..*latest
        };
        out.clear();
        codec::encode_filled(&record, self.bytes, out);
    }
}

impl Open {
    fn begin(segment: Segment, first_at: Timestamp) -> Self {
        Self {
            segment: Arc::new(segment),
            end: HEADER_BYTES as u64,
            slots: HashMap::new(),
            opened_at: boot_micros(),
            first_at,
            progress: Arc::default(),
            buffer: Vec::new(),
        }
    }

    /// The record to count in. One that is full, or a network that is new, gets a new one.
    fn key_of(&self, record: &RecordRef<'_>) -> Key {
        let key = |network| Key { kind: record.kind.as_str(), code: record.code.as_str(), network };
        let own = key(Network::of(record.ip_address));
        if self.slots.contains_key(&own) || self.slots.len() < MAX_NETWORKS {
            own
        } else {
            key(Network::Others)
        }
    }

    fn count(&mut self, inner: &Inner, record: &RecordRef<'_>) -> Result<u64, JournalError> {
        let key = self.key_of(record);
        let known = self.slots.get(&key).filter(|slot| slot.occurrences < u32::MAX);
        let is_new = known.is_none();
        let fresh = is_new.then(|| Slot::next(self.end, key.network, record.occurred_at));
        let Some(slot) = known.or(fresh.as_ref()) else { return Err(closed()) };
        slot.encode(record, slot.occurrences + 1, &mut self.buffer);
        let length = slot.bytes as u64;
        if is_new {
            inner.take_room(length)?;
        }
        if let Err(error) = self.segment.write_at(&self.buffer, slot.at) {
            if is_new {
                inner.give_room_back(length);
                self.segment.cut(self.end);
            } else {
                slot.encode(record, slot.occurrences, &mut self.buffer);
                let _ = self.segment.write_at(&self.buffer, slot.at);
            }
            return Err(error.into());
        }
        if let Some(fresh) = fresh {
            self.end += length;
            inner.count_appended(length);
            self.slots.insert(key, fresh);
        }
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.occurrences += 1;
        }
        Ok(self.progress.written.fetch_add(1, Ordering::AcqRel) + 1)
    }
}

impl Inner {
    /// Whether a decision is only to be counted.
    pub(super) fn only_counts(&self, record: &RecordRef<'_>) -> bool {
        is_anonymous(record) && self.backlog_bytes() > self.options.max_bytes / 4
    }

    /// Counts a decision: when this returns, the count is in the kernel.
    pub(super) fn count<K: Kept>(&self, record: &RecordRef<'_>) -> Result<K, JournalError> {
        let mut open = self.flood.open.lock();
        let flood = match &mut *open {
            Some(flood) => flood,
            None => open.insert(self.begin_counting(record.occurred_at)?),
        };
        let number = flood.count(self, record)?;
        self.counted.fetch_add(1, Ordering::Relaxed);
        Ok(K::counted(&flood.progress, number))
    }

    /// Whoever closes the journal does so before it asks for the lock that is held here.
    fn begin_counting(&self, now: Timestamp) -> Result<Open, JournalError> {
        if self.files.lock().closed {
            return Err(closed());
        }
        warn!("decisions about nobody known are only counted, as the store is far behind");
        let id = SegmentId::generate(now, (self.entropy)());
        self.take_room(HEADER_BYTES as u64)?;
        match Segment::create(&self.options.dir, self.node, id, now) {
            Ok(segment) => Ok(Open::begin(segment, now)),
            Err(error) => {
                self.give_room_back(HEADER_BYTES as u64);
                Err(error.into())
            }
        }
    }

    /// Seals the counts, so that they can be moved, once they are old enough and those before them are
    /// in the store: however long it is away, there are no more than two segments of counts.
    pub(super) fn seal_counts_if_due(&self) {
        let due = {
            let open = self.flood.open.lock();
            open.as_ref().is_some_and(|open| boot_micros() - open.opened_at >= DUE_MICROS)
        };
        if due && !self.flood.sealed.lock().as_ref().is_some_and(|segment| segment.is_pending()) {
            self.seal_counts();
        }
    }

    /// Seals the counts and brings them to the disk.
    pub(super) fn seal_counts(&self) {
        let _alone = self.syncer.alone();
        if let Some((segment, progress)) = self.take_counts() {
            settle(&progress, segment.sync().then_some(()).ok_or(()));
            self.syncer.tell();
        }
    }

    /// From here on the counts are a segment like the others, to which nothing is added.
    fn take_counts(&self) -> Option<(Arc<Segment>, Arc<Progress>)> {
        let mut open = self.flood.open.lock();
        let flood = open.take()?;
        flood.segment.finish(flood.end);
        self.files.lock().segments.push(Arc::clone(&flood.segment));
        *self.flood.sealed.lock() = Some(Arc::clone(&flood.segment));
        Some((flood.segment, flood.progress))
    }

    /// Brings the counts to the disk that are still written to; false when that failed.
    pub(super) fn sync_counts(&self) -> bool {
        let open = || {
            let open = self.flood.open.lock();
            open.as_ref().map(|open| (Arc::clone(&open.segment), Arc::clone(&open.progress)))
        };
        let Some((segment, progress)) = open().filter(|(_, progress)| progress.is_behind()) else {
            return true;
        };
        let written = progress.written.load(Ordering::Acquire);
        match segment.sync_data() {
            Ok(()) => {
                progress.synced.fetch_max(written, Ordering::AcqRel);
                true
            }
            Err(error) => {
                error!(%error, path = %segment.path().display(), "a journal segment could not be synced");
                // What the kernel could not write it forgets: nothing more is counted there.
                if let Some((segment, progress)) = self.take_counts() {
                    settle(&progress, Err(()));
                    segment.doubt();
                }
                false
            }
        }
    }

    /// Bytes of counts that are still written to, and when the first of them was made.
    pub(super) fn counting(&self) -> Option<(u64, Timestamp)> {
        self.flood.open.lock().as_ref().map(|open| (open.end - HEADER_BYTES as u64, open.first_at))
    }
}

/// Nothing is written there any more: all that was is on disk, or what is not never will be for certain.
fn settle(progress: &Progress, outcome: Result<(), ()>) {
    match outcome {
        Ok(()) => {
            progress.synced.fetch_max(progress.written.load(Ordering::Acquire), Ordering::AcqRel);
        }
        Err(()) => progress.failed.store(true, Ordering::Release),
    }
}

#[cfg(test)]
mod tests;
