//! `keywright publisher update`.

use clap::Args;
use serde_json::json;

use super::super::failure::Outcome;
use super::super::resolve;
use super::super::session::Session;
use super::super::transport::Request;

/// Change a publisher.
#[derive(Args, Debug)]
pub(crate) struct Update {
    /// The publisher's name or id
    #[arg(long, value_name = "NAME|ID")]
    identifier: String,

    /// A new name
    #[arg(long)]
    name: String,
}

impl Update {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let id = resolve::publisher(session, &self.identifier).await?;
        let change = Request::patch(format!("/publishers/{id}"), json!({ "name": self.name }));
        session.show(&session.ask(&change).await?)
    }
}
