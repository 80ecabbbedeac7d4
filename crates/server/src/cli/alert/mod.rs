//! `keywright alert …`: what somebody should look at.

mod act;
mod list;

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::failure::Outcome;
use super::session::Session;

/// Where alerts live in the API.
const PATH: &str = "/alerts";

/// Which alert.
#[derive(Args, Debug)]
struct Identifier {
    /// The alert's id
    #[arg(long, value_name = "ID")]
    identifier: Uuid,
}

impl Identifier {
    /// The alert's path in the API.
    fn path(&self) -> String {
        format!("{PATH}/{}", self.identifier)
    }
}

/// Verbs on alerts.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List alerts, newest first
    List(list::List),
    /// Show one alert, with its evidence
    Show(act::Show),
    /// Say that somebody knows
    Acknowledge(act::Acknowledge),
    /// Say that it is over
    Resolve(act::Resolve),
}

impl Command {
    /// Does it.
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        match self {
            Self::List(command) => command.run(session).await,
            Self::Show(command) => command.run(session).await,
            Self::Acknowledge(command) => command.run(session).await,
            Self::Resolve(command) => command.run(session).await,
        }
    }
}
