//! `keywright role delete`.

use clap::Args;

use super::super::failure::Outcome;
use super::super::output::text::escape;
use super::super::session::Session;
use super::super::transport::Request;
use super::Identifier;

/// Delete a role.
#[derive(Args, Debug)]
pub(crate) struct Delete {
    #[command(flatten)]
    role: Identifier,

    /// Why; it goes into the audit trail
    #[arg(long)]
    reason: Option<String>,
}

impl Delete {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.role.path(session).await?;
        session.ask(&Request::delete(path).with_some("reason", self.reason.as_ref())).await?;
        session.output.note(&format!("deleted {}", escape(&self.role.identifier)));
        Ok(())
    }
}
