//! `keywright pat …`: personal access tokens, one's own, or those of a user.

mod act;
mod create;
mod list;
mod resolve;
mod rotate;
mod scopes;
mod update;

use clap::Subcommand;

use super::failure::Outcome;
use super::session::Session;

/// Where one's own personal tokens live in the API.
const PATH: &str = "/users/me/tokens";

/// Verbs on personal tokens.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Make a token for myself; its secret is printed once
    Create(create::Create),
    /// List my tokens, or those of a user, newest first
    List(list::List),
    /// Show one token
    Show(act::Show),
    /// Change a token of mine: its name, scopes, publishers, expiry, limits, networks, or switch it on or off
    Update(update::Update),
    /// Replace the secret of a token of mine; the old one works on for a grace period
    Rotate(rotate::Rotate),
    /// Revoke a token, for good and at once
    Revoke(act::Revoke),
    /// Revoke all my tokens, or those of a user, at once
    RevokeAll(act::RevokeAll),
    /// Approve a token for the publisher that I act for
    Approve(act::Approve),
    /// How a token of mine was used
    Usage(act::Usage),
    /// What I could grant to a token, publisher by publisher
    Scopes,
    /// Deactivate my expired tokens, and remove those past the audit retention
    Cleanup(act::Cleanup),
}

impl Command {
    /// Does it.
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        match self {
            Self::Create(command) => command.run(session).await,
            Self::List(command) => command.run(session).await,
            Self::Show(command) => command.run(session).await,
            Self::Update(command) => command.run(session).await,
            Self::Rotate(command) => command.run(session).await,
            Self::Revoke(command) => command.run(session).await,
            Self::RevokeAll(command) => command.run(session).await,
            Self::Approve(command) => command.run(session).await,
            Self::Usage(command) => command.run(session).await,
            Self::Scopes => scopes::run(session).await,
            Self::Cleanup(command) => command.run(session).await,
        }
    }
}
