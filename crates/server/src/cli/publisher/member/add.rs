//! `keywright publisher member add`.

use clap::Args;
use serde_json::json;

use super::super::super::failure::Outcome;
use super::super::super::resolve::{self, PublisherArg};
use super::super::super::session::Session;

/// Add a member.
#[derive(Args, Debug)]
pub(crate) struct Add {
    #[command(flatten)]
    publisher: PublisherArg,

    /// The user's id
    #[arg(long, value_name = "ID")]
    user: String,

    /// The role's name or id
    #[arg(long, value_name = "NAME|ID")]
    role: String,
}

impl Add {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let publisher = resolve::publisher(session, &self.publisher.publisher).await?;
        let role = resolve::role(session, Some(publisher), &self.role).await?;
        let body = json!({ "user_id": self.user, "role_id": role });
        session.show(&session.create(format!("/publishers/{publisher}/members"), body).await?)
    }
}
