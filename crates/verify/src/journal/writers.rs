//! A writer for each thread.

use std::fmt;
use std::sync::OnceLock;

use super::{Journal, Writer};
use crate::striped::Striped;

/// For those who decide on any thread: each has a writer of its own, made at its first use, so that no two wait for each
/// other.
pub struct Writers {
    journal: Journal,
    own: Striped<OnceLock<Writer>>,
}

impl fmt::Debug for Writers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writers").field("dir", &self.journal.dir()).finish_non_exhaustive()
    }
}

impl Writers {
    /// Writers of this journal, none of which is there yet.
    pub fn new(journal: Journal) -> Self {
        Self { journal, own: Striped::default() }
    }

    /// That of this thread.
    pub fn own(&self) -> &Writer {
        self.own.own().get_or_init(|| self.journal.writer())
    }
}
