//! `keywright token show`.

use clap::Args;

use super::super::failure::Outcome;
use super::super::session::Session;
use super::super::transport::Request;
use super::resolve::{self, Identifier};

/// Show one token.
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    token: Identifier,
}

impl Show {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = resolve::path(session, &self.token.identifier).await?;
        let answer = session.ask(&Request::get(path)).await?;
        session.show(&answer)
    }
}
