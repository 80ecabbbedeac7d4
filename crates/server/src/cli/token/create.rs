//! `keywright token create`.

use clap::Args;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::failure::{Failure, Outcome};
use super::super::resolve;
use super::super::session::Session;
use super::fields::{Expiry, Pair, hand_over, metadata};

/// Make a token.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Its name, unique among tokens that are not revoked
    #[arg(long)]
    name: String,

    /// What it may do, separated by commas; nothing that its maker lacks. A token of a service account may do all
    /// that its account may when this is left out
    #[arg(
        long,
        value_name = "PERMISSION,…",
        value_delimiter = ',',
        required_unless_present = "service_account"
    )]
    permissions: Vec<String>,

    /// How many days it lives; without this, as the server's default says
    #[arg(long, value_name = "DAYS", conflicts_with_all = ["expires_at", "never_expires"])]
    expires_in_days: Option<u32>,

    #[command(flatten)]
    expiry: Expiry,

    /// The service account that it belongs to, by its name or id; without one it stands alone
    #[arg(long, value_name = "ACCOUNT")]
    service_account: Option<String>,

    /// A network it may be used from; may be repeated
    #[arg(long, value_name = "CIDR")]
    ip: Vec<String>,

    /// Most uses in any minute
    #[arg(long, value_name = "N")]
    per_minute: Option<u32>,

    /// Most uses in any hour
    #[arg(long, value_name = "N")]
    per_hour: Option<u32>,

    /// A note of your own; may be repeated. Never a secret: every reader of tokens sees it
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<Pair>,
}

impl Create {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let account = resolve::account_if_named(session, self.service_account.as_deref()).await?;
        let answer = session.create(super::PATH, self.body(account)?).await?;
        hand_over(session, &answer, "made")
    }

    fn body(&self, account: Option<Uuid>) -> Result<Value, Failure> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        put("token_name", json!(self.name));
        if !self.permissions.is_empty() {
            put("permissions", json!(self.permissions));
        }
        if let Some(days) = self.expires_in_days {
            put("expires_in_days", json!(days));
        }
        if let Some(account) = account {
            put("service_account_id", json!(account));
        }
        if !self.ip.is_empty() {
            put("ip_allowlist", json!(self.ip));
        }
        if self.per_minute.is_some() || self.per_hour.is_some() {
            put("rate_limits", json!({ "per_minute": self.per_minute, "per_hour": self.per_hour }));
        }
        if !self.metadata.is_empty() {
            put("metadata", Value::Object(metadata(&self.metadata)?));
        }
        self.expiry.apply(&mut body);
        Ok(Value::Object(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use keywright_api::request::{Format, FromFields};
    use keywright_api::service_token_request::CreateServiceToken;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        create: Create,
    }

    fn body(arguments: &str) -> Value {
        Line::try_parse_from(std::iter::once("create").chain(arguments.split(' ')))
            .unwrap()
            .create
            .body(Some(Uuid::nil()).filter(|_| arguments.contains("--service-account")))
            .unwrap()
    }

    fn read(body: &Value) -> Result<CreateServiceToken, String> {
        let anything = |_: Format, _: &str| Ok(());
        CreateServiceToken::from_body(body.to_string().as_bytes(), &anything)
            .map_err(|problem| problem.code.to_string())
    }

    #[test]
    fn the_api_reads_what_the_flags_say() {
        let token = read(&body(
            "--name ci --permissions api_read,system_status --expires-in-days 30 --metadata team=core",
        ))
        .unwrap();
        assert_eq!(
            (token.token_name.as_str(), token.permissions.unwrap().join(" ").as_str()),
            ("ci", "api_read system_status")
        );
        assert_eq!(token.expires_in_days.value(), Some(30));
        assert_eq!(token.metadata.unwrap()["team"], "core");
        assert!(read(&body("--name ci --permissions a --never-expires")).is_ok());
        assert!(read(&body("--name ci --permissions a --expires-at 2027-01-31T12:00:00Z")).is_ok());
    }

    #[test]
    fn a_token_of_an_account_need_not_name_permissions() {
        let token =
            read(&body("--name ci --service-account songtrust-api --ip 10.0.0.0/8 --per-minute 60")).unwrap();
        assert_eq!((token.permissions, token.service_account_id), (None, Some(Uuid::nil())));
        assert_eq!(token.ip_allowlist.unwrap(), ["10.0.0.0/8"]);
        let limits = token.rate_limits.value().unwrap();
        assert_eq!((limits.per_minute.value(), limits.per_hour.value()), (Some(60), None));
        assert!(Line::try_parse_from(["create", "--name", "ci"]).is_err());
    }

    #[test]
    fn two_ends_of_life_contradict_each_other() {
        for flags in [
            "--expires-in-days 3 --never-expires",
            "--expires-at x --never-expires",
            "--expires-in-days 3 --expires-at x",
        ] {
            let line = format!("create --name ci --permissions a {flags}");
            assert!(Line::try_parse_from(line.split(' ')).is_err(), "{flags}");
        }
    }
}
