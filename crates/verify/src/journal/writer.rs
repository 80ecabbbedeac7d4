//! Writers: each worker appends to a segment of its own.

use std::sync::Arc;

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
}

/// What was recorded; to wait until it is on disk.
pub struct Written(pub(super) Place);

pub(super) enum Place {
    /// A record that ends here.
    Appended { segment: Arc<Segment>, end: u64 },
    /// The count of this number.
    Counted { progress: Arc<Progress>, number: u64 },
}

impl Written {
    pub(super) fn counted(progress: Arc<Progress>, number: u64) -> Self {
        Self(Place::Counted { progress, number })
    }

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
    pub fn append(&self, record: &RecordRef<'_>) -> Result<Written, JournalError> {
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
        let written = self.append(record)?;
        if !self.syncs_before_answers() {
            return Ok(());
        }
        // Boxed: what hardly anybody waits for must not make the future of every verification larger.
        Box::pin(self.handle.0.until_synced(&written)).await
    }

    /// Whether [`Writer::append_durably`] ever waits.
    pub fn syncs_before_answers(&self) -> bool {
        self.handle.0.options.sync_interval.is_zero()
    }

    fn try_append(&self, record: &RecordRef<'_>) -> Result<Written, JournalError> {
        let inner = &self.handle.0;
        let compacted = compact(record);
        let record = compacted.as_ref().unwrap_or(record);
        if compacted.is_some() && inner.only_counts(record) {
            return inner.count(record);
        }
        let mut current = self.current.lock();
        let Current { segment, buffer } = &mut *current;
        buffer.clear();
        codec::encode(record, buffer);
        let length = buffer.len() as u64;
        inner.take_room(length)?;
        let written = self.append_bytes(segment, buffer, record);
        match written {
            Ok(_) => inner.count_appended(length),
            Err(_) => inner.give_room_back(length),
        }
        written
    }

    fn append_bytes(
        &self,
        current: &mut Option<Arc<Segment>>,
        bytes: &[u8],
        record: &RecordRef<'_>,
    ) -> Result<Written, JournalError> {
        let inner = &self.handle.0;
        let fits = |segment: &Segment| segment.written() + bytes.len() as u64 <= inner.segment_bytes;
        // Again and again, as others may seal a segment at any moment; a closed journal makes no more.
        loop {
            if let Some(segment) = current.as_ref().filter(|segment| fits(segment))
                && let Some(end) = segment.append(bytes, record.occurred_at)?
            {
                return Ok(Written(Place::Appended { segment: Arc::clone(segment), end }));
            }
            if let Some(full) = current.take() {
                full.seal();
            }
            *current = Some(inner.new_segment(record.occurred_at)?);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(segment) = self.current.get_mut().segment.take() {
            segment.seal();
        }
    }
}
