//! Whatever a proxy forwards, a path that passes has one reading, and the query is read or refused.

use http::{HeaderMap, HeaderValue, Method};
use keywright_api::forward::ForwardQuery;
use keywright_api::request::FromFields;
use keywright_core::Timestamp;
use keywright_server::http::auth::original::Original;
use keywright_server::http::input::Rules;

/// Holds it against any input.
pub fn hold(values: &[(u8, Vec<u8>)], pairs: &[(String, String)]) {
    let names =
        ["x-forwarded-method", "x-original-method", "x-forwarded-uri", "x-original-uri", "x-forwarded-host"];
    let mut headers = HeaderMap::new();
    for (at, value) in values {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(names[usize::from(*at) % names.len()], value);
        }
    }
    if let Ok(original) = Original::read(&headers) {
        assert!(Method::from_bytes(original.method.as_bytes()).is_ok());
        assert!(names.iter().all(|name| headers.get_all(*name).iter().count() <= 1));
        let path = original.path;
        assert!(path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\'));
        let whole: Vec<_> = lax(path);
        let by_segment: Vec<_> =
            path.split('/').filter(|s| !s.is_empty()).map(|s| lax(s).join("/")).collect();
        assert_eq!(whole, by_segment);
    }
    let rules = Rules { now: Timestamp::from_micros(1_800_000_000_000_000) };
    let read = ForwardQuery::from_query(pairs.iter().cloned(), &rules);
    assert!(read.is_err() || pairs.iter().all(|(name, _)| name == "scope" || name == "publisher"));
}

/// As the laxest of servers reads it: decoded until nothing changes, parameters taken off, what leads elsewhere
/// followed.
fn lax(path: &str) -> Vec<String> {
    let mut text = path.to_owned();
    loop {
        let decoded = decoded(&text);
        if decoded == text {
            break;
        }
        text = decoded;
    }
    let mut stack = Vec::new();
    for segment in text.replace('\\', "/").split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => drop(stack.pop()),
            other => stack.push(other.to_owned()),
        }
    }
    stack
}

/// Each escape is its byte; what is none stays.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let digits = text
            .get(at + 1..at + 3)
            .filter(|d| bytes[at] == b'%' && d.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
