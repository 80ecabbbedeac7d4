//! `keywright publisher member remove`.

use clap::Args;

use super::super::super::failure::Outcome;
use super::super::super::output::text::escape;
use super::super::super::resolve::{self, PublisherArg};
use super::super::super::session::Session;
use super::super::super::transport::Request;

/// Remove a member.
#[derive(Args, Debug)]
pub(crate) struct Remove {
    #[command(flatten)]
    publisher: PublisherArg,

    /// The member's address or id
    #[arg(long, value_name = "EMAIL|ID")]
    user: String,

    /// Why; it goes into the audit trail
    #[arg(long)]
    reason: Option<String>,
}

impl Remove {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let publisher = resolve::publisher(session, &self.publisher.publisher).await?;
        let user = resolve::member(session, publisher, &self.user).await?;
        let request = Request::delete(format!("/publishers/{publisher}/members/{user}"));
        session.ask(&request.with_some("reason", self.reason.as_ref())).await?;
        session.output.note(&format!("removed {}", escape(&self.user)));
        Ok(())
    }
}
