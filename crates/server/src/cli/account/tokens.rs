//! `keywright account tokens`, `rotate-tokens` and `revoke-tokens`.

use clap::Args;
use serde_json::{Map, Value, json};

use super::super::duration::Seconds;
use super::super::failure::{Failure, Outcome};
use super::super::output::details::text;
use super::super::output::text::{counted, escape};
use super::super::paging::Paging;
use super::super::session::Session;
use super::super::token::list::table;
use super::super::transport::Request;
use super::Identifier;

/// List the tokens of an account.
#[derive(Args, Debug)]
pub(crate) struct Tokens {
    #[command(flatten)]
    account: Identifier,

    /// Only tokens in this state: active, superseded, inactive, expired, revoked
    #[arg(long)]
    status: Option<String>,

    /// Only live tokens that expire within so many days
    #[arg(long, value_name = "DAYS")]
    expiring_within_days: Option<u32>,

    #[command(flatten)]
    paging: Paging,
}

impl Tokens {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.account.path(session).await?;
        let request = Request::get(format!("{path}/tokens"))
            .with_some("status", self.status.as_ref())
            .with_some("expiring_within_days", self.expiring_within_days);
        self.paging
            .print(
                session,
                request,
                "no token matches; make one: keywright token create --service-account NAME --name ci",
                |items| table(items, session.output.now),
            )
            .await
    }
}

/// Replace the secrets of all active tokens.
#[derive(Args, Debug)]
pub(crate) struct RotateTokens {
    #[command(flatten)]
    account: Identifier,

    /// Why; it goes into the audit trail
    #[arg(long)]
    reason: String,

    /// How long the old secrets work on, such as 24h, 30m or 7d; 0 ends them at once
    #[arg(long, value_name = "DURATION")]
    grace: Option<Seconds>,
}

impl RotateTokens {
    /// Each new secret stands on a line of its own, after the name of its token.
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.account.path(session).await?;
        let mut body = Map::new();
        body.insert("reason".to_owned(), json!(self.reason));
        if let Some(Seconds(seconds)) = self.grace {
            body.insert("grace_seconds".to_owned(), json!(seconds));
        }
        let answer = session.create(format!("{path}/tokens/rotate-all"), Value::Object(body)).await?;
        let output = session.output;
        if output.json {
            return output.answer(&answer);
        }
        let items = answer.json["items"].as_array().map_or(&[][..], Vec::as_slice);
        let rotated = counted(items.len(), "token");
        output.note(&format!("rotated {rotated}; each secret is shown this one time only:"));
        for token in items {
            let Some(secret) = token["token"].as_str() else {
                let gone = "they were rotated, but their secrets can no longer be shown: rotate them again";
                return Err(Failure::Failed(gone.to_owned()));
            };
            output.line(&format!("{}\t{secret}", escape(text(token, "token_name"))))?;
        }
        Ok(())
    }
}

/// Revoke all tokens.
#[derive(Args, Debug)]
pub(crate) struct RevokeTokens {
    #[command(flatten)]
    account: Identifier,

    /// Why; it goes into the audit trail
    #[arg(long)]
    reason: Option<String>,
}

impl RevokeTokens {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.account.path(session).await?;
        let body = self.reason.as_ref().map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
        let answer = session.ask(&Request::post(format!("{path}/tokens/revoke-all"), body)).await?;
        if session.output.json {
            return session.output.answer(&answer);
        }
        let revoked = answer.json["revoked"].as_u64().and_then(|count| usize::try_from(count).ok());
        let (revoked, name) = (counted(revoked.unwrap_or(0), "token"), escape(&self.account.identifier));
        session.output.note(&format!("revoked {revoked} of {name}"));
        Ok(())
    }
}
