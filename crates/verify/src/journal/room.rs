//! Room: what the files of a journal may come to, and who has taken how much of it.

use std::sync::atomic::Ordering;

use super::{Inner, JournalError};

/// A writer takes room for so small a part of a segment at once.
const ROOMS_OF_A_SEGMENT: u64 = 256;

impl Inner {
    /// Sees to it that a writer has `room` for so many bytes, before they are written: what counts as held is never less
    /// than what is. It takes more than it needs where there is more: all writers meet at the one number that bounds them,
    /// and with each record they would wait for each other there.
    ///
    /// # Errors
    /// [`JournalError::Full`]; what the writer has is as it was.
    pub(super) fn take_room_ahead(&self, room: &mut u64, length: u64) -> Result<(), JournalError> {
        if *room < length {
            let lacking = length - *room;
            let ahead = lacking.max(self.segment_bytes / ROOMS_OF_A_SEGMENT);
            let taken = self.take_room(ahead).map(|()| ahead);
            *room += taken.or_else(|_| self.take_room(lacking).map(|()| lacking))?;
        }
        Ok(())
    }

    /// Takes room for so many bytes, before they are written.
    ///
    /// # Errors
    /// [`JournalError::Full`]; nothing is taken then.
    pub(super) fn take_room(&self, length: u64) -> Result<(), JournalError> {
        let held = self.bytes.fetch_add(length, Ordering::Relaxed);
        if held + length > self.options.max_bytes {
            self.give_room_back(length);
            return Err(JournalError::Full { held, max: self.options.max_bytes });
        }
        Ok(())
    }

    /// Gives back what was taken and is not needed any more.
    pub(super) fn give_room_back(&self, length: u64) {
        self.bytes.fetch_sub(length, Ordering::Relaxed);
    }

    /// Whether room is getting short, here or on the disk: then a segment that is moved whole goes, though
    /// its writer has not filled it, and perhaps never will.
    pub(crate) fn is_crowded(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
            || self.bytes.load(Ordering::Relaxed) > self.options.max_bytes / 2
    }
}
