//! Errors by RFC 6749 §5.2, with the challenges of RFC 7617 and RFC 6750.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use keywright_api::oauth::{OAuthError, OAuthErrorCode};
use keywright_api::problem::Problem;
use keywright_api::problem_code::ProblemCode;
use keywright_api::verify::DenialCode;

use crate::http::answer::json_no_store;

/// How a caller says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As a client: its id, and a service token.
    Client,
    /// By a credential.
    Bearer,
}

/// A request that is not carried out.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: OAuthErrorCode,
    description: Cow<'static, str>,
    challenge: Option<&'static str>,
    retry_after_seconds: Option<u64>,
    /// The rest of the body was not read.
    ends: bool,
}

const AS_CLIENT: &str = "Basic realm=\"keywright\", charset=\"UTF-8\"";
const BY_TOKEN: &str = "Bearer realm=\"keywright\", error=\"invalid_token\"";
const BY_SCOPE: &str = "Bearer realm=\"keywright\", error=\"insufficient_scope\"";

impl Refusal {
    pub(super) fn new(error: OAuthErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        let (status, challenge) = match error {
            OAuthErrorCode::InvalidClient => (StatusCode::UNAUTHORIZED, Some(AS_CLIENT)),
            OAuthErrorCode::InvalidToken => (StatusCode::UNAUTHORIZED, Some(BY_TOKEN)),
            OAuthErrorCode::InsufficientScope => (StatusCode::FORBIDDEN, Some(BY_SCOPE)),
            OAuthErrorCode::AccessDenied => (StatusCode::FORBIDDEN, None),
            OAuthErrorCode::TemporarilyUnavailable => (StatusCode::SERVICE_UNAVAILABLE, None),
            OAuthErrorCode::ServerError => (StatusCode::INTERNAL_SERVER_ERROR, None),
            OAuthErrorCode::InvalidRequest
            | OAuthErrorCode::InvalidGrant
            | OAuthErrorCode::UnsupportedGrantType
            | OAuthErrorCode::InvalidScope
            | OAuthErrorCode::UnsupportedTokenType => (StatusCode::BAD_REQUEST, None),
        };
        let description = description.into();
        Self { status, error, description, challenge, retry_after_seconds: None, ends: false }
    }

    /// The request is not what it must be.
    pub(super) fn bad_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(OAuthErrorCode::InvalidRequest, description)
    }

    /// There is no form of the answer that the client accepts.
    pub(super) fn not_acceptable(description: &'static str) -> Self {
        Self { status: StatusCode::NOT_ACCEPTABLE, ..Self::bad_request(description) }
    }

    /// A fault of ours.
    pub(super) fn ours(description: &'static str) -> Self {
        Self::new(OAuthErrorCode::ServerError, description)
    }

    /// What the API would have answered, in the form of these doors.
    pub(super) fn of(problem: &Problem, way: Way) -> Self {
        let denial = match problem.known_code() {
            Some(ProblemCode::Denied(code)) => Some(code),
            _ => None,
        };
        match problem.status {
            429 => Self::later(problem, StatusCode::TOO_MANY_REQUESTS),
            503 => Self::later(problem, StatusCode::SERVICE_UNAVAILABLE),
            408 | 413 => {
                let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_REQUEST);
                let described = Self::bad_request("The body is too large, or did not arrive in time.");
                Self { status, ends: true, ..described }
            }
            400 => Self::bad_request("The request is broken, or says in more than one way who calls."),
            401 | 403 => Self::denied(denial, way, problem.status),
            _ => Self::ours("Something went wrong here; the log has the details."),
        }
    }

    fn denied(denial: Option<DenialCode>, way: Way, status: u16) -> Self {
        match (denial, way) {
            (Some(DenialCode::InsufficientScope), _) => Self::new(
                OAuthErrorCode::InsufficientScope,
                "The caller does not carry the permission that this needs.",
            ),
            (_, Way::Client) => Self::new(
                OAuthErrorCode::InvalidClient,
                "Say who you are: the id of a service account, and a service token of it that is accepted.",
            ),
            (_, Way::Bearer) if status == 403 => Self::new(
                OAuthErrorCode::AccessDenied,
                "The credential may not be used from here, or for this.",
            ),
            (_, Way::Bearer) => {
                Self::new(OAuthErrorCode::InvalidToken, "The credential of the request is not accepted.")
            }
        }
    }

    fn later(problem: &Problem, status: StatusCode) -> Self {
        let described = match status {
            StatusCode::TOO_MANY_REQUESTS => "The credential was used too often.",
            _ => "The answer cannot be given at the moment, and nothing was changed as far as is known.",
        };
        let unavailable = Self::new(OAuthErrorCode::TemporarilyUnavailable, described);
        Self { status, retry_after_seconds: problem.retry_after_seconds, ..unavailable }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = OAuthError { error: self.error, error_description: self.description.into_owned() };
        let mut response = json_no_store(self.status, &error);
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(RETRY_AFTER, HeaderValue::from(self.retry_after_seconds.unwrap_or(1)));
        }
        if self.ends {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::gate;

    #[test]
    fn no_description_has_a_character_that_must_not_be_in_one() {
        let conflicting = gate::conflicting();
        let all = [&conflicting, &gate::missing(), &gate::unavailable()]
            .map(|problem| [Way::Client, Way::Bearer].map(|way| Refusal::of(problem, way)));
        for refusal in all.iter().flatten() {
            // RFC 6749 §5.2.
            let good = |c: char| matches!(c, ' '..='!' | '#'..='[' | ']'..='~');
            assert!(refusal.description.chars().all(good), "{}", refusal.description);
        }
    }

    #[test]
    fn what_cannot_be_known_is_never_a_bad_client() {
        for way in [Way::Client, Way::Bearer] {
            let refusal = Refusal::of(&gate::unavailable(), way);
            assert_eq!(
                (refusal.status, refusal.error),
                (StatusCode::SERVICE_UNAVAILABLE, OAuthErrorCode::TemporarilyUnavailable)
            );
        }
    }
}
