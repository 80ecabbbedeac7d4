//! `keywright pat show`, `revoke`, `revoke-all`, `approve`, `usage` and `cleanup`.

use clap::Args;
use keywright_api::analytics::{DEFAULT_DAYS, MAX_DAYS};
use serde_json::json;

use super::super::failure::Outcome;
use super::super::output::text::escape;
use super::super::session::Session;
use super::super::token::analytics;
use super::super::transport::Request;
use super::resolve::{Identifier, Of};

/// Show a personal token.
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    token: Identifier,

    #[command(flatten)]
    of: Of,
}

impl Show {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.token.path(session, &self.of.path(session).await?).await?;
        session.show(&session.ask(&Request::get(path)).await?)
    }
}

/// Revoke a personal token.
#[derive(Args, Debug)]
pub(crate) struct Revoke {
    #[command(flatten)]
    token: Identifier,

    #[command(flatten)]
    of: Of,

    /// Why; it is shown with the token and in the audit trail
    #[arg(long)]
    reason: String,
}

impl Revoke {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.token.path(session, &self.of.path(session).await?).await?;
        session.ask(&Request::delete(path).with("reason", &self.reason)).await?;
        session.output.note(&format!("revoked {}", escape(&self.token.identifier)));
        Ok(())
    }
}

/// Revoke all personal tokens.
#[derive(Args, Debug)]
pub(crate) struct RevokeAll {
    #[command(flatten)]
    of: Of,

    /// Why; it goes into the audit trail
    #[arg(long)]
    reason: String,
}

impl RevokeAll {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = format!("{}/revoke-all", self.of.path(session).await?);
        let request = Request::post(path, json!({"reason": self.reason})).repeatable(true);
        session.show(&session.ask(&request).await?)
    }
}

/// Approve a personal token.
#[derive(Args, Debug)]
pub(crate) struct Approve {
    #[command(flatten)]
    token: Identifier,

    #[command(flatten)]
    of: Of,
}

impl Approve {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.token.path(session, &self.of.path(session).await?).await?;
        let request = Request::post(format!("{path}/approve"), json!({})).repeatable(true);
        session.show(&session.ask(&request).await?)
    }
}

/// How a personal token was used.
#[derive(Args, Debug)]
pub(crate) struct Usage {
    #[command(flatten)]
    token: Identifier,

    /// How many days to look back, today included
    #[arg(long, default_value_t = DEFAULT_DAYS, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DAYS)))]
    days: u32,
}

impl Usage {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.token.path(session, super::PATH).await?;
        let request = Request::get(format!("{path}/usage")).with("days", self.days.to_string());
        analytics::show(session, &session.ask(&request).await?)
    }
}

/// Tidy up expired personal tokens.
#[derive(Args, Debug)]
pub(crate) struct Cleanup {
    /// Remove nothing
    #[arg(long)]
    deactivate_only: bool,
}

impl Cleanup {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let body = json!({"deactivate_only": self.deactivate_only});
        let request = Request::post(format!("{}/cleanup-expired", super::PATH), body).repeatable(true);
        session.show(&session.ask(&request).await?)
    }
}
