//! `keywright token rotate`.

use clap::Args;
use serde_json::{Map, Value, json};

use super::super::duration::Seconds;
use super::super::failure::Outcome;
use super::super::session::Session;
use super::fields::{Expiry, hand_over};
use super::resolve::IdentifierOrSelf;

/// Replace a token's secret.
#[derive(Args, Debug)]
pub(crate) struct Rotate {
    #[command(flatten)]
    token: IdentifierOrSelf,

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
        let (path, _) = self.token.path(session).await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use keywright_api::request::{Format, FromFields};
    use keywright_api::service_token_request::RotateServiceToken;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        rotate: Rotate,
    }

    #[test]
    fn the_api_reads_what_the_flags_say() {
        let line = "rotate --identifier ci --reason scheduled_rotation --grace 24h";
        let body = Line::try_parse_from(line.split(' ')).unwrap().rotate.body();
        let anything = |_: Format, _: &str| Ok(());
        let request = RotateServiceToken::from_body(body.to_string().as_bytes(), &anything).unwrap();
        assert_eq!((request.reason.as_str(), request.grace_seconds), ("scheduled_rotation", Some(86_400)));
    }

    #[test]
    fn a_rotation_names_one_token_and_its_reason() {
        for line in
            ["rotate --identifier ci", "rotate --reason r", "rotate --reason r --identifier ci --self"]
        {
            assert!(Line::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
        assert!(Line::try_parse_from("rotate --reason r --self".split(' ')).is_ok());
    }
}
