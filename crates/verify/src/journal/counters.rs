//! What the journal counts: decisions by what was going on and how it ended.

use std::sync::atomic::{AtomicU64, Ordering};

use super::record::{EventKind, RecordCode, RecordRef};
use crate::striped::{Striped, count};

const CODES: usize = RecordCode::ALL.len();

/// The decisions of one thread.
#[derive(Debug, Default)]
struct Decisions {
    counts: [[AtomicU64; CODES]; EventKind::ALL.len()],
    unrecorded: AtomicU64,
}

/// The decisions of a journal since it was opened.
#[derive(Debug, Default)]
pub(super) struct DecisionCounters(Striped<Decisions>);

/// How many decisions there were since the journal was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecisionCounts {
    /// Recorded ones, for every kind and code.
    pub recorded: Vec<(EventKind, RecordCode, u64)>,
    /// Those that could not be recorded, and so were not answered.
    pub unrecorded: u64,
}

impl DecisionCounters {
    /// A decision was recorded, or not.
    pub(super) fn count(&self, record: &RecordRef<'_>, recorded: bool) {
        let own = self.0.own();
        if recorded {
            count(&own.counts[record.kind as usize][record.code as usize]);
        } else {
            count(&own.unrecorded);
        }
    }

    pub(super) fn read(&self) -> DecisionCounts {
        let mut recorded = Vec::with_capacity(CODES * EventKind::ALL.len());
        for kind in EventKind::ALL {
            for code in RecordCode::ALL {
                let sum = self.0.sum(|own| &own.counts[kind as usize][*code as usize]);
                recorded.push((kind, *code, sum));
            }
        }
        let unrecorded = self.0.all().map(|own| own.unrecorded.load(Ordering::Relaxed)).sum();
        DecisionCounts { recorded, unrecorded }
    }
}
