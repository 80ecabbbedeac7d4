//! `keywright status`, `keywright health`, `keywright me`.

use serde_json::Value;

use super::failure::{Failure, Outcome};
use super::output::details::{details, text};
use super::session::Session;
use super::transport::Request;

/// How the whole authority fares.
pub(crate) async fn status(session: &Session<'_>) -> Outcome {
    let answer = session.ask(&Request::get("/system/status")).await?;
    session.show(&answer)
}

/// Who the caller is, and what it may do.
pub(crate) async fn me(session: &Session<'_>) -> Outcome {
    let answer = session.ask(&Request::get("/auth/me")).await?;
    session.show(&answer)
}

/// Whether verification is able to answer. An authority that is not says so in the same words, with
/// another status.
pub(crate) async fn health(session: &Session<'_>) -> Outcome {
    let output = session.output;
    let answer = session.api.send(&Request::get("/auth/health")).await?;
    let is_health = answer.json.get("verification_able").is_some_and(Value::is_boolean);
    if !is_health {
        return Err(Failure::Refused(Box::new(answer)));
    }
    if output.json {
        output.answer(&answer)?;
    } else if output.quiet {
        output.line(text(&answer.json, "status"))?;
    } else {
        output.table(&details(&answer.json, output.now))?;
    }
    let able = answer.status.is_success() && answer.json["verification_able"] == Value::Bool(true);
    if able { Ok(()) } else { Err(Failure::Found) }
}
