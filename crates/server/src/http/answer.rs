//! Answers: objects, and problems on their way out.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use keywright_api::problem::{FieldCode, FieldError, Problem};
use keywright_api::problem_code::{ProblemCode, Refusal};
use keywright_api::{WireEnum, verify::DenialCode};
use keywright_authority::Fault;
use serde::Serialize;
use tracing::error;

use super::etag;

/// A request that was not carried out. The [outer layer](super::outer) gives it its request id.
#[derive(Clone, Debug)]
pub struct Refused(pub Problem, Option<LateDenial>);

/// The door let the caller in, but by the time of the change its credential was not accepted any more:
/// the one refusal of a credential that the [gate](super::gate) has not recorded.
#[derive(Clone, Copy, Debug)]
pub struct LateDenial(pub keywright_core::DenialCode);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem, None)
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        let late = if let Fault::Denied(denial) = &fault { Some(LateDenial(denial.code)) } else { None };
        Self(problem(fault), late)
    }
}

impl Refused {
    /// A refusal that its handler has recorded itself.
    pub fn recorded(fault: Fault) -> Self {
        Self(problem(fault), None)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self.0);
        if let Some(late) = self.1 {
            response.extensions_mut().insert(late);
        }
        response
    }
}

/// The one place in which a fault of a use case becomes a problem document.
fn problem(fault: Fault) -> Problem {
    let words = stated(&fault).or_else(|| at_login(&fault)).or_else(|| stated_of_accounts(&fault));
    if let Some((code, detail)) = words {
        return Problem::new(code, detail);
    }
    match fault {
        Fault::Denied(denial) => {
            let missing: Vec<_> = denial.missing_scopes.iter().map(keywright_core::Scope::as_str).collect();
            denied(denial.code, &missing)
        }
        Fault::ScopeExceedsGrantor { detail, .. } => Problem::new(Refusal::ScopeExceedsGrantor, detail),
        Fault::TooManyTokens(most) => Problem::new(
            Refusal::TooManyTokens,
            format!("There are {most} live tokens already, the most that there may be. Revoke one first."),
        ),
        Fault::TooManyObjects { most, what } => Problem::new(
            Refusal::TooManyObjects,
            format!("There are {most} {what} already, the most that a publisher may have. Delete one first."),
        ),
        Fault::TooManyAttempts { retry_after_seconds } => {
            Problem::new(Refusal::TooManyAttempts, "Too many attempts failed. Try again later.")
                .retry_after(retry_after_seconds)
        }
        Fault::Invalid(faults) => Problem::of_fields(
            faults.into_iter().map(|f| FieldError::new(f.field, FieldCode::OutOfRange, f.detail)).collect(),
        ),
        Fault::Unavailable(reason) => {
            error!(%reason, "a request found the store away");
            Problem::new(Refusal::Unavailable, "The store cannot be reached. Nothing was changed.")
        }
        Fault::OutcomeUnknown(reason) => {
            error!(%reason, "a request was cut off from the store while it committed");
            Problem::new(
                Refusal::OutcomeUnknown,
                "The store was lost while it committed. Repeat the request with the same Idempotency-Key, or look.",
            )
        }
        other => {
            error!(reason = %other, "a request failed");
            Problem::new(Refusal::InternalError, "Something went wrong here; the log has the details.")
        }
    }
}

/// Faults that always say the same.
fn stated(fault: &Fault) -> Option<(Refusal, &'static str)> {
    Some(match fault {
        Fault::NotFound => (Refusal::NotFound, "There is no such object."),
        Fault::PublisherRequired => (
            Refusal::PublisherRequired,
            "Name the publisher that this is about in the header X-Publisher-Id.",
        ),
        Fault::NameTaken => {
            (Refusal::NameTaken, "This name is taken. Choose another, or end the one that bears it first.")
        }
        Fault::EmailTaken => (Refusal::EmailTaken, "Another account has this address."),
        Fault::InUse => (Refusal::InUse, "Something still depends on it."),
        Fault::LastAdministrator => (
            Refusal::LastAdministrator,
            "Nobody would be left to administer. Make somebody else an administrator first.",
        ),
        Fault::AlreadyMember => (Refusal::AlreadyMember, "The user is a member already."),
        Fault::BuiltInRole => (
            Refusal::BuiltInRole,
            "A built-in role keeps its name and stays; only publisher_editor can be given more permissions.",
        ),
        Fault::AlreadyRevoked => (Refusal::AlreadyRevoked, "It is revoked; nothing about it can change."),
        Fault::AlertResolved => {
            (Refusal::AlertResolved, "It is over. If its cause comes back, another alert is opened.")
        }
        Fault::RotationInProgress => (
            Refusal::RotationInProgress,
            "It has been rotated already, or is being rotated now. Rotate the credential that replaced it.",
        ),
        Fault::PolicyExists => (Refusal::PolicyExists, "There is a policy on this already; change that one."),
        Fault::RotationOver => {
            (Refusal::RotationOver, "The rotation is past the point at which this can be decided.")
        }
        Fault::NothingToRollBackTo => (
            Refusal::NothingToRollBackTo,
            "The old token does not work any more; the new one is all there is.",
        ),
        Fault::NotRotatable => {
            (Refusal::NotRotatable, "It is revoked or expired. Create a new credential instead.")
        }
        Fault::PreconditionFailed => {
            (Refusal::PreconditionFailed, "It has changed since. Read it again and repeat the change.")
        }
        Fault::IdempotencyMismatch => (
            Refusal::IdempotencyMismatch,
            "This Idempotency-Key was used for another request. Use a new key for a new request.",
        ),
        Fault::IdempotencyInProgress => (
            Refusal::IdempotencyInProgress,
            "The first request with this Idempotency-Key is still running. Repeat this one in a moment.",
        ),
        Fault::AlreadyBootstrapped => {
            (Refusal::AlreadyBootstrapped, "A usable token with all permissions exists already.")
        }
        Fault::NotConfigured(detail) => (Refusal::NotConfigured, detail),
        // With words of their own, or further down.
        _ => return None,
    })
}

/// The same about accounts of people.
fn stated_of_accounts(fault: &Fault) -> Option<(Refusal, &'static str)> {
    Some(match fault {
        Fault::LinkNotUsable => (
            Refusal::LinkNotUsable,
            "The link was used already, was replaced by a newer one, or has ended. Ask for another.",
        ),
        Fault::NotInvited => (
            Refusal::NotInvited,
            "The invitation was accepted, or the user is disabled: there is nothing to invite to.",
        ),
        Fault::UserRequired => (
            Refusal::UserRequired,
            "This is about a person's own account: log in, and call with the access token.",
        ),
        Fault::PersonalTokensNotAllowed => {
            (Refusal::PersonalTokensNotAllowed, "The publisher lets nobody use personal tokens within it.")
        }
        Fault::MailNotConfigured => (
            Refusal::MailNotConfigured,
            "This server cannot send mail: set server.public_url, mail.from, and mail.smtp_url or mail.folder.",
        ),
        _ => return None,
    })
}

/// The same of logins and refresh tokens.
fn at_login(fault: &Fault) -> Option<(Refusal, &'static str)> {
    Some(match fault {
        Fault::InvalidCredentials => {
            (Refusal::InvalidCredentials, "The address and the password do not belong together.")
        }
        Fault::EmailUnverified => (
            Refusal::EmailUnverified,
            "The address is not verified. Open the link in the mail that you were sent, or ask for another.",
        ),
        Fault::DomainNotAllowed => {
            (Refusal::DomainNotAllowed, "The publisher lets no address of this domain log in.")
        }
        Fault::RefreshReused => (
            Refusal::RefreshReused,
            "This refresh token was used before, so its session has ended. Log in again.",
        ),
        _ => return None,
    })
}

/// The problem of a denied credential.
pub fn denied(code: keywright_core::DenialCode, missing: &[&str]) -> Problem {
    let wire = DenialCode::from_word(code.as_str()).unwrap_or(DenialCode::NotFound);
    let detail = match code {
        keywright_core::DenialCode::InsufficientScope => {
            format!("The credential does not carry {}.", missing.join(", "))
        }
        _ => "The credential was not accepted.".to_owned(),
    };
    Problem::new(wire, detail)
}

/// An object.
pub fn json<T: Serialize>(status: StatusCode, object: &T) -> Response {
    match serde_json::to_vec(object) {
        Ok(body) => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(reason) => Refused::from(Fault::Internal(reason.to_string())).into_response(),
    }
}

/// The same, never to be kept by a cache: there is a secret in it, or a decision.
pub fn json_no_store<T: Serialize>(status: StatusCode, object: &T) -> Response {
    let mut response = json(status, object);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a `POST` on a collection made, or makes known again for an idempotency key; `path` is its own, below
/// the base path.
pub fn created<T: Serialize>(object: &T, version: u64, path: &str, repeated: bool) -> Response {
    let mut response = json_no_store(StatusCode::CREATED, object);
    etag::put(&mut response, version);
    if let Ok(location) = HeaderValue::from_str(&format!("{}{path}", super::BASE)) {
        response.headers_mut().insert(LOCATION, location);
    }
    if repeated {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}

/// An object at its version.
pub fn object<T: Serialize>(object: &T, version: u64) -> Response {
    let mut response = json_no_store(StatusCode::OK, object);
    etag::put(&mut response, version);
    response
}

/// The headers that go with a problem.
pub fn problem_headers(problem: &Problem) -> impl Iterator<Item = (http::HeaderName, HeaderValue)> {
    let code = problem.known_code();
    let challenge =
        (problem.status == 401 || code.and_then(ProblemCode::bearer_error).is_some()).then(|| {
            let error = code.and_then(ProblemCode::bearer_error).map(|error| format!(", error=\"{error}\""));
            let text = format!("Bearer realm=\"keywright\"{}", error.unwrap_or_default());
            HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("Bearer"))
        });
    let seconds = problem.retry_after_seconds.unwrap_or(1);
    let retry = matches!(problem.status, 429 | 503).then(|| HeaderValue::from(seconds));
    // The rest of the body was not read: nothing that follows on this connection could be told apart.
    let ends = matches!(problem.status, 408 | 413).then(|| HeaderValue::from_static("close"));
    [
        Some((CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))),
        Some((CACHE_CONTROL, HeaderValue::from_static("no-store"))),
        challenge.map(|value| (WWW_AUTHENTICATE, value)),
        retry.map(|value| (RETRY_AFTER, value)),
        ends.map(|value| (CONNECTION, value)),
    ]
    .into_iter()
    .flatten()
}

/// A problem as bytes, for a request.
pub fn problem_body(problem: Problem, request_id: &str) -> Vec<u8> {
    serde_json::to_vec(&problem.for_request(request_id)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_denial_of_the_core_has_its_word_on_the_wire() {
        for code in keywright_core::DenialCode::ALL {
            assert!(DenialCode::from_word(code.as_str()).is_some(), "{code:?}");
        }
    }
}
