//! `keywright publisher …`: the tenants.

mod create;
mod delete;
mod list;
mod member;
mod settings;
mod show;
mod suspend;
mod update;

use clap::Subcommand;

use super::failure::Outcome;
use super::session::Session;

/// Verbs on publishers.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Make a publisher; its id is printed
    Create(create::Create),
    /// List publishers, newest first
    List(list::List),
    /// Show one publisher
    Show(show::Show),
    /// Change a publisher's name
    Update(update::Update),
    /// Suspend a publisher: nobody acts for it until it is resumed
    Suspend(suspend::Suspend),
    /// End a suspension
    Resume(suspend::Resume),
    /// Delete a publisher: its members lose it at once
    Delete(delete::Delete),
    /// Show what a publisher sets for itself, or change it
    Settings(settings::Settings),
    /// Members: add, list, set-role, remove
    Member {
        #[command(subcommand)]
        verb: member::Command,
    },
}

impl Command {
    /// Does it.
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        match self {
            Self::Create(command) => command.run(session).await,
            Self::List(command) => command.run(session).await,
            Self::Show(command) => command.run(session).await,
            Self::Update(command) => command.run(session).await,
            Self::Suspend(command) => command.run(session).await,
            Self::Resume(command) => command.run(session).await,
            Self::Delete(command) => command.run(session).await,
            Self::Settings(command) => command.run(session).await,
            Self::Member { verb } => verb.run(session).await,
        }
    }
}
