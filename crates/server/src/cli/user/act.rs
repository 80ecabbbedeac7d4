//! `keywright user show`, `disable`, `enable` and `delete`.

use clap::Args;
use serde_json::json;

use super::super::failure::Outcome;
use super::super::output::text::escape;
use super::super::session::Session;
use super::super::transport::Request;
use super::resolve::Identifier;

/// Show one user.
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    user: Identifier,
}

impl Show {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let answer = session.ask(&Request::get(self.user.path(session).await?)).await?;
        session.show(&answer)
    }
}

/// Lock a user out.
#[derive(Args, Debug)]
pub(crate) struct Disable {
    #[command(flatten)]
    user: Identifier,

    /// Why; it is shown with the user and in the audit trail
    #[arg(long)]
    reason: Option<String>,
}

impl Disable {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.user.path(session).await?;
        let body = self.reason.as_ref().map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
        let answer = session.ask(&Request::post(format!("{path}/disable"), body)).await?;
        session.show(&answer)
    }
}

/// Let a user in again.
#[derive(Args, Debug)]
pub(crate) struct Enable {
    #[command(flatten)]
    user: Identifier,
}

impl Enable {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.user.path(session).await?;
        let answer = session.ask(&Request::post(format!("{path}/enable"), json!({}))).await?;
        session.show(&answer)
    }
}

/// Delete a user.
#[derive(Args, Debug)]
pub(crate) struct Delete {
    #[command(flatten)]
    user: Identifier,

    /// Why; it goes into the audit trail
    #[arg(long)]
    reason: Option<String>,
}

impl Delete {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.user.path(session).await?;
        let answer = session.ask(&Request::delete(path).with_some("reason", self.reason.as_ref())).await?;
        if session.output.json {
            return session.output.answer(&answer);
        }
        session.output.note(&format!("deleted {}", escape(&self.user.identifier)));
        Ok(())
    }
}
