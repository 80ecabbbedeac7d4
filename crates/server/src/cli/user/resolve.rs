//! From what a person calls a user or a publisher to its id.

use clap::Args;
use uuid::Uuid;

use super::super::failure::Failure;
use super::super::output::details::text;
use super::super::output::text::escape;
use super::super::session::Session;
use super::super::transport::Request;

/// Which user.
#[derive(Args, Debug)]
pub(super) struct Identifier {
    /// The user's address or id
    #[arg(long, value_name = "EMAIL|ID")]
    pub(super) identifier: String,
}

impl Identifier {
    /// The user's path in the API.
    pub(super) async fn path(&self, session: &Session<'_>) -> Result<String, Failure> {
        let request = Request::get(super::PATH).with("email", &self.identifier);
        let id = the_one(session, &self.identifier, request, "user").await?;
        Ok(format!("{}/{id}", super::PATH))
    }
}

/// The id of the publisher with that name or id.
pub(super) async fn publisher(session: &Session<'_>, identifier: &str) -> Result<Uuid, Failure> {
    the_one(session, identifier, Request::get("/publishers").with("name", identifier), "publisher").await
}

async fn the_one(
    session: &Session<'_>,
    identifier: &str,
    request: Request,
    what: &str,
) -> Result<Uuid, Failure> {
    if let Ok(id) = Uuid::try_parse(identifier.trim()) {
        return Ok(id);
    }
    let found = session.list(&request, false).await?;
    let [one] = found.items() else {
        let called = escape(identifier);
        return Err(Failure::Failed(format!("no {what} is called {called}; see keywright {what} list")));
    };
    Uuid::try_parse(text(one, "id"))
        .map_err(|_| Failure::Failed("the API answered with an object that has no id".to_owned()))
}
