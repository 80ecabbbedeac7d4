//! From what a person calls a publisher, a service account, a role or a member to its id.

use clap::Args;
use serde_json::Value;
use uuid::Uuid;

use super::failure::Failure;
use super::output::details::text;
use super::output::text::escape;
use super::session::Session;
use super::transport::Request;

/// Which publisher.
#[derive(Args, Debug)]
pub(crate) struct PublisherArg {
    /// The publisher's name or id
    #[arg(long, value_name = "NAME|ID")]
    pub(crate) publisher: String,
}

/// The publisher with that name or id.
pub(crate) async fn publisher(session: &Session<'_>, identifier: &str) -> Result<Uuid, Failure> {
    if let Ok(id) = Uuid::try_parse(identifier.trim()) {
        return Ok(id);
    }
    let named = session.list(&Request::get("/publishers").with("name", identifier), false).await?;
    only("publisher", identifier, "id", named.items().iter())
}

/// The publisher that is named, if one is.
pub(crate) async fn publisher_if_named(
    session: &Session<'_>,
    identifier: Option<&str>,
) -> Result<Option<Uuid>, Failure> {
    match identifier {
        Some(identifier) => publisher(session, identifier).await.map(Some),
        None => Ok(None),
    }
}

/// The service account with that name or id.
pub(crate) async fn account(session: &Session<'_>, identifier: &str) -> Result<Uuid, Failure> {
    if let Ok(id) = Uuid::try_parse(identifier.trim()) {
        return Ok(id);
    }
    let named = session.list(&Request::get("/service-accounts").with("name", identifier), false).await?;
    only("service account", identifier, "id", named.items().iter())
}

/// The maintenance window with that name or id.
pub(crate) async fn window(session: &Session<'_>, identifier: &str) -> Result<Uuid, Failure> {
    if let Ok(id) = Uuid::try_parse(identifier.trim()) {
        return Ok(id);
    }
    let named = session.list(&Request::get("/maintenance-windows").with("name", identifier), false).await?;
    only("maintenance window", identifier, "id", named.items().iter())
}

/// The service account that is named, if one is.
pub(crate) async fn account_if_named(
    session: &Session<'_>,
    identifier: Option<&str>,
) -> Result<Option<Uuid>, Failure> {
    match identifier {
        Some(identifier) => account(session, identifier).await.map(Some),
        None => Ok(None),
    }
}

/// The object with that name, in the list at `path`, or id.
pub(crate) async fn named(
    session: &Session<'_>,
    path: &str,
    noun: &str,
    identifier: &str,
) -> Result<Uuid, Failure> {
    if let Ok(id) = Uuid::try_parse(identifier.trim()) {
        return Ok(id);
    }
    let named = session.list(&Request::get(path).with("name", identifier), false).await?;
    only(noun, identifier, "id", named.items().iter())
}

/// The role with that name, among those of the publisher, or id.
pub(crate) async fn role(
    session: &Session<'_>,
    publisher: Option<Uuid>,
    identifier: &str,
) -> Result<Uuid, Failure> {
    if let Ok(id) = Uuid::try_parse(identifier.trim()) {
        return Ok(id);
    }
    let request = Request::get("/roles").with("name", identifier).with_some("publisher_id", publisher);
    let named = session.list(&request, false).await?;
    only("role", identifier, "id", named.items().iter())
}

/// The user with that address, among the members of the publisher, or id.
pub(crate) async fn member(
    session: &Session<'_>,
    publisher: Uuid,
    identifier: &str,
) -> Result<Uuid, Failure> {
    if let Ok(id) = Uuid::try_parse(identifier.trim()) {
        return Ok(id);
    }
    let request = Request::get(format!("/publishers/{publisher}/members")).with("limit", "200");
    let members = session.list(&request, true).await?;
    let same = |member: &&Value| text(member, "email").to_lowercase() == identifier.trim().to_lowercase();
    only("member", identifier, "user_id", members.items().iter().filter(same))
}

/// The one that is meant.
pub(crate) fn only<'a>(
    noun: &str,
    identifier: &str,
    field: &str,
    found: impl Iterator<Item = &'a Value>,
) -> Result<Uuid, Failure> {
    let ids: Vec<&str> = found.map(|object| text(object, field)).collect();
    match ids[..] {
        [] => Err(Failure::Failed(format!("no {noun} is called {}", escape(identifier)))),
        [id] => Uuid::try_parse(id)
            .map_err(|_| Failure::Failed(format!("the API answered with a {noun} that has no id"))),
        _ => Err(Failure::Failed(format!(
            "several are called {}; name the {noun} by its id, or its publisher: {}",
            escape(identifier),
            escape(&ids.join(", "))
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_means_one_object_or_says_what_to_do() {
        let one = json!({"id": "01980000-0000-7000-8000-000000000001"});
        let two = json!({"id": "01980000-0000-7000-8000-000000000002"});
        let only = |found: &[&Value]| only("role", "r\u{1b}", "id", found.iter().copied());
        assert_eq!(only(&[&one]).unwrap().to_string(), text(&one, "id"));
        assert_eq!(only(&[]).unwrap_err().to_string(), "no role is called r\\u{1b}");
        let several = only(&[&one, &two]).unwrap_err().to_string();
        assert!(several.contains(text(&one, "id")) && several.contains("its publisher"), "{several}");
    }
}
