//! From what a person calls a token or a publisher to its id.

use clap::Args;
use serde_json::Value;
use uuid::Uuid;

use super::super::emergency::id_of;
use super::super::failure::Failure;
use super::super::resolve::only;
use super::super::session::Session;
use super::super::transport::Request;

/// Whose tokens.
#[derive(Args, Debug)]
pub(super) struct Of {
    /// Those of this user, named by id or address; without it, my own
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

impl Of {
    /// Where these tokens live in the API.
    pub(super) async fn path(&self, session: &Session<'_>) -> Result<String, Failure> {
        match &self.user {
            None => Ok(super::PATH.to_owned()),
            Some(user) => {
                let id = id_of(session, "/users", "email", user).await?;
                Ok(format!("/users/{id}/tokens"))
            }
        }
    }
}

/// Which token.
#[derive(Args, Debug)]
pub(super) struct Identifier {
    /// The token's name or id
    #[arg(long, value_name = "NAME|ID")]
    pub(super) identifier: String,
}

impl Identifier {
    /// Its path in the API, among those below `tokens`.
    pub(super) async fn path(&self, session: &Session<'_>, tokens: &str) -> Result<String, Failure> {
        let text = self.identifier.trim();
        if let Ok(id) = Uuid::try_parse(text) {
            return Ok(format!("{tokens}/{id}"));
        }
        let named = session.list(&Request::get(tokens).with("name", &self.identifier), false).await?;
        // A name is one of live tokens: those that are revoked may bear it too.
        let live = named.items().iter().filter(|token| token["status"] != "revoked");
        let id = match only("token", &self.identifier, "id", live) {
            Err(_) if named.items().len() == 1 => only("token", &self.identifier, "id", named.items().iter()),
            found => found,
        }?;
        Ok(format!("{tokens}/{id}"))
    }
}

/// The ids of publishers of mine that are named by name or id.
pub(super) async fn publishers(session: &Session<'_>, identifiers: &[String]) -> Result<Vec<Uuid>, Failure> {
    let mut ids = Vec::with_capacity(identifiers.len());
    let mut known: Option<Vec<Value>> = None;
    for identifier in identifiers {
        if let Ok(id) = Uuid::try_parse(identifier.trim()) {
            ids.push(id);
            continue;
        }
        if known.is_none() {
            let answer = session.ask(&Request::get(format!("{}/scopes", super::PATH))).await?;
            known = Some(answer.json["items"].as_array().cloned().unwrap_or_default());
        }
        let mine = known.iter().flatten().filter(|own| own["publisher_name"] == **identifier);
        ids.push(only("publisher", identifier, "publisher_id", mine)?);
    }
    Ok(ids)
}
