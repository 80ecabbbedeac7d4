//! The hot path: from a presented token to a recorded decision (`docs` and ARCHITECTURE.md tell the path).
//!
//! A hit asks the store nothing, a miss asks it once, and no cached answer outlives the change that
//! made it wrong. There is no SQL here and no HTTP: the store is reached through [`GrantSource`] and
//! [`EventSink`].

pub mod breaker;
pub mod cache;
pub mod changes;
pub mod clock;
pub mod flight;
pub mod freshness;
pub mod gate;
pub mod journal;
pub mod jwt;
pub mod limiter;
pub mod places;
mod shared;
pub mod source;
pub mod stamps;
pub mod striped;
pub mod tokens;
pub mod verifier;

pub use changes::{Change, Changes, Mark};
pub use clock::Clock;
pub use freshness::Freshness;
pub use journal::record::{DecisionRecord, EventKind, RecordCode, RecordRef};
pub use journal::{Journal, JournalError, JournalOptions};
pub use limiter::{LimitState, Limiter, LimiterStatus, Taken};
pub use places::{Place, Places, PlacesStatus};
pub use source::{
    AcceptedKey, AcceptedKeys, Appended, EventSink, GrantSource, KeySource, Loaded, Piece, Reject,
    SourceError,
};
pub use stamps::Stamps;
pub use tokens::{Read, Tokens, Unread};
pub use verifier::{Known, Lookup, VerifiedToken, Verifier, VerifierOptions, VerifierStatistics};
