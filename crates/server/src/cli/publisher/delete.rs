//! `keywright publisher delete`.

use clap::Args;

use super::super::failure::Outcome;
use super::super::output::text::escape;
use super::super::resolve;
use super::super::session::Session;
use super::super::transport::Request;

/// Delete a publisher.
#[derive(Args, Debug)]
pub(crate) struct Delete {
    /// The publisher's name or id
    #[arg(long, value_name = "NAME|ID")]
    identifier: String,

    /// Why; it goes into the audit trail
    #[arg(long)]
    reason: String,
}

impl Delete {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let id = resolve::publisher(session, &self.identifier).await?;
        session.ask(&Request::delete(format!("/publishers/{id}")).with("reason", &self.reason)).await?;
        session.output.note(&format!("deleted {}", escape(&self.identifier)));
        Ok(())
    }
}
