//! `keywright channel update`.

use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::super::failure::Outcome;
use super::super::session::Session;
use super::super::transport::Request;
use super::super::verify::read_secret;
use super::Identifier;

/// Change a channel.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(["name", "new_address", "recipient", "minimum_severity", "alert_kinds", "all_kinds", "digest", "enable", "disable"]))]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(crate) struct Update {
    #[command(flatten)]
    channel: Identifier,

    /// A new name
    #[arg(long)]
    name: Option<String>,

    /// Read a new address from standard input; the secret of a webhook stays
    #[arg(long)]
    new_address: bool,

    /// Whom mail is sent to from now on; may be repeated
    #[arg(long, value_name = "EMAIL", value_delimiter = ',')]
    recipient: Vec<String>,

    /// Alerts below this are not told: low, medium, high, critical
    #[arg(long, value_name = "SEVERITY")]
    minimum_severity: Option<String>,

    /// The kinds of alert that are told, separated by commas
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', conflicts_with = "all_kinds")]
    alert_kinds: Vec<String>,

    /// Tell all kinds of alert
    #[arg(long)]
    all_kinds: bool,

    /// How it gathers what it tells: off, hourly, daily
    #[arg(long, value_name = "PERIOD")]
    digest: Option<String>,

    /// Switch it on
    #[arg(long, conflicts_with = "disable")]
    enable: bool,

    /// Switch it off; what waits for it is given up
    #[arg(long)]
    disable: bool,
}

impl Update {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let mut body = self.body();
        if self.new_address {
            let address = read_secret("address", "keywright channel update … < address.txt")?;
            body["url"] = json!(address.as_str());
        }
        let path = self.channel.path(session).await?;
        session.show(&session.ask(&Request::patch(path, body)).await?)
    }

    /// The change by RFC 7396: what is not named stays.
    fn body(&self) -> Value {
        let mut body = json!({});
        if let Some(name) = &self.name {
            body["name"] = json!(name);
        }
        if !self.recipient.is_empty() {
            body["recipients"] = json!(self.recipient);
        }
        if let Some(severity) = &self.minimum_severity {
            body["minimum_severity"] = json!(severity);
        }
        if !self.alert_kinds.is_empty() {
            body["alert_kinds"] = json!(self.alert_kinds);
        }
        if self.all_kinds {
            body["alert_kinds"] = Value::Null;
        }
        if let Some(digest) = &self.digest {
            body["digest"] = json!(digest);
        }
        if self.enable || self.disable {
            body["is_enabled"] = json!(self.enable);
        }
        body
    }
}
