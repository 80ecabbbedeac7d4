//! What the load sends: one request, in which one place changes from one to the next.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::answer::Expected;

/// The place at which a changing value stands in a request's bearer or body.
pub(crate) const SLOT: &str = "{}";
/// Digits of a counted value.
const DIGITS: usize = 12;

/// The texts of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// Its bearer credential; empty is none.
    pub(crate) bearer: &'a str,
    /// Its JSON body; empty is none.
    pub(crate) body: &'a str,
}

impl<'a> Request<'a> {
    /// A `GET`.
    pub(crate) fn get(path: &'a str, bearer: &'a str) -> Self {
        Self { method: "GET", path, bearer, body: "" }
    }

    /// A `POST`.
    pub(crate) fn post(path: &'a str, bearer: &'a str, body: &'a str) -> Self {
        Self { method: "POST", path, bearer, body }
    }

    /// The request, with a body that becomes longer by `more` bytes before it is sent.
    pub(crate) fn to_text(self, more: usize) -> String {
        let Self { method, path, bearer, body } = self;
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
        // Writing to a text cannot fail.
        if !bearer.is_empty() {
            let _ = write!(text, "Authorization: Bearer {bearer}\r\n");
        }
        if !body.is_empty() {
            text.push_str("Content-Type: application/json\r\n");
        }
        if method != "GET" {
            let _ = write!(text, "Content-Length: {}\r\n", body.len() + more);
        }
        text.push_str("\r\n");
        text.push_str(body);
        text
    }
}

/// What stands in the slot.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    /// There is none.
    Fixed,
    /// One of these after the other, all of one length, over and over.
    Each(Arc<Vec<String>>),
    /// A number that no two requests of the script share, of twelve digits.
    Count,
}

/// A request, and the answer that it must have.
#[derive(Debug)]
pub(crate) struct Script {
    template: Vec<u8>,
    slot: Range<usize>,
    values: Values,
    next: AtomicUsize,
    expected: Expected,
}

impl Script {
    /// A script; the slot stands in the bearer or in the body, once.
    pub(crate) fn new(request: Request<'_>, values: Values, expected: Expected) -> Arc<Self> {
        let length = match &values {
            Values::Fixed => 0,
            Values::Each(values) => values.first().map_or(0, String::len),
            Values::Count => DIGITS,
        };
        let (mut text, mut slot) = (request.to_text(0), 0..0);
        if length > 0 {
            let more = if request.body.contains(SLOT) { length - SLOT.len() } else { 0 };
            text = request.to_text(more);
            if let Some(at) = text.find(SLOT) {
                text.replace_range(at..at + SLOT.len(), &"0".repeat(length));
                slot = at..at + length;
            }
        }
        Arc::new(Self { template: text.into_bytes(), slot, values, next: AtomicUsize::new(0), expected })
    }

    /// The request with an empty slot.
    pub(crate) fn template(&self) -> Vec<u8> {
        self.template.clone()
    }

    /// Puts the next value into a request made by [`Script::template`].
    pub(crate) fn fill(&self, request: &mut [u8]) {
        let slot = &mut request[self.slot.clone()];
        match &self.values {
            Values::Fixed => {}
            Values::Each(values) => {
                let next = self.next.fetch_add(1, Ordering::Relaxed);
                slot.copy_from_slice(values[next % values.len()].as_bytes());
            }
            Values::Count => {
                let mut next = self.next.fetch_add(1, Ordering::Relaxed);
                for digit in slot.iter_mut().rev() {
                    *digit = b'0' + u8::try_from(next % 10).unwrap_or(0);
                    next /= 10;
                }
            }
        }
    }

    /// What its answers must be.
    pub(crate) fn expected(&self) -> Expected {
        self.expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Expected = Expected { status: 200, holds: "" };

    #[test]
    fn each_request_bears_the_next_value_and_the_right_length() {
        let values = Values::Each(Arc::new(vec!["aaaa".to_owned(), "bbbb".to_owned()]));
        let script = Script::new(Request::post("/v", "c", r#"{"token":"{}"}"#), values, EXPECTED);
        let mut bytes = script.template();
        for value in ["aaaa", "bbbb", "aaaa"] {
            script.fill(&mut bytes);
            let text = String::from_utf8(bytes.clone()).unwrap();
            let end = format!("Content-Length: 16\r\n\r\n{{\"token\":\"{value}\"}}");
            assert!(text.ends_with(&end), "{text}");
        }
    }

    #[test]
    fn a_value_may_stand_in_the_bearer() {
        let values = Values::Each(Arc::new(vec!["secret".to_owned()]));
        let script = Script::new(Request::post("/v", "{}", ""), values, EXPECTED);
        let mut bytes = script.template();
        script.fill(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("Bearer secret\r\n") && text.contains("Content-Length: 0\r\n"), "{text}");
    }

    #[test]
    fn counted_values_are_never_repeated() {
        let script = Script::new(Request::post("/v", "c", r#"{"n":"x{}"}"#), Values::Count, EXPECTED);
        let mut bytes = script.template();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1_000 {
            script.fill(&mut bytes);
            assert!(seen.insert(bytes.clone()));
        }
        assert!(bytes.ends_with(b"{\"n\":\"x000000000999\"}"));
    }
}
