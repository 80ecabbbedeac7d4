//! `keywright role …`: what members of a publisher may do.

mod create;
mod delete;
mod list;
mod show;
mod update;

use clap::{Args, Subcommand};

use super::failure::{Failure, Outcome};
use super::resolve;
use super::session::Session;

/// Verbs on roles.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Make a role; its id is printed
    Create(create::Create),
    /// List roles, newest first
    List(list::List),
    /// Show one role
    Show(show::Show),
    /// Change a role's name, description or permissions
    Update(update::Update),
    /// Delete a role that nobody holds
    Delete(delete::Delete),
}

impl Command {
    /// Does it.
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        match self {
            Self::Create(command) => command.run(session).await,
            Self::List(command) => command.run(session).await,
            Self::Show(command) => command.run(session).await,
            Self::Update(command) => command.run(session).await,
            Self::Delete(command) => command.run(session).await,
        }
    }
}

/// Which role.
#[derive(Args, Debug)]
struct Identifier {
    /// The role's name or id
    #[arg(long, value_name = "NAME|ID")]
    identifier: String,

    /// The publisher that it belongs to, by its name or id; needed where several have a role of that name
    #[arg(long, value_name = "NAME|ID")]
    publisher: Option<String>,
}

impl Identifier {
    /// Its path in the API.
    async fn path(&self, session: &Session<'_>) -> Result<String, Failure> {
        let publisher = resolve::publisher_if_named(session, self.publisher.as_deref()).await?;
        let id = resolve::role(session, publisher, &self.identifier).await?;
        Ok(format!("/roles/{id}"))
    }
}
