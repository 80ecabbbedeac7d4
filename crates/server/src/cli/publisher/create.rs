//! `keywright publisher create`.

use clap::Args;
use serde_json::json;

use super::super::failure::Outcome;
use super::super::session::Session;

/// Make a publisher.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Its name, unique among publishers that are not deleted
    #[arg(long)]
    name: String,
}

impl Create {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let answer = session.create("/publishers", json!({ "name": self.name })).await?;
        session.made(&answer, "name")
    }
}
