//! `keywright token update`.

use clap::{ArgGroup, Args};
use serde_json::{Map, Value, json};

use super::super::failure::{Failure, Outcome};
use super::super::session::Session;
use super::super::transport::Request;
use super::fields::{Expiry, Notes};
use super::resolve::{self, Identifier};

/// Change a token.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(
    ["name", "permissions", "expires_at", "never_expires", "activate", "deactivate", "metadata", "remove_metadata"]
))]
pub(crate) struct Update {
    #[command(flatten)]
    token: Identifier,

    /// A new name
    #[arg(long)]
    name: Option<String>,

    /// What it may do from now on, separated by commas
    #[arg(long, value_name = "PERMISSION,…", value_delimiter = ',')]
    permissions: Vec<String>,

    #[command(flatten)]
    expiry: Expiry,

    /// Switch it on
    #[arg(long)]
    activate: bool,

    /// Switch it off
    #[arg(long, conflicts_with = "activate")]
    deactivate: bool,

    #[command(flatten)]
    notes: Notes,
}

impl Update {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let body = self.body()?;
        let path = resolve::path(session, &self.token.identifier).await?;
        let answer = session.ask(&Request::patch(path, body)).await?;
        session.show(&answer)
    }

    /// The change by RFC 7396: what is not named stays.
    fn body(&self) -> Result<Value, Failure> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        if let Some(name) = &self.name {
            put("token_name", json!(name));
        }
        if !self.permissions.is_empty() {
            put("permissions", json!(self.permissions));
        }
        if self.activate || self.deactivate {
            put("is_active", json!(self.activate));
        }
        self.expiry.apply(&mut body);
        self.notes.apply(&mut body)?;
        Ok(Value::Object(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use keywright_api::request::{Format, FromFields};
    use keywright_api::service_token_request::PatchServiceToken;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        update: Update,
    }

    fn parse(arguments: &str) -> Result<Update, clap::Error> {
        Line::try_parse_from(format!("update --identifier ci {arguments}").split(' ')).map(|line| line.update)
    }

    #[test]
    fn the_api_reads_what_the_flags_say() {
        let body = parse("--name release --deactivate --never-expires --metadata a=1 --remove-metadata b")
            .unwrap()
            .body()
            .unwrap();
        assert_eq!(
            body,
            json!({"token_name": "release", "is_active": false, "expires_at": null, "metadata": {"a": "1", "b": null}})
        );
        let anything = |_: Format, _: &str| Ok(());
        assert!(PatchServiceToken::from_body(body.to_string().as_bytes(), &anything).is_ok());
    }

    #[test]
    fn an_update_changes_something_and_does_not_contradict_itself() {
        assert!(parse("--activate").is_ok());
        assert!(Line::try_parse_from(["update", "--identifier", "ci"]).is_err());
        assert!(parse("--activate --deactivate").is_err());
        assert_eq!(parse("--metadata a=1 --remove-metadata a").unwrap().body().unwrap_err().exit_code(), 2);
    }
}
