//! `keywright publisher member …`: who belongs to a publisher.

mod add;
mod list;
mod remove;
mod set_role;

use clap::Subcommand;

use super::super::failure::Outcome;
use super::super::session::Session;

/// Verbs on members.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Add a user to a publisher
    Add(add::Add),
    /// List members, those who joined last first
    List(list::List),
    /// Give a member another role, in force at once
    SetRole(set_role::SetRole),
    /// Remove a member, who loses the publisher at once
    Remove(remove::Remove),
}

impl Command {
    /// Does it.
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        match self {
            Self::Add(command) => command.run(session).await,
            Self::List(command) => command.run(session).await,
            Self::SetRole(command) => command.run(session).await,
            Self::Remove(command) => command.run(session).await,
        }
    }
}
