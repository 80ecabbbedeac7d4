//! Usage: roll-ups of decisions, kept in the transaction that stores the events, so that counters and
//! rows never differ.

pub(crate) mod accounts;
mod labels;
pub(crate) mod read;
mod record;
pub(crate) mod retention;
mod tally;

use uuid::Uuid;

pub use accounts::{hours_of_account, tokens_of_account};
pub(crate) use labels::Labels;
#[cfg(test)]
pub(crate) use labels::STATEMENTS as LABEL_STATEMENTS;
pub use read::{
    CredentialCount, GroupCount, HourCount, PlaceCount, SourceCount, days, failing_addresses, first_use,
    groups, hours, most_used, places, sources,
};
pub(crate) use record::record;
pub use retention::{Rollup, delete_slice};
pub(crate) use tally::Tally;

/// Stands for the credentials of decisions about none that is known.
pub const UNKNOWN: Uuid = Uuid::nil();
/// Stands for all credentials together.
pub const ALL: Uuid = Uuid::max();
/// Labels of one kind for one credential and day; what goes beyond is counted under
/// [`keywright_core::usage::OTHER`].
pub const MAX_SOURCES: usize = 200;
/// The kind of a source: a client's address.
pub const ADDRESS: &str = "address";
/// The kind of a source: a client's user agent.
pub const USER_AGENT: &str = "user_agent";
/// The kind of a source: the country of a client's address.
pub const COUNTRY: &str = "country";
/// The kind of a source: the network of a client's address.
pub const NETWORK: &str = "network";
