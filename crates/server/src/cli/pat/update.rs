//! `keywright pat update`.

use clap::Args;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::failure::{Failure, Outcome};
use super::super::session::Session;
use super::super::token::fields::Expiry;
use super::super::transport::Request;
use super::resolve::{Identifier, publishers};

/// Change a personal token.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Update {
    #[command(flatten)]
    token: Identifier,

    /// Another name
    #[arg(long)]
    name: Option<String>,

    /// What it carries at most from now on, separated by commas
    #[arg(long, value_name = "SCOPE,…", value_delimiter = ',')]
    scopes: Option<Vec<String>>,

    /// It carries all that I may do, at the moment of each use
    #[arg(long, conflicts_with = "scopes")]
    inherit: bool,

    /// A publisher that it is for from now on, by name or id; may be repeated
    #[arg(long, value_name = "NAME|ID")]
    publisher: Vec<String>,

    /// It is for all my publishers
    #[arg(long, conflicts_with = "publisher")]
    all_publishers: bool,

    #[command(flatten)]
    expiry: Expiry,

    /// A network it may be used from, from now on; may be repeated
    #[arg(long, value_name = "CIDR")]
    ip: Vec<String>,

    /// It may be used from anywhere
    #[arg(long, conflicts_with = "ip")]
    any_ip: bool,

    /// Most uses in any minute
    #[arg(long, value_name = "N")]
    per_minute: Option<u32>,

    /// Most uses in any hour
    #[arg(long, value_name = "N")]
    per_hour: Option<u32>,

    /// Switch it on
    #[arg(long, conflicts_with = "deactivate")]
    activate: bool,

    /// Switch it off; it can be switched on again
    #[arg(long)]
    deactivate: bool,
}

impl Update {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let publishers = publishers(session, &self.publisher).await?;
        let body = self.body(&publishers);
        if body.is_empty() {
            return Err(Failure::Usage("say what to change: see keywright pat update --help".to_owned()));
        }
        let path = self.token.path(session, super::PATH).await?;
        session.show(&session.ask(&Request::patch(path, Value::Object(body))).await?)
    }

    fn body(&self, publishers: &[Uuid]) -> Map<String, Value> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        if let Some(name) = &self.name {
            put("name", json!(name));
        }
        if let Some(scopes) = &self.scopes {
            put("scopes", json!(scopes));
        }
        if self.inherit {
            put("inherit_user_permissions", json!(true));
        }
        if self.all_publishers {
            put("publisher_ids", Value::Null);
        } else if !publishers.is_empty() {
            put("publisher_ids", json!(publishers));
        }
        if self.any_ip {
            put("ip_allowlist", Value::Null);
        } else if !self.ip.is_empty() {
            put("ip_allowlist", json!(self.ip));
        }
        let mut limits = Map::new();
        for (name, limit) in [("per_minute", self.per_minute), ("per_hour", self.per_hour)] {
            if let Some(limit) = limit {
                limits.insert(name.to_owned(), json!(limit));
            }
        }
        if !limits.is_empty() {
            put("rate_limits", Value::Object(limits));
        }
        if self.activate || self.deactivate {
            put("is_active", json!(self.activate));
        }
        self.expiry.apply(&mut body);
        body
    }
}
