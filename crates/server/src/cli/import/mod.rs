//! `keywright import …`: moving in from other systems.

mod auth2;
mod csv;
mod report;

use clap::Subcommand;

use super::failure::Outcome;
use super::globals::Globals;
use super::output::Output;
use super::settings;

/// Verbs of moving in.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Take over the tokens and events of an AUTH-2 database; again, what changed there since
    Auth2(auth2::Auth2),
    /// Take over tokens from a file, by their SHA-256
    Csv(csv::Csv),
}

impl Command {
    /// Does it.
    pub(crate) async fn run(&self, globals: &Globals, output: &Output) -> Outcome {
        let loaded = settings::load(globals, &[], false)?;
        settings::require(&loaded)?;
        match self {
            Self::Auth2(auth2) => auth2.run(&loaded, output).await,
            Self::Csv(csv) => csv.run(&loaded, output).await,
        }
    }
}
