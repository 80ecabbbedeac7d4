//! `keywright account …`: service accounts.

mod act;
mod bounds;
mod create;
mod list;
mod tokens;
mod update;
mod usage;

use clap::{Args, Subcommand};

use super::failure::{Failure, Outcome};
use super::resolve;
use super::session::Session;

/// Where service accounts live in the API.
const PATH: &str = "/service-accounts";

/// Which account.
#[derive(Args, Debug)]
struct Identifier {
    /// The account's name or id
    #[arg(long, value_name = "NAME|ID")]
    identifier: String,
}

impl Identifier {
    /// The account's path in the API.
    async fn path(&self, session: &Session<'_>) -> Result<String, Failure> {
        Ok(format!("{PATH}/{}", resolve::account(session, &self.identifier).await?))
    }
}

/// Verbs on service accounts.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Make an account; its tokens are made by `token create --service-account`
    Create(create::Create),
    /// List accounts, newest first
    List(list::List),
    /// Show one account
    Show(act::Show),
    /// Change an account, and with it at once what its tokens may do
    Update(update::Update),
    /// Switch an account off: none of its tokens is accepted
    Disable(act::Disable),
    /// Switch an account on again
    Enable(act::Enable),
    /// Delete an account; its tokens are revoked
    Delete(act::Delete),
    /// List the tokens of an account, newest first
    Tokens(tokens::Tokens),
    /// Replace the secrets of all active tokens of an account; the old ones work on for a grace period
    RotateTokens(tokens::RotateTokens),
    /// Revoke all tokens of an account, for good and at once
    RevokeTokens(tokens::RevokeTokens),
    /// How the tokens of an account were used
    Usage(usage::Usage),
}

impl Command {
    /// Does it.
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        match self {
            Self::Create(command) => command.run(session).await,
            Self::List(command) => command.run(session).await,
            Self::Show(command) => command.run(session).await,
            Self::Update(command) => command.run(session).await,
            Self::Disable(command) => command.run(session).await,
            Self::Enable(command) => command.run(session).await,
            Self::Delete(command) => command.run(session).await,
            Self::Tokens(command) => command.run(session).await,
            Self::RotateTokens(command) => command.run(session).await,
            Self::RevokeTokens(command) => command.run(session).await,
            Self::Usage(command) => command.run(session).await,
        }
    }
}
