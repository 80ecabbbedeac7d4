//! `keywright alert show`, `acknowledge` and `resolve`.

use clap::Args;
use serde_json::json;

use super::super::failure::Outcome;
use super::super::session::Session;
use super::super::transport::Request;
use super::Identifier;

/// Show one alert.
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    alert: Identifier,
}

impl Show {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        session.show(&session.ask(&Request::get(self.alert.path())).await?)
    }
}

/// Say that somebody knows.
#[derive(Args, Debug)]
pub(crate) struct Acknowledge {
    #[command(flatten)]
    alert: Identifier,

    /// What is being done; it goes into the audit trail
    #[arg(long)]
    reason: Option<String>,
}

/// Say that it is over.
#[derive(Args, Debug)]
pub(crate) struct Resolve {
    #[command(flatten)]
    alert: Identifier,

    /// Why; it is shown with the alert and in the audit trail
    #[arg(long)]
    reason: Option<String>,
}

impl Acknowledge {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        say(session, &self.alert, "acknowledge", self.reason.as_ref()).await
    }
}

impl Resolve {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        say(session, &self.alert, "resolve", self.reason.as_ref()).await
    }
}

async fn say(session: &Session<'_>, alert: &Identifier, verb: &str, reason: Option<&String>) -> Outcome {
    let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
    session.show(&session.ask(&Request::post(format!("{}/{verb}", alert.path()), body)).await?)
}
