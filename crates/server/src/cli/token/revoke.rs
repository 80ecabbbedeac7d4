//! `keywright token revoke`.

use clap::Args;

use super::super::failure::Outcome;
use super::super::output::details::text;
use super::super::output::text::escape;
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
        let request =
            Request::delete(path.clone()).with("reason", &self.reason).repeatable(!self.token.itself);
        let answer = session.ask(&request).await?;
        if session.output.json {
            return session.output.answer(&answer);
        }
        session.output.note(&format!("revoked {name}"));
        if let Some(predecessor) = predecessor(session, &path).await {
            session.output.note(&predecessor);
        }
        Ok(())
    }
}

/// A token that took another's place leaves that one working through its grace: whoever revokes the
/// new one in an incident wants to know. A caller that may not look is told nothing.
async fn predecessor(session: &Session<'_>, path: &str) -> Option<String> {
    let token = session.ask(&Request::get(path)).await.ok()?.json;
    let id = text(&token, "rotated_from_id");
    let old = session.ask(&Request::get(format!("{}/{id}", super::PATH))).await.ok()?.json;
    (!id.is_empty() && text(&old, "status") == "superseded").then(|| {
        format!(
            "the token that it replaced, {}, works until {}; revoke it as well if its secret is not safe",
            escape(text(&old, "token_name")),
            escape(text(&old, "grace_expires_at"))
        )
    })
}
