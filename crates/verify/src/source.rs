//! What the hot path asks of the store.

use std::future::Future;

use keywright_core::id::SegmentId;
use keywright_core::{Epochs, Grant, NodeId, TokenHash};

use crate::journal::record::DecisionRecord;

/// A grant as the store had it, with the epochs in force at that moment.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The snapshot.
    pub grant: Grant,
    /// Read by the same query, so that a node never knows an older epoch than its newest grant.
    pub epochs: Epochs,
}

/// Why the store gave no answer. Never to be told as a fault of the credential.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be reached, did not answer in time, or has no connection to spare.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// It answered with a fault.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Where grants come from on a miss.
pub trait GrantSource: Send + Sync + 'static {
    /// The grant behind a hash, by one query; `None` when there is no such credential.
    fn load(&self, hash: TokenHash) -> impl Future<Output = Result<Option<Loaded>, SourceError>> + Send;
}

/// What became of a batch of journal records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// Stored; the segment's position is what was asked for.
    Done,
    /// The segment's position was another than expected: nothing was stored.
    Elsewhere {
        /// Where it is.
        position: u64,
    },
}

/// Where the journal's records go.
pub trait EventSink: Send + Sync + 'static {
    /// Stores a batch and moves the segment's position from `from` to `to`, in one transaction that
    /// begins with the compare-and-set of that position: a batch is stored once, however often it is
    /// tried.
    fn append(
        &self,
        node: NodeId,
        segment: SegmentId,
        from: u64,
        to: u64,
        events: Vec<DecisionRecord>,
    ) -> impl Future<Output = Result<Appended, SourceError>> + Send;

    /// How far the segment has been stored, in bytes of its file; 0 for an unknown one.
    fn position(&self, segment: SegmentId) -> impl Future<Output = Result<u64, SourceError>> + Send;

    /// Forgets the position of a segment whose file is gone.
    fn forget(&self, segment: SegmentId) -> impl Future<Output = Result<(), SourceError>> + Send;
}
