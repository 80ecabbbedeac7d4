//! `keywright role create`.

use clap::Args;
use serde_json::json;

use super::super::failure::Outcome;
use super::super::resolve;
use super::super::session::Session;

/// Make a role.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// Its name, unique within the publisher
    #[arg(long)]
    name: String,

    /// What it grants, separated by commas; nothing that its maker lacks
    #[arg(long, value_name = "PERMISSION,…", value_delimiter = ',', required = true)]
    permissions: Vec<String>,

    /// What it is for
    #[arg(long)]
    description: Option<String>,

    /// The publisher that it belongs to, by its name or id; a caller of a publisher makes it there
    #[arg(long, value_name = "NAME|ID")]
    publisher: Option<String>,
}

impl Create {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let publisher = resolve::publisher_if_named(session, self.publisher.as_deref()).await?;
        let mut body = json!({ "name": self.name, "permissions": self.permissions });
        if let Some(description) = &self.description {
            body["description"] = json!(description);
        }
        session.made(&session.create_for(publisher, "/roles", body).await?, "name")
    }
}
