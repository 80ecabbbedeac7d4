//! The answers of a gate that lets a request not pass: problem documents (RFC 9457), or for gRPC a status.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use keywright_api::WireEnum;
use keywright_api::problem::{PROBLEM_JSON, Problem};
use keywright_api::problem_code::{ProblemCode, Refusal};
use keywright_api::verify::{Denial, DenialCode, RateLimit, RateWindow};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::transport::REQUEST_ID;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// What `grpc-message` encodes: all but visible ASCII and the space, and the percent sign.
const MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

/// Whether a request is one of gRPC.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return false };
    let Some(rest) = value.as_bytes().strip_prefix(b"application/grpc") else { return false };
    matches!(rest.first(), None | Some(b'+' | b';'))
}

/// No credential.
pub(crate) fn missing() -> Problem {
    Problem::new(Refusal::MissingCredential, "Send a credential as Authorization: Bearer CREDENTIAL.")
}

/// Two different ones.
pub(crate) fn conflicting() -> Problem {
    Problem::new(Refusal::ConflictingCredentials, "The headers carry different credentials; send one.")
}

/// There is no decision.
pub(crate) fn undecided(journal: bool, retry_after_seconds: Option<u64>) -> Problem {
    let (code, detail) = if journal {
        (Refusal::JournalUnavailable, "Decisions cannot be recorded at the moment, so none is given.")
    } else {
        (Refusal::Unavailable, "The answer cannot be known at the moment.")
    };
    Problem::new(code, detail).retry_after(retry_after_seconds.unwrap_or(1))
}

/// A denied credential.
pub(crate) fn denied(denial: &Denial) -> Problem {
    match denial.code {
        DenialCode::InsufficientScope => {
            let missing = denial.missing_scopes.as_deref().unwrap_or_default().join(", ");
            Problem::new(denial.code, format!("The credential does not carry {missing}."))
        }
        DenialCode::RateLimited => {
            let seconds = denial.rate_limit.map_or(1, |limit| limit.reset_seconds.max(1));
            let of = denial.rate_limit.map_or(String::new(), |limit| {
                format!(": {} in any {} are allowed", limit.limit, limit.window.as_str())
            });
            let detail = format!(
                "The credential, its account or its publisher was used too often{of}. Try again in {seconds} s."
            );
            Problem::new(denial.code, detail).retry_after(seconds.into())
        }
        code => Problem::new(code, "The credential was not accepted."),
    }
}

/// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11), unless the answer has its own.
pub(crate) fn put_limit(headers: &mut HeaderMap, limit: &RateLimit) {
    let name = limit.window.as_str();
    let seconds = match limit.window {
        RateWindow::Minute => 60,
        RateWindow::Hour => 3_600,
    };
    let policy = format!("\"{name}\";q={};w={seconds}", limit.limit);
    let state = format!("\"{name}\";r={};t={}", limit.remaining, limit.reset_seconds);
    if headers.contains_key(LIMIT_POLICY) || headers.contains_key(LIMIT) {
        return;
    }
    for (name, text) in [(LIMIT_POLICY, policy), (LIMIT, state)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
}

/// The whole answer to a request that does not pass.
pub(crate) fn answer(problem: &Problem, grpc: bool) -> Response<Full<Bytes>> {
    let mut response = if grpc { of_grpc(problem) } else { of_http(problem) };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::try_from(problem.request_id.as_str()) {
        headers.insert(REQUEST_ID, value);
    }
    if matches!(problem.status, 429 | 503) {
        headers.insert(RETRY_AFTER, HeaderValue::from(problem.retry_after_seconds.unwrap_or(1)));
    }
    response
}

fn of_http(problem: &Problem) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(serde_json::to_vec(problem).unwrap_or_default().into()));
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    let error = problem.known_code().and_then(ProblemCode::bearer_error);
    if problem.status == 401 || error.is_some() {
        let error = error.map(|error| format!(", error=\"{error}\"")).unwrap_or_default();
        let text = format!("Bearer realm=\"keywright\"{error}");
        let challenge = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer"));
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// A status without a message, all in the headers.
fn of_grpc(problem: &Problem) -> Response<Full<Bytes>> {
    // INVALID_ARGUMENT, UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED; else UNAVAILABLE.
    let status = match problem.status {
        400 => "3",
        401 => "16",
        403 => "7",
        429 => "8",
        _ => "14",
    };
    let mut response = Response::new(Full::default());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, HeaderValue::from_static(status));
    let message = format!("{} ({}): {}", problem.title, problem.code, problem.detail);
    if let Ok(value) = HeaderValue::try_from(utf8_percent_encode(&message, MESSAGE).to_string()) {
        headers.insert(GRPC_MESSAGE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_grpc_is_answered_as_grpc() {
        let of = |text: &'static str| {
            is_grpc(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(text))]))
        };
        assert!(
            of("application/grpc") && of("application/grpc+proto") && of("application/grpc;charset=utf-8")
        );
        assert!(!of("application/grpc-web") && !of("application/json") && !is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn each_denial_has_the_status_of_the_contract_over_http_and_over_grpc() {
        for (code, http, grpc, challenge) in [
            (DenialCode::Malformed, 401, "16", Some("invalid_token")),
            (DenialCode::NotFound, 401, "16", Some("invalid_token")),
            (DenialCode::Revoked, 401, "16", Some("invalid_token")),
            (DenialCode::Expired, 401, "16", Some("invalid_token")),
            (DenialCode::Inactive, 401, "16", Some("invalid_token")),
            (DenialCode::PrincipalDisabled, 401, "16", Some("invalid_token")),
            (DenialCode::PublisherSuspended, 401, "16", Some("invalid_token")),
            (DenialCode::IpNotAllowed, 403, "7", None),
            (DenialCode::WrongPublisher, 403, "7", None),
            (DenialCode::RateLimited, 429, "8", None),
            (DenialCode::InsufficientScope, 403, "7", Some("insufficient_scope")),
        ] {
            let problem = denied(&Denial::bare(code, "r-1"));
            let over_http = answer(&problem, false);
            assert_eq!(over_http.status().as_u16(), http, "{code:?}");
            let told = over_http.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap());
            assert_eq!(told.is_some(), challenge.is_some(), "{code:?}");
            assert!(challenge.is_none_or(|error| told.unwrap().ends_with(&format!("error=\"{error}\""))));
            assert_eq!(over_http.headers().contains_key(RETRY_AFTER), http == 429);
            let over_grpc = answer(&problem, true);
            assert_eq!(
                (over_grpc.status(), &over_grpc.headers()[GRPC_STATUS]),
                (StatusCode::OK, &grpc.parse().unwrap())
            );
        }
        assert_eq!(answer(&undecided(false, Some(7)), false).headers()[RETRY_AFTER], "7");
        assert_eq!(answer(&undecided(true, None), true).headers()[GRPC_STATUS], "14");
        assert_eq!(answer(&conflicting(), true).headers()[GRPC_STATUS], "3");
        assert_eq!(answer(&missing(), false).headers()[WWW_AUTHENTICATE], "Bearer realm=\"keywright\"");
    }

    #[test]
    fn what_a_denial_tells_cannot_break_out_of_a_header() {
        let mut denial = Denial::bare(DenialCode::InsufficientScope, "r-1");
        denial.missing_scopes = Some(vec!["a\r\nset-cookie: b=1".to_owned(), "ä%".to_owned()]);
        let response = answer(&denied(&denial), true);
        let message = response.headers()[GRPC_MESSAGE].to_str().unwrap();
        assert!(message.contains("a%0D%0Aset-cookie") && message.contains("%C3%A4%25"), "{message}");
    }
}
