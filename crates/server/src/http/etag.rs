//! Entity tags: the version of an object (RFC 9110 §8.8, §13.1).

use http::header::{ETAG, IF_MATCH};
use http::{HeaderMap, HeaderValue, Response};
use keywright_api::problem::Problem;
use keywright_api::problem_code::Refusal;

/// Puts the tag on an answer.
pub fn put<B>(response: &mut Response<B>, version: u64) {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, value);
    }
}

/// The version that a change expects; none when any will do.
///
/// # Errors
/// 412 for tags that no version of ours has: weak ones, or others' words.
pub fn expected(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let tag = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match tag.and_then(|tag| tag.parse().ok()) {
        Some(version) => Ok(Some(version)),
        None => Err(Problem::new(Refusal::PreconditionFailed, "If-Match names no version of this object.")),
    }
}
