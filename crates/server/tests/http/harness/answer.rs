//! An answer, and what is said about answers again and again.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

/// What the server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The header's value; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn request_id(&self) -> &str {
        self.header("x-request-id")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem document of a refusal, whose shape is always the same.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(problem["request_id"], self.request_id(), "{problem}");
        assert!(!self.request_id().is_empty());
        assert_eq!(self.headers.contains_key("www-authenticate"), challenges(status, code), "{problem}");
        assert_eq!(self.headers.contains_key("retry-after"), matches!(status, 429 | 503), "{problem}");
        let kind = problem["type"].as_str().unwrap();
        assert!(kind.starts_with("urn:keywright:") && kind.ends_with(&format!(":{code}")), "{problem}");
        problem
    }

    /// The bad fields of a refusal, each with its code, in the order of their names.
    #[track_caller]
    pub(crate) fn bad_fields(&self, status: u16, code: &str) -> Vec<(String, String)> {
        let problem = self.refused(status, code);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors: {problem}")).iter();
        let mut fields: Vec<_> = errors.map(|error| (text(&error["field"]), text(&error["code"]))).collect();
        fields.sort();
        fields
    }

    /// That one field is bad, and no other.
    #[track_caller]
    pub(crate) fn bad_field(&self, field: &str, code: &str) {
        let fields = [(field.to_owned(), code.to_owned())];
        let whole = match code {
            "unknown_field" | "not_available_yet" => code,
            _ => "validation_failed",
        };
        assert_eq!(self.bad_fields(422, whole), fields);
    }

    /// A decision of this code; its body.
    #[track_caller]
    pub(crate) fn decided(&self, code: &str) -> Value {
        let decision = self.expect(200);
        assert_eq!(decision["code"], code, "{decision}");
        assert_eq!(decision["valid"], code == "valid", "{decision}");
        assert_eq!(decision["request_id"], self.request_id(), "{decision}");
        assert_eq!(self.header("cache-control"), "no-store");
        decision
    }
}

/// Whether a refusal challenges the caller (RFC 9110 §11.6.1, RFC 6750 §3).
fn challenges(status: u16, code: &str) -> bool {
    status == 401 || matches!(code, "insufficient_scope" | "conflicting_credentials")
}
