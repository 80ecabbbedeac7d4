//! `keywright account show`, `disable`, `enable` and `delete`.

use clap::Args;
use serde_json::json;

use super::super::failure::Outcome;
use super::super::output::text::escape;
use super::super::session::Session;
use super::super::transport::Request;
use super::Identifier;

/// Show one account.
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    account: Identifier,
}

impl Show {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let answer = session.ask(&Request::get(self.account.path(session).await?)).await?;
        session.show(&answer)
    }
}

/// Switch an account off.
#[derive(Args, Debug)]
pub(crate) struct Disable {
    #[command(flatten)]
    account: Identifier,

    /// Why; it is shown with the account and in the audit trail
    #[arg(long)]
    reason: Option<String>,
}

impl Disable {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.account.path(session).await?;
        let body = self.reason.as_ref().map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
        let answer = session.ask(&Request::post(format!("{path}/disable"), body)).await?;
        session.show(&answer)
    }
}

/// Switch an account on again.
#[derive(Args, Debug)]
pub(crate) struct Enable {
    #[command(flatten)]
    account: Identifier,
}

impl Enable {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.account.path(session).await?;
        let answer = session.ask(&Request::post(format!("{path}/enable"), json!({}))).await?;
        session.show(&answer)
    }
}

/// Delete an account.
#[derive(Args, Debug)]
pub(crate) struct Delete {
    #[command(flatten)]
    account: Identifier,

    /// Why; it goes into the audit trail
    #[arg(long)]
    reason: Option<String>,
}

impl Delete {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.account.path(session).await?;
        let answer = session.ask(&Request::delete(path).with_some("reason", self.reason.as_ref())).await?;
        if session.output.json {
            return session.output.answer(&answer);
        }
        session.output.note(&format!("deleted {}", escape(&self.account.identifier)));
        Ok(())
    }
}
