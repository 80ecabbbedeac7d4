//! `keywright publisher member set-role`.

use clap::Args;
use serde_json::json;

use super::super::super::failure::Outcome;
use super::super::super::resolve::{self, PublisherArg};
use super::super::super::session::Session;
use super::super::super::transport::Request;

/// Give a member another role.
#[derive(Args, Debug)]
pub(crate) struct SetRole {
    #[command(flatten)]
    publisher: PublisherArg,

    /// The member's address or id
    #[arg(long, value_name = "EMAIL|ID")]
    user: String,

    /// The role's name or id
    #[arg(long, value_name = "NAME|ID")]
    role: String,
}

impl SetRole {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let publisher = resolve::publisher(session, &self.publisher.publisher).await?;
        let user = resolve::member(session, publisher, &self.user).await?;
        let role = resolve::role(session, Some(publisher), &self.role).await?;
        let path = format!("/publishers/{publisher}/members/{user}");
        session.show(&session.ask(&Request::patch(path, json!({ "role_id": role }))).await?)
    }
}
