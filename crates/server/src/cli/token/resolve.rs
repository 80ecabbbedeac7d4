//! From what a person calls a token to its id.

use clap::Args;
use serde_json::Value;
use uuid::Uuid;

use super::super::failure::Failure;
use super::super::output::details::text;
use super::super::output::text::escape;
use super::super::session::Session;
use super::super::transport::Request;

/// Which token.
#[derive(Args, Debug)]
pub(super) struct Identifier {
    /// The token's name or id
    #[arg(long, value_name = "NAME|ID")]
    pub(super) identifier: String,
}

/// Which token, or the caller's own.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct IdentifierOrSelf {
    /// The token's name or id
    #[arg(long, value_name = "NAME|ID")]
    pub(super) identifier: Option<String>,

    /// The very token that this command bears
    #[arg(long = "self")]
    pub(super) itself: bool,
}

impl IdentifierOrSelf {
    /// Its path in the API, and what to call it.
    pub(super) async fn path(&self, session: &Session<'_>) -> Result<(String, String), Failure> {
        match &self.identifier {
            None => Ok((format!("{}/self", super::PATH), "the token of this command".to_owned())),
            Some(identifier) => Ok((path(session, identifier).await?, escape(identifier))),
        }
    }
}

/// The path of the token with that name or id.
pub(super) async fn path(session: &Session<'_>, identifier: &str) -> Result<String, Failure> {
    Ok(format!("{}/{}", super::PATH, id(session, identifier).await?))
}

/// The token with that name or id.
pub(crate) async fn id(session: &Session<'_>, identifier: &str) -> Result<Uuid, Failure> {
    if let Ok(id) = Uuid::try_parse(identifier.trim()) {
        return Ok(id);
    }
    let named = session.list(&Request::get(super::PATH).with("name", identifier), false).await?;
    choose(identifier, named.items())
}

/// The one that is meant. Names are unique among live tokens; revoked ones may have had the same.
fn choose(identifier: &str, tokens: &[Value]) -> Result<Uuid, Failure> {
    let live: Vec<&Value> = tokens.iter().filter(|token| text(token, "status") != "revoked").collect();
    let candidates = if live.is_empty() { tokens.iter().collect() } else { live };
    match candidates[..] {
        [] => Err(Failure::Failed(format!(
            "no token is called {}; see keywright token list",
            escape(identifier)
        ))),
        [token] => Uuid::try_parse(text(token, "id"))
            .map_err(|_| Failure::Failed("the API answered with a token that has no id".to_owned())),
        _ => {
            let ids: Vec<String> = candidates
                .iter()
                .map(|token| format!("  {} ({})", escape(text(token, "id")), escape(text(token, "status"))))
                .collect();
            Err(Failure::Failed(format!(
                "{} tokens are called {}; name one by its id:\n{}",
                ids.len(),
                escape(identifier),
                ids.join("\n")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const OLD: &str = "01980000-0000-7000-8000-000000000001";
    const NEW: &str = "01980000-0000-7000-8000-000000000002";

    #[test]
    fn a_name_means_the_live_token_even_when_revoked_ones_had_it_before() {
        let tokens = [json!({"id": OLD, "status": "revoked"}), json!({"id": NEW, "status": "expired"})];
        assert_eq!(choose("ci", &tokens).unwrap().to_string(), NEW);
        assert_eq!(choose("ci", &tokens[..1]).unwrap().to_string(), OLD);
    }

    #[test]
    fn an_unknown_or_ambiguous_name_says_what_to_do() {
        let none = choose("c\u{1b}i", &[]).unwrap_err();
        assert_eq!(
            (none.to_string().as_str(), none.exit_code()),
            ("no token is called c\\u{1b}i; see keywright token list", 1)
        );
        let revoked = [json!({"id": OLD, "status": "revoked"}), json!({"id": NEW, "status": "revoked"})];
        let several = choose("ci", &revoked).unwrap_err().to_string();
        assert!(several.contains(OLD) && several.contains(NEW), "{several}");
    }
}
