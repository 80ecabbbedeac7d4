//! `keywright user …`: people.

mod act;
mod create;
mod invite;
mod list;
mod resolve;
mod update;

use clap::Subcommand;

use super::failure::Outcome;
use super::session::Session;

/// Where users live in the API.
const PATH: &str = "/users";

/// Verbs on users.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Invite somebody to a publisher or to the platform; who has not accepted yet is invited again by `remind`
    Invite(invite::Invite),
    /// Make a user with a password from standard input, on the machine of the server alone
    Create(create::Create),
    /// Send an invitation again; the link in the older one is void
    Remind(invite::Remind),
    /// List users, newest first
    List(list::List),
    /// Show one user
    Show(act::Show),
    /// Change a user's name, address, or role of the platform
    Update(update::Update),
    /// Lock a user out, at once
    Disable(act::Disable),
    /// Let a user in again
    Enable(act::Enable),
    /// Delete a user: the person is erased, the id stays in what was recorded
    Delete(act::Delete),
}

impl Command {
    /// Does it.
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        match self {
            Self::Invite(command) => command.run(session).await,
            Self::Create(command) => command.run(session).await,
            Self::Remind(command) => command.run(session).await,
            Self::List(command) => command.run(session).await,
            Self::Show(command) => command.run(session).await,
            Self::Update(command) => command.run(session).await,
            Self::Disable(command) => command.run(session).await,
            Self::Enable(command) => command.run(session).await,
            Self::Delete(command) => command.run(session).await,
        }
    }
}
