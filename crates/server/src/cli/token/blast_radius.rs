//! `keywright token blast-radius`.

use clap::Args;

use super::super::failure::Outcome;
use super::super::session::Session;
use super::super::transport::Request;
use super::resolve::{self, Identifier};

/// What a token could do, and did: what to look through after a leak.
#[derive(Args, Debug)]
pub(crate) struct BlastRadius {
    #[command(flatten)]
    token: Identifier,

    /// From the hour of this moment on, such as 2027-01-31T12:00:00Z; since the token was made without
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

impl BlastRadius {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let path = resolve::path(session, &self.token.identifier).await?;
        let mut request = Request::get(format!("{path}/blast-radius"));
        if let Some(since) = &self.since {
            request = request.with("since", since.clone());
        }
        let answer = session.ask(&request).await?;
        session.show(&answer)
    }
}
