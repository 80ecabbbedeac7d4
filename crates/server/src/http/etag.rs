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

/// The versions of which a change expects one; none when any will do. Several headers are one list (RFC 9110 §5.3).
///
/// # Errors
/// 412 where none of the tags is one that a version of ours has: weak ones match nothing here (RFC 9110 §13.1.1), nor
/// does another spelling of a number.
pub fn expected(headers: &HeaderMap) -> Result<Option<Box<[u64]>>, Problem> {
    let mut values =
        headers.get_all(IF_MATCH).iter().map(|value| value.to_str().unwrap_or_default()).peekable();
    if values.peek().is_none() {
        return Ok(None);
    }
    let mut versions = Vec::new();
    for value in values {
        if value.trim() == "*" {
            return Ok(None);
        }
        versions.extend(value.split(',').filter_map(version));
    }
    if versions.is_empty() {
        return Err(Problem::new(Refusal::PreconditionFailed, "If-Match names no version of this object."));
    }
    Ok(Some(versions.into()))
}

/// The version that has this tag.
fn version(tag: &str) -> Option<u64> {
    let digits = tag.trim().strip_prefix('"')?.strip_suffix('"')?;
    digits.parse().ok().filter(|version: &u64| version.to_string() == digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Result<Option<Vec<u64>>, Problem> {
        let pairs = values.iter().map(|value| (IF_MATCH, HeaderValue::from_bytes(value.as_bytes()).unwrap()));
        expected(&pairs.collect()).map(|versions| versions.map(Vec::from))
    }

    #[test]
    fn a_change_expects_one_of_the_versions_that_are_named() {
        for any in [&[][..], &["*"], &[" * "], &["\"1\"", "*"]] {
            assert_eq!(of(any).unwrap(), None, "{any:?}");
        }
        for (values, versions) in [
            (&["\"7\""][..], vec![7]),
            (&["\"7\", \"8\""], vec![7, 8]),
            (&["\"7\"", "\"8\" "], vec![7, 8]),
            (&["W/\"6\",\"a,b\" , \"7\""], vec![7]),
            (&["\"0\""], vec![0]),
        ] {
            assert_eq!(of(values).unwrap(), Some(versions), "{values:?}");
        }
        for none in [
            "",
            "7",
            "\"\"",
            "\"+7\"",
            "\"07\"",
            "\" 7\"",
            "W/\"7\"",
            "\"7",
            "\"-1\"",
            "\"7,8\"",
            "\u{e4}",
            ",",
            "\"99999999999999999999\"",
        ] {
            assert!(of(&[none]).is_err(), "{none}");
        }
    }
}
