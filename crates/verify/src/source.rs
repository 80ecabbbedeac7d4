//! What the hot path asks of the store.

use std::future::Future;

use keywright_core::id::SegmentId;
use keywright_core::{Epochs, Grant, NodeId, Timestamp, TokenHash, Wanted};

use crate::journal::record::DecisionRecord;
use crate::jwt::PublicKey;

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
    /// It will not take what it was given, however often it is tried: a value that it cannot keep, a
    /// row that is there already.
    #[error("the store refuses the data: {0}")]
    Refused(String),
}

/// What [`GrantSource::load_tokens`] gives: for each hash, in their order.
pub type LoadedTokens = Result<Vec<Option<Loaded>>, SourceError>;

/// Where grants come from on a miss.
pub trait GrantSource: Send + Sync + 'static {
    /// How many service tokens one question may be about: more than one where asking costs more than
    /// answering does.
    fn tokens_at_once(&self) -> usize {
        1
    }

    /// The grants behind these hashes, asked about for no publisher: one query, at most
    /// [`GrantSource::tokens_at_once`] of them.
    fn load_tokens(&self, hashes: &[TokenHash]) -> impl Future<Output = LoadedTokens> + Send {
        async move {
            let mut loaded = Vec::with_capacity(hashes.len());
            for hash in hashes {
                loaded.push(self.load(&Wanted::token(*hash)).await?);
            }
            Ok(loaded)
        }
    }

    /// The grant that is wanted, by one query; `None` when there is no such credential.
    fn load(&self, wanted: &Wanted) -> impl Future<Output = Result<Option<Loaded>, SourceError>> + Send;
}

/// A key of our own by which access tokens are verified.
#[derive(Debug)]
pub struct AcceptedKey {
    /// The public half; its `kid` is the id of the key.
    pub key: PublicKey,
    /// Until when what it signed is accepted; `None` while it may sign.
    pub accepted_until: Option<Timestamp>,
}

/// The keys of our own that are accepted.
#[derive(Debug, Default)]
pub struct AcceptedKeys {
    /// [`Epochs::keys`], read no later than the keys.
    pub version: u64,
    /// The keys.
    pub keys: Vec<AcceptedKey>,
}

/// Where the keys come from by which our own access tokens are verified.
pub trait KeySource: Send + Sync + 'static {
    /// All that are accepted now.
    fn load_keys(&self) -> impl Future<Output = Result<AcceptedKeys, SourceError>> + Send;
}

/// What lies between two positions of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The boot that wrote the segment.
    pub node: NodeId,
    /// The segment.
    pub segment: SegmentId,
    /// The position that the store is expected to have; 0 of a segment that it does not know.
    pub from: u64,
    /// The position after it.
    pub to: u64,
    /// The records between the two.
    pub records: Vec<DecisionRecord>,
}

/// A record that the store refuses, as it stands in its segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The boot that wrote the segment.
    pub node: NodeId,
    /// The segment.
    pub segment: SegmentId,
    /// Where it begins.
    pub from: u64,
    /// Where it ends.
    pub to: u64,
    /// Its payload.
    pub raw: Vec<u8>,
    /// What the store said of it.
    pub reason: String,
    /// When it said so.
    pub rejected_at: Timestamp,
}

/// What became of a batch of journal records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// Stored; the positions are what was asked for.
    Done,
    /// The position of a segment was another than expected: nothing was stored.
    Elsewhere {
        /// The segment.
        segment: SegmentId,
        /// Where it is.
        position: u64,
    },
}

/// Where the journal's records go.
pub trait EventSink: Send + Sync + 'static {
    /// Stores pieces of different segments and moves the position of each, in one transaction that
    /// begins with the compare-and-set of those positions: a piece is stored once, however often it
    /// is tried.
    fn append(&self, pieces: &[Piece]) -> impl Future<Output = Result<Appended, SourceError>> + Send;

    /// How many calls of [`EventSink::append`] may be under way at once, each with other segments, when much waits.
    fn at_once(&self) -> usize {
        1
    }

    /// Keeps a refused record raw and moves its segment's position past it, in one transaction.
    fn reject(&self, reject: &Reject) -> impl Future<Output = Result<Appended, SourceError>> + Send;

    /// How far the segment has been stored, in bytes of its file; 0 for an unknown one.
    fn position(&self, segment: SegmentId) -> impl Future<Output = Result<u64, SourceError>> + Send;

    /// Forgets the position of a segment whose file is gone.
    fn forget(&self, segment: SegmentId) -> impl Future<Output = Result<(), SourceError>> + Send;
}
