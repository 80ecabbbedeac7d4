//! `keywright account create`.

use clap::Args;
use serde_json::{Map, Value, json};

use super::super::failure::{Failure, Outcome};
use super::super::resolve;
use super::super::session::Session;
use super::super::token::fields::{Pair, metadata};
use super::bounds::Bounds;

/// Make an account.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Its name, unique within the publisher, or at platform level
    #[arg(long)]
    name: String,

    /// What it stands for: platform, partner, internal, `ci_cd`, analytics, mobile
    #[arg(long = "type", value_name = "TYPE")]
    service_type: String,

    /// What its tokens may do at most, separated by commas; nothing that its maker lacks
    #[arg(long, value_name = "SCOPE,…", value_delimiter = ',', required = true)]
    scopes: Vec<String>,

    /// The publisher that it belongs to, by its name or id; a caller of a publisher makes it there
    #[arg(long, value_name = "NAME|ID")]
    publisher: Option<String>,

    /// What it is for
    #[arg(long)]
    description: Option<String>,

    /// Whom to ask about it
    #[arg(long, value_name = "EMAIL")]
    owner: Option<String>,

    #[command(flatten)]
    bounds: Bounds,

    /// A note for whoever verifies its tokens; may be repeated. Never a secret
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<Pair>,
}

impl Create {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let mut body = self.body()?;
        if let Some(id) = resolve::publisher_if_named(session, self.publisher.as_deref()).await? {
            body.insert("publisher_id".to_owned(), json!(id));
        }
        session.made(&session.create(super::PATH, Value::Object(body)).await?, "name")
    }

    fn body(&self) -> Result<Map<String, Value>, Failure> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        put("name", json!(self.name));
        put("service_type", json!(self.service_type));
        put("scopes", json!(self.scopes));
        if let Some(description) = &self.description {
            put("description", json!(description));
        }
        if let Some(owner) = &self.owner {
            put("owner_email", json!(owner));
        }
        if !self.metadata.is_empty() {
            put("metadata", Value::Object(metadata(&self.metadata)?));
        }
        self.bounds.apply(&mut body);
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use keywright_api::patch::Patch;
    use keywright_api::request::{Format, FromFields};
    use keywright_api::service_account_request::CreateServiceAccount;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        create: Create,
    }

    #[test]
    fn the_api_reads_what_the_flags_say() {
        let line = "create --name songtrust-api --type platform --scopes works:read,works:create \
                    --per-minute 100 --ip 198.51.100.0/24 --ip ::1 --owner a@b.example --metadata tier=1";
        let words = line.split_whitespace();
        let body = Value::Object(Line::try_parse_from(words).unwrap().create.body().unwrap());
        let anything = |_: Format, _: &str| Ok(());
        let account = CreateServiceAccount::from_body(body.to_string().as_bytes(), &anything).unwrap();
        assert_eq!((account.name.as_str(), account.scopes.len()), ("songtrust-api", 2));
        let Patch::Value(limits) = account.rate_limits else { panic!("no limits: {body}") };
        assert_eq!((limits.per_minute, limits.per_hour), (Patch::Value(100), Patch::Absent));
        assert_eq!(account.ip_allowlist.unwrap(), ["198.51.100.0/24", "::1"]);
        assert_eq!(account.metadata.unwrap()["tier"], "1");
    }
}
