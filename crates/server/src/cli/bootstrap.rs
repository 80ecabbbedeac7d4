//! `keywright bootstrap`: the first credential of a new authority.

use clap::Args;
use keywright_core::EmailAddress;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::output::Output;
use super::settings;

/// Make the first token, with all permissions.
#[derive(Args, Debug)]
pub(crate) struct Bootstrap {
    /// E-mail address of whoever answers for it
    #[arg(long)]
    email: String,
}

impl Bootstrap {
    /// Prints the token: alone on standard output, so that a script can take it.
    pub(crate) async fn run(&self, globals: &Globals, output: &Output) -> Outcome {
        if let Err(error) = EmailAddress::parse(&self.email) {
            return Err(Failure::Usage(format!("--email: {error}")));
        }
        let loaded = settings::load(globals, &[], false)?;
        settings::require(&loaded)?;
        let made = crate::admin::bootstrap(&loaded, &self.email)
            .await
            .map_err(|error| Failure::from_chain(&error))?;
        if output.json {
            return output.value(&made);
        }
        output.note(&format!("made the first token ({}); it may do everything", made.credential_id));
        output.note("this is the only time that its secret is shown:");
        output.line(made.token.expose())
    }
}
