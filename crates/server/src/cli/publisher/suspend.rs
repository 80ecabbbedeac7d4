//! `keywright publisher suspend` and `keywright publisher resume`.

use clap::Args;
use serde_json::json;

use super::super::failure::Outcome;
use super::super::resolve;
use super::super::session::Session;
use super::super::transport::Request;

/// Suspend a publisher.
#[derive(Args, Debug)]
pub(crate) struct Suspend {
    /// The publisher's name or id
    #[arg(long, value_name = "NAME|ID")]
    identifier: String,

    /// Why; it is shown with the publisher and in the audit trail
    #[arg(long)]
    reason: String,
}

impl Suspend {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        act(session, &self.identifier, "suspend", Some(&self.reason)).await
    }
}

/// Resume a publisher.
#[derive(Args, Debug)]
pub(crate) struct Resume {
    /// The publisher's name or id
    #[arg(long, value_name = "NAME|ID")]
    identifier: String,

    /// Why; it goes into the audit trail
    #[arg(long)]
    reason: Option<String>,
}

impl Resume {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        act(session, &self.identifier, "resume", self.reason.as_deref()).await
    }
}

async fn act(session: &Session<'_>, identifier: &str, verb: &str, reason: Option<&str>) -> Outcome {
    let id = resolve::publisher(session, identifier).await?;
    let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
    let request = Request::post(format!("/publishers/{id}/{verb}"), body).repeatable(true);
    session.show(&session.ask(&request).await?)
}
