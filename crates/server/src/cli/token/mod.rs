//! `keywright token …`: service tokens.

pub(crate) mod analytics;
mod blast_radius;
mod cleanup;
mod create;
pub(crate) mod fields;
pub(crate) mod list;
mod resolve;
mod revoke;
mod rotate;
mod show;
mod update;

use clap::Subcommand;

pub(crate) use self::resolve::id;

use super::failure::Outcome;
use super::session::Session;

/// Where service tokens live in the API.
const PATH: &str = "/auth/tokens";

/// Verbs on service tokens.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Make a token; its secret is printed once
    Create(create::Create),
    /// List tokens, newest first
    List(list::List),
    /// Show one token
    Show(show::Show),
    /// Change a token's name, permissions, expiry, metadata, or switch it on or off
    Update(update::Update),
    /// Replace a token's secret; the old one works on for a grace period
    Rotate(rotate::Rotate),
    /// Revoke a token, for good and at once
    Revoke(revoke::Revoke),
    /// How a token was used, or all of them
    Analytics(analytics::Analytics),
    /// What a token could do, and did: what to look through after a leak
    BlastRadius(blast_radius::BlastRadius),
    /// Deactivate expired tokens, and remove those past the audit retention
    Cleanup(cleanup::Cleanup),
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
            Self::Analytics(command) => command.run(session).await,
            Self::BlastRadius(command) => command.run(session).await,
            Self::Cleanup(command) => command.run(session).await,
        }
    }
}
