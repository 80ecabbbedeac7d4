//! `keywright role show`.

use clap::Args;

use super::super::failure::Outcome;
use super::super::session::Session;
use super::super::transport::Request;
use super::Identifier;

/// Show one role.
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    role: Identifier,
}

impl Show {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.role.path(session).await?;
        session.show(&session.ask(&Request::get(path)).await?)
    }
}
