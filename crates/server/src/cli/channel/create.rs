//! `keywright channel create`.

use clap::Args;
use serde_json::{Value, json};

use super::super::deliveries::made;
use super::super::failure::Outcome;
use super::super::resolve;
use super::super::session::Session;
use super::super::verify::read_secret;

/// Make a channel. The address of a webhook, of Slack, Teams or Discord is a secret: it is read from standard input.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Its name, unique within the publisher, or at platform level
    #[arg(long)]
    name: String,

    /// By which way: log, email, webhook, slack, teams, discord
    #[arg(long)]
    kind: String,

    /// Whom mail is sent to; may be repeated
    #[arg(long, value_name = "EMAIL", value_delimiter = ',')]
    recipient: Vec<String>,

    /// Alerts below this are not told: low, medium, high, critical
    #[arg(long, value_name = "SEVERITY")]
    minimum_severity: Option<String>,

    /// The kinds of alert that are told, separated by commas; all when left out
    #[arg(long, value_name = "KIND,…", value_delimiter = ',')]
    alert_kinds: Vec<String>,

    /// How it gathers what it tells: off, hourly, daily
    #[arg(long, value_name = "PERIOD")]
    digest: Option<String>,

    /// At platform level: only the platform's own alerts, and those of no publisher
    #[arg(long)]
    platform_only: bool,

    /// The publisher that it belongs to, by its name or id; a caller of a publisher makes it there
    #[arg(long, value_name = "NAME|ID")]
    publisher: Option<String>,
}

impl Create {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let mut body = self.body();
        if matches!(self.kind.as_str(), "webhook" | "slack" | "teams" | "discord") {
            let address = read_secret("address", "keywright channel create … < address.txt")?;
            body["url"] = json!(address.as_str());
        }
        if let Some(id) = resolve::publisher_if_named(session, self.publisher.as_deref()).await? {
            body["publisher_id"] = json!(id);
        }
        made(session, &session.create(super::PATH, body).await?)
    }

    fn body(&self) -> Value {
        let mut body = json!({ "name": self.name, "kind": self.kind });
        if !self.recipient.is_empty() {
            body["recipients"] = json!(self.recipient);
        }
        if let Some(severity) = &self.minimum_severity {
            body["minimum_severity"] = json!(severity);
        }
        if !self.alert_kinds.is_empty() {
            body["alert_kinds"] = json!(self.alert_kinds);
        }
        if let Some(digest) = &self.digest {
            body["digest"] = json!(digest);
        }
        if self.platform_only {
            body["all_publishers"] = json!(false);
        }
        body
    }
}
