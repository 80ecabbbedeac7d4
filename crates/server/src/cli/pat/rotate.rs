//! `keywright pat rotate`.

use clap::Args;
use serde_json::{Map, Value, json};

use super::super::duration::Seconds;
use super::super::failure::Outcome;
use super::super::session::Session;
use super::super::token::fields::{Expiry, hand_over};
use super::resolve::Identifier;

/// Replace the secret of a personal token.
#[derive(Args, Debug)]
pub(crate) struct Rotate {
    #[command(flatten)]
    token: Identifier,

    /// Why; it goes into the audit trail
    #[arg(long)]
    reason: String,

    /// How long the old secret works on, such as 24h, 30m or 7d; 0 ends it at once
    #[arg(long, value_name = "DURATION")]
    grace: Option<Seconds>,

    #[command(flatten)]
    expiry: Expiry,
}

impl Rotate {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.token.path(session, super::PATH).await?;
        let answer = session.create(format!("{path}/rotate"), self.body()).await?;
        hand_over(session, &answer, "rotated")
    }

    fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("reason".to_owned(), json!(self.reason));
        if let Some(Seconds(seconds)) = self.grace {
            body.insert("grace_seconds".to_owned(), json!(seconds));
        }
        self.expiry.apply(&mut body);
        Value::Object(body)
    }
}
