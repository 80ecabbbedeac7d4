//! `keywright role update`.

use clap::{ArgGroup, Args};
use serde_json::{Map, Value, json};

use super::super::failure::Outcome;
use super::super::session::Session;
use super::super::transport::Request;
use super::Identifier;

/// Change a role.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(["name", "description", "permissions"]))]
pub(crate) struct Update {
    #[command(flatten)]
    role: Identifier,

    /// A new name
    #[arg(long)]
    name: Option<String>,

    /// What it is for
    #[arg(long)]
    description: Option<String>,

    /// All that it grants from now on, separated by commas
    #[arg(long, value_name = "PERMISSION,…", value_delimiter = ',')]
    permissions: Vec<String>,
}

impl Update {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = self.role.path(session).await?;
        session.show(&session.ask(&Request::patch(path, self.body())).await?)
    }

    /// The change by RFC 7396: what is not named stays.
    fn body(&self) -> Value {
        let mut body = Map::new();
        if let Some(name) = &self.name {
            body.insert("name".to_owned(), json!(name));
        }
        if let Some(description) = &self.description {
            body.insert("description".to_owned(), json!(description));
        }
        if !self.permissions.is_empty() {
            body.insert("permissions".to_owned(), json!(self.permissions));
        }
        Value::Object(body)
    }
}
