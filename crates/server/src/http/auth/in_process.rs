//! Verification for a service in whose process the node runs (`crates/embedded`): the very path of
//! [`verify`](super::verify), without HTTP.

use std::sync::OnceLock;

use http::HeaderMap;
use keywright_api::problem::{FieldCode, FieldError, Problem};
use keywright_api::problem_code::{ProblemCode, Refusal};
use keywright_api::verify::{Decision, Denial, RateLimit, ValidDecision};
use keywright_api::verify_request::MAX_COST;
use keywright_core::{DenialCode, address};
use keywright_verify::Known;
use keywright_verify::journal::Writer;

pub use super::verification::Question;
use super::verification::{Asked, Told, Verification};
use super::verify_write;
use crate::http::gate::unavailable;
use crate::http::look_up::Verdict;
use crate::http::shown::shown;
use crate::http::{App, limits};

/// A decision, which is on record.
#[derive(Clone, Debug)]
pub enum Judged {
    /// The credential is valid, and carries what is wanted; what became of its limits, if it has any.
    Valid(Known, Option<RateLimit>),
    /// It is not, or does not.
    Denied(Box<Denial>),
}

/// Why there is no decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Undecided {
    /// It cannot be asked for so.
    Refused(Box<Problem>),
    /// It cannot be recorded.
    Unrecorded,
    /// What it needs is not known now.
    Unavailable,
}

impl From<Problem> for Undecided {
    fn from(problem: Problem) -> Self {
        let unrecorded = ProblemCode::from(Refusal::JournalUnavailable);
        if problem.known_code() == Some(unrecorded) { Self::Unrecorded } else { Self::Unavailable }
    }
}

/// Decides on the credential of a request that has this id, and records that.
///
/// # Errors
/// When there is no decision.
pub async fn decide(
    app: &App,
    writer: &Writer,
    (credential, request_id): (&str, &str),
    question: Question<'_>,
) -> Result<Judged, Undecided> {
    if question.cost > MAX_COST {
        return Err(Undecided::Refused(Box::new(too_costly())));
    }
    // One reading of the clock serves a decision that hits the cache.
    let now = app.authority().clock().boot_micros();
    let question = plain(question);
    let headers = HeaderMap::new();
    let asked = Asked {
        request_id: shown(request_id),
        ip_address: question.ip_address,
        at: now,
        headers: &headers,
        path: "",
        operator: false,
        limiter: app.limiter(),
        taken: OnceLock::new(),
    };
    let verification = Verification { app, writer, asked: &asked, now };
    Ok(verification.decide(credential.as_bytes(), &question, None).await?)
}

/// As the door says it.
fn too_costly() -> Problem {
    let detail = format!("must be from 0 to {MAX_COST}");
    Problem::of_fields(vec![FieldError::new("cost", FieldCode::OutOfRange, detail)])
}

/// The same as it may be kept, and as addresses are compared.
fn plain(question: Question<'_>) -> Question<'_> {
    Question {
        ip_address: question.ip_address.map(address::canonical),
        user_agent: question.user_agent.map(shown),
        method: question.method.map(shown),
        endpoint: question.endpoint.map(shown),
        cloudflare_ray_id: question.cloudflare_ray_id.map(shown),
        ..question
    }
}

/// What is told of a credential that was accepted, but for its limits and the request: the same each time, as long as
/// the same is known of it. It is what the doors write, read as a client reads it.
pub fn told(known: &Known) -> Option<ValidDecision> {
    let accepted = Verdict { decision: Ok(()), taken: None };
    match serde_json::from_slice(&verify_write::known(known, &accepted, "")) {
        Ok(Decision::Valid(valid)) => Some(*valid),
        Ok(Decision::Denied(_)) | Err(_) => None,
    }
}

impl Told for Judged {
    fn known(known: Known, verdict: &Verdict, request_id: &str) -> Result<Self, Problem> {
        match &verdict.decision {
            Ok(()) => Ok(Self::Valid(known, verdict.taken.map(|taken| limits::state(&taken.tightest)))),
            Err(_) => denied(&verify_write::known(&known, verdict, request_id)),
        }
    }

    fn bare(code: DenialCode, request_id: &str) -> Result<Self, Problem> {
        denied(&verify_write::bare(code.as_str(), request_id))
    }
}

/// A denial as the doors write it, read as a client reads it: so it is the same.
fn denied(json: &[u8]) -> Result<Judged, Problem> {
    match serde_json::from_slice(json) {
        Ok(Decision::Denied(denial)) => Ok(Judged::Denied(denial)),
        Ok(Decision::Valid(_)) | Err(_) => Err(unavailable()),
    }
}
