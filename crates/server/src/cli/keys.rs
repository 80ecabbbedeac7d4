//! `keywright keys …`: keys that follow from the master key.

use clap::Subcommand;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::output::Output;
use super::settings;

/// Verbs on keys.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Print the audit key, with which `events verify --file` checks an export; a secret, for auditors
    AuditKey,
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self, globals: &Globals, output: &Output) -> Outcome {
        let Self::AuditKey = self;
        let loaded = settings::load(globals, &[], false)?;
        let keys =
            crate::node::keys(settings::require(&loaded)?).map_err(|error| Failure::from_chain(&error))?;
        for key in keys.audit_keys() {
            output.line(&key)?;
        }
        output.note("whoever has it can check exports, and could write one that passes the check");
        Ok(())
    }
}
