//! `keywright serve`.

use clap::Args;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::output::Output;
use super::settings;

/// Run the server.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// For an empty machine: makes a master key beside the database and prints a first token
    #[arg(long)]
    dev: bool,

    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,

    /// Where the store is; one with a password belongs into `DATABASE_URL`
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

impl Serve {
    /// Runs until the server is asked to stop.
    pub(crate) fn run(&self, globals: &Globals, output: &Output) -> Outcome {
        let flags =
            [("server.listen", self.listen.as_deref()), ("database.url", self.database_url.as_deref())];
        let loaded = settings::load(globals, &flags, self.dev)?;
        settings::require(&loaded)?;
        settings::tell_warnings(&loaded, output);
        crate::serve::run(&loaded, self.dev).map_err(|error| Failure::from_chain(&error))
    }
}
