//! Moving in: tokens, and what was recorded of them, taken over from other systems by the local operator.
//!
//! Rows come in pages. Each page is a transaction with all that belongs to it: tokens, counters, security events,
//! and how far it is. Whoever is killed anywhere goes on from there, and nothing is taken twice
//! (docs/decisions/0027).

mod auth2;
mod candidate;
mod csv;
mod events;
mod names;
mod plan;
mod run;
mod tokens;
mod told;

pub use self::candidate::{Permissions, PermissionsError};
pub use self::csv::{COLUMNS, CsvError, CsvTokens};
pub use self::run::{Auth2Options, CsvOptions, WhichEvents, auth2 as take_auth2, csv as take_csv};
pub use self::told::{
    EventCounts, ImportError, Listener, Outcome, Reason, Refusal, Stage, Summary, TokenCounts, Told,
};

use crate::authority::Authority;

/// Tokens of one transaction, unless fewer are asked for.
pub const MOST_TOKENS: u32 = 5_000;
/// Events of one transaction, unless fewer are asked for.
pub const MOST_EVENTS: u32 = 20_000;

/// An import under way.
struct Import<'a> {
    authority: &'a Authority,
    /// What is taken over, without a password.
    source: &'a str,
    /// Nothing is changed, only told.
    dry_run: bool,
}
