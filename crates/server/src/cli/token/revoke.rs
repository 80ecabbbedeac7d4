//! `keywright token revoke`.

use clap::Args;

use super::super::failure::Outcome;
use super::super::session::Session;
use super::super::transport::Request;
use super::resolve::IdentifierOrSelf;

/// Revoke a token.
#[derive(Args, Debug)]
pub(crate) struct Revoke {
    #[command(flatten)]
    token: IdentifierOrSelf,

    /// Why; it is shown with the token and in the audit trail
    #[arg(long)]
    reason: String,
}

impl Revoke {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let (path, name) = self.token.path(session).await?;
        // A token that revoked itself could not ask twice: the refusal would look like a failure.
        let request = Request::delete(path).with("reason", &self.reason).repeatable(!self.token.itself);
        let answer = session.ask(&request).await?;
        if session.output.json {
            return session.output.answer(&answer);
        }
        session.output.note(&format!("revoked {name}"));
        Ok(())
    }
}
