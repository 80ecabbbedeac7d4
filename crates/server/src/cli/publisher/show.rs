//! `keywright publisher show`.

use clap::Args;

use super::super::failure::Outcome;
use super::super::resolve;
use super::super::session::Session;
use super::super::transport::Request;

/// Show one publisher.
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// The publisher's name or id
    #[arg(long, value_name = "NAME|ID")]
    identifier: String,
}

impl Show {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let id = resolve::publisher(session, &self.identifier).await?;
        session.show(&session.ask(&Request::get(format!("/publishers/{id}"))).await?)
    }
}
