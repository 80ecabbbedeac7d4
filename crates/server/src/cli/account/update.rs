//! `keywright account update`.

use clap::{ArgGroup, Args};
use serde_json::{Map, Value, json};

use super::super::failure::{Failure, Outcome};
use super::super::session::Session;
use super::super::token::fields::Notes;
use super::super::transport::Request;
use super::Identifier;
use super::bounds::Bounds;

/// Change an account.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(
    ["name", "service_type", "scopes", "description", "owner", "per_minute", "per_hour", "ip", "unlimited",
     "any_ip", "metadata", "remove_metadata"]
))]
pub(crate) struct Update {
    #[command(flatten)]
    account: Identifier,

    /// A new name
    #[arg(long)]
    name: Option<String>,

    /// What it stands for: platform, partner, internal, `ci_cd`, analytics, mobile
    #[arg(long = "type", value_name = "TYPE")]
    service_type: Option<String>,

    /// What its tokens may do at most from now on, separated by commas
    #[arg(long, value_name = "SCOPE,…", value_delimiter = ',')]
    scopes: Vec<String>,

    /// What it is for
    #[arg(long)]
    description: Option<String>,

    /// Whom to ask about it
    #[arg(long, value_name = "EMAIL")]
    owner: Option<String>,

    #[command(flatten)]
    bounds: Bounds,

    /// Take its limits back
    #[arg(long, conflicts_with_all = ["per_minute", "per_hour"])]
    unlimited: bool,

    /// Let its tokens be used from anywhere
    #[arg(long, conflicts_with = "ip")]
    any_ip: bool,

    #[command(flatten)]
    notes: Notes,
}

impl Update {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let body = self.body()?;
        let path = self.account.path(session).await?;
        let answer = session.ask(&Request::patch(path, body)).await?;
        session.show(&answer)
    }

    /// The change by RFC 7396: what is not named stays.
    fn body(&self) -> Result<Value, Failure> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        for (name, value) in [
            ("name", &self.name),
            ("service_type", &self.service_type),
            ("description", &self.description),
            ("owner_email", &self.owner),
        ] {
            if let Some(value) = value {
                put(name, json!(value));
            }
        }
        if !self.scopes.is_empty() {
            put("scopes", json!(self.scopes));
        }
        if self.unlimited {
            put("rate_limits", Value::Null);
        }
        if self.any_ip {
            put("ip_allowlist", Value::Null);
        }
        self.bounds.apply(&mut body);
        self.notes.apply(&mut body)?;
        Ok(Value::Object(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use keywright_api::request::{Format, FromFields};
    use keywright_api::service_account_request::PatchServiceAccount;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        update: Update,
    }

    fn parse(arguments: &str) -> Result<Update, clap::Error> {
        Line::try_parse_from(format!("update --identifier a {arguments}").split(' ')).map(|line| line.update)
    }

    #[test]
    fn the_api_reads_what_the_flags_say() {
        let body = parse("--scopes works:read --unlimited --any-ip --metadata a=1 --remove-metadata b");
        let body = body.unwrap().body().unwrap();
        let expected = json!({"scopes": ["works:read"], "rate_limits": null, "ip_allowlist": null,
            "metadata": {"a": "1", "b": null}});
        assert_eq!(body, expected);
        let anything = |_: Format, _: &str| Ok(());
        assert!(PatchServiceAccount::from_body(body.to_string().as_bytes(), &anything).is_ok());
        let hourly = parse("--per-hour 9").unwrap().body().unwrap();
        assert_eq!(hourly, json!({"rate_limits": {"per_hour": 9}}), "the other one stays");
    }

    #[test]
    fn an_update_changes_something_and_does_not_contradict_itself() {
        assert!(Line::try_parse_from(["update", "--identifier", "a"]).is_err());
        assert!(parse("--unlimited --per-minute 5").is_err());
        assert!(parse("--any-ip --ip ::1").is_err());
    }
}
