//! `keywright pat create`.

use clap::Args;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::failure::Outcome;
use super::super::session::Session;
use super::super::token::fields::{Expiry, hand_over};
use super::resolve::publishers;

/// Make a personal token.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Its name, unique among my tokens that are not revoked
    #[arg(long)]
    name: String,

    /// What it carries at most, separated by commas; nothing that I lack in a publisher that it is for
    #[arg(long, value_name = "SCOPE,…", value_delimiter = ',', required_unless_present = "inherit")]
    scopes: Vec<String>,

    /// It carries all that I may do, at the moment of each use
    #[arg(long, conflicts_with = "scopes")]
    inherit: bool,

    /// A publisher that it is for, by name or id; may be repeated. Without one it is for all of mine
    #[arg(long, value_name = "NAME|ID")]
    publisher: Vec<String>,

    /// How many days it lives; without this, as the server's default says
    #[arg(long, value_name = "DAYS", conflicts_with_all = ["expires_at", "never_expires"])]
    expires_in_days: Option<u32>,

    #[command(flatten)]
    expiry: Expiry,

    /// A network it may be used from; may be repeated
    #[arg(long, value_name = "CIDR")]
    ip: Vec<String>,

    /// Most uses in any minute
    #[arg(long, value_name = "N")]
    per_minute: Option<u32>,

    /// Most uses in any hour
    #[arg(long, value_name = "N")]
    per_hour: Option<u32>,
}

impl Create {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let publishers = publishers(session, &self.publisher).await?;
        let answer = session.create(super::PATH, self.body(&publishers)).await?;
        hand_over(session, &answer, "made")
    }

    fn body(&self, publishers: &[Uuid]) -> Value {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        put("name", json!(self.name));
        if self.inherit {
            put("inherit_user_permissions", json!(true));
        } else {
            put("scopes", json!(self.scopes));
        }
        if !publishers.is_empty() {
            put("publisher_ids", json!(publishers));
        }
        if let Some(days) = self.expires_in_days {
            put("expires_in_days", json!(days));
        }
        if !self.ip.is_empty() {
            put("ip_allowlist", json!(self.ip));
        }
        if self.per_minute.is_some() || self.per_hour.is_some() {
            put("rate_limits", json!({ "per_minute": self.per_minute, "per_hour": self.per_hour }));
        }
        self.expiry.apply(&mut body);
        Value::Object(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use keywright_api::personal_token_request::CreatePersonalToken;
    use keywright_api::request::{Format, FromFields};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        create: Create,
    }

    fn line(arguments: &str) -> Result<Line, clap::Error> {
        Line::try_parse_from(std::iter::once("create").chain(arguments.split(' ')))
    }

    #[test]
    fn the_api_reads_what_the_flags_say() {
        let flags = "--name ci --scopes a:read,b --expires-in-days 30 --ip 10.0.0.0/8 --per-hour 9";
        let body = line(flags).unwrap().create.body(&[Uuid::nil()]).to_string();
        let anything = |_: Format, _: &str| Ok(());
        let token = CreatePersonalToken::from_body(body.as_bytes(), &anything).unwrap();
        assert_eq!(token.scopes.unwrap(), ["a:read", "b"]);
        assert_eq!(token.publisher_ids.value().unwrap(), [Uuid::nil()]);
        assert_eq!(token.ip_allowlist.value().unwrap(), ["10.0.0.0/8"]);
        let body = line("--name ci --inherit --never-expires").unwrap().create.body(&[]).to_string();
        let token = CreatePersonalToken::from_body(body.as_bytes(), &anything).unwrap();
        assert_eq!((token.inherit_user_permissions, token.scopes), (Some(true), None));
    }

    #[test]
    fn a_token_carries_chosen_scopes_or_all() {
        assert!(line("--name ci").is_err());
        assert!(line("--name ci --inherit --scopes a").is_err());
    }
}
