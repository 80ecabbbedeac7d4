//! `keywright events …`: the audit trail, and the record of every decision.

mod export;
mod file;
mod filter;
mod list;
mod tail;
mod verify;

use clap::Subcommand;

use super::failure::Outcome;
use super::session::Session;

pub(crate) use verify::Verify;

/// Verbs on events.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List events: who changed what, or who used what
    List(list::List),
    /// Print the newest events, and with --follow every one that comes
    Tail(tail::Tail),
    /// Write all events that match to a file or to standard output
    Export(export::Export),
    /// Check that no sealed security event was altered, removed, moved or cut off
    Verify(Verify),
}

impl Command {
    /// Does it.
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        match self {
            Self::List(command) => command.run(session).await,
            Self::Tail(command) => command.run(session).await,
            Self::Export(command) => command.run(session).await,
            Self::Verify(command) => command.run(session).await,
        }
    }
}
