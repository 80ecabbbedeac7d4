//! Writers: each worker appends to a segment of its own.

use std::sync::Arc;

use keywright_core::Timestamp;
use parking_lot::Mutex;

use super::codec;
use super::flood::{Progress, compact};
use super::record::RecordRef;
use super::segment::Segment;
use super::{Handle, JournalError};

/// Appends for one worker.
pub struct Writer {
    handle: Arc<Handle>,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    segment: Option<Arc<Segment>>,
    buffer: Vec<u8>,
    /// Bytes of the journal's room that are taken, and not written to yet.
    room: u64,
}

/// What was recorded; to wait until it is on disk.
pub(super) struct Written(pub(super) Place);

/// What is kept of where a record was written: nothing, where nobody waits until it is on disk.
pub(super) trait Kept: Sized {
    fn appended(segment: &Arc<Segment>, end: u64) -> Self;
    fn counted(progress: &Arc<Progress>, number: u64) -> Self;
}

impl Kept for () {
    fn appended(_: &Arc<Segment>, _: u64) -> Self {}
    fn counted(_: &Arc<Progress>, _: u64) -> Self {}
}

impl Kept for Written {
    fn appended(segment: &Arc<Segment>, end: u64) -> Self {
        Self(Place::Appended { segment: Arc::clone(segment), end })
    }

    fn counted(progress: &Arc<Progress>, number: u64) -> Self {
        Self(Place::Counted { progress: Arc::clone(progress), number })
    }
}

pub(super) enum Place {
    /// A record that ends here.
    Appended { segment: Arc<Segment>, end: u64 },
    /// The count of this number.
    Counted { progress: Arc<Progress>, number: u64 },
}

impl Written {
    /// Whether it is on disk for certain; `None` while that is not known.
    pub(super) fn is_durable(&self) -> Option<bool> {
        match &self.0 {
            Place::Appended { segment, end } => segment.is_durable(*end),
            Place::Counted { progress, number } => progress.is_durable(*number),
        }
    }
}

impl Writer {
    pub(super) fn new(handle: Arc<Handle>) -> Self {
        Self { handle, current: Mutex::new(Current::default()) }
    }

    /// Appends a record: when this returns, it is in the kernel.
    ///
    /// # Errors
    /// [`JournalError::Full`] or [`JournalError::Io`]: the decision must not be answered.
    pub fn append(&self, record: &RecordRef<'_>) -> Result<(), JournalError> {
        self.append_and_keep(record)
    }

    /// The same, with what its caller keeps of the place.
    pub(super) fn append_and_keep<K: Kept>(&self, record: &RecordRef<'_>) -> Result<K, JournalError> {
        let result = self.try_append(record);
        self.handle.0.note_outcome(&result);
        self.handle.0.decisions.count(record, result.is_ok());
        result
    }

    /// Appends, and where the journal syncs before each answer waits for that.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub async fn append_durably(&self, record: &RecordRef<'_>) -> Result<(), JournalError> {
        if !self.syncs_before_answers() {
            return self.append(record);
        }
        let written = self.append_and_keep(record)?;
        // Boxed: what hardly anybody waits for must not make the future of every verification larger.
        Box::pin(self.handle.0.until_synced(&written)).await
    }

    /// Whether [`Writer::append_durably`] ever waits.
    pub fn syncs_before_answers(&self) -> bool {
        self.handle.0.options.sync_interval.is_zero()
    }

    fn try_append<K: Kept>(&self, record: &RecordRef<'_>) -> Result<K, JournalError> {
        let inner = &self.handle.0;
        let compacted = compact(record);
        let record = compacted.as_ref().unwrap_or(record);
        if compacted.is_some() && inner.only_counts(record) {
            return inner.count(record);
        }
        let mut current = self.current.lock();
        let Current { segment, buffer, room } = &mut *current;
        buffer.clear();
        codec::encode(record, buffer);
        let length = buffer.len() as u64;
        inner.take_room_ahead(room, length)?;
        let kept = self.append_bytes(segment, buffer, record.occurred_at)?;
        *room -= length;
        inner.count_appended(length);
        Ok(kept)
    }

    fn append_bytes<K: Kept>(
        &self,
        current: &mut Option<Arc<Segment>>,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<K, JournalError> {
        let inner = &self.handle.0;
        let fits = |segment: &Segment| segment.written() + bytes.len() as u64 <= inner.segment_bytes;
        // Again and again, as others may seal a segment at any moment; a closed journal makes no more.
        loop {
            if let Some(segment) = current.as_ref().filter(|segment| fits(segment))
                && let Some(end) = segment.append(bytes, now)?
            {
                return Ok(K::appended(segment, end));
            }
            if let Some(full) = current.take() {
                full.seal();
            }
            *current = Some(inner.new_segment(now)?);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let Current { segment, room, .. } = self.current.get_mut();
        if let Some(segment) = segment.take() {
            segment.seal();
        }
        self.handle.0.give_room_back(*room);
    }
}
