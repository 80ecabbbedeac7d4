//! Errors on the wire: RFC 9457 problem documents.

use crate::{
    problem_code::{ProblemCode, Refusal},
    wire_enum::wire_enum,
};
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    fmt,
    ops::{Deref, DerefMut},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

/// The media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Text that is either fixed here or arrived from a server.
type Text = Cow<'static, str>;

/// A problem on its way out or in: small to pass around, since errors travel through every call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Problem(Box<Document>);

/// Why a request was not carried out (RFC 9457). Nothing internal, no secret and no value from the
/// request ever appears in one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct Document {
    /// A name of this kind of problem, `urn:keywright:problem:CODE`, or `urn:keywright:denial:CODE`
    /// when the caller's credential was denied.
    #[serde(rename = "type")]
    #[schema(value_type = String, format = "uri")]
    pub type_uri: Text,
    /// The same in words, alike for every occurrence.
    #[schema(value_type = String)]
    pub title: Text,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What it was in this case.
    #[schema(value_type = String)]
    pub detail: Text,
    /// The stable code to act upon. New ones may be added.
    #[schema(value_type = String, pattern = "^[a-z][a-z_]*$")]
    pub code: Text,
    /// The request that this answers, as in `X-Request-Id` and the logs.
    pub request_id: String,
    /// Every bad field at once; absent when no field is to blame.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// When to try again: the header `Retry-After`, where it is not as short as can be.
    #[serde(skip)]
    #[schema(ignore)]
    pub retry_after_seconds: Option<u64>,
}

impl Problem {
    /// A problem without a request id; the server adds that on the way out.
    pub fn new(code: impl Into<ProblemCode>, detail: impl Into<Text>) -> Self {
        let code = code.into();
        Self(Box::new(Document {
            type_uri: code.type_uri().into(),
            title: code.title().into(),
            status: code.status(),
            detail: detail.into(),
            code: code.as_str().into(),
            request_id: String::new(),
            errors: Vec::new(),
            retry_after_seconds: None,
        }))
    }

    /// The same for a request.
    #[must_use]
    pub fn for_request(mut self, request_id: impl Into<String>) -> Self {
        self.request_id = request_id.into();
        self
    }

    /// The same with bad fields.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// The same, to be tried again after so many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// A problem of bad fields. Its code is the gravest among theirs: `forbidden_field` (403), then
    /// `unknown_field`, `not_available_yet`, and `validation_failed` for all others (422).
    pub fn of_fields(errors: Vec<FieldError>) -> Self {
        let has = |code: FieldCode| errors.iter().any(|error| error.is(code));
        let (code, detail) = if has(FieldCode::ForbiddenField) {
            (Refusal::ForbiddenField, "The fields named may not be set by a caller.")
        } else if has(FieldCode::UnknownField) {
            (Refusal::UnknownField, "The fields named do not exist or are not valid.")
        } else if has(FieldCode::NotAvailableYet) {
            (Refusal::NotAvailableYet, "The fields named are not available in this version.")
        } else {
            (Refusal::ValidationFailed, "The fields named are not valid.")
        };
        Self::new(code, detail).with_errors(errors)
    }

    /// The code, when this version knows it.
    pub fn known_code(&self) -> Option<ProblemCode> {
        ProblemCode::from_type_uri(&self.type_uri)
    }
}

impl Deref for Problem {
    type Target = Document;

    fn deref(&self) -> &Document {
        &self.0
    }
}

impl DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut Document {
        &mut self.0
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Document::schema()
    }
}

impl ToSchema for Problem {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Document::schemas(schemas);
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.title, self.code, self.detail)?;
        for error in &self.errors {
            write!(f, "\n  {}: {}", error.field, error.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

wire_enum! {
    /// What is wrong with one field.
    pub enum FieldCode {
        /// It is missing, or null where it must have a value.
        Required = "required",
        /// It does not exist.
        UnknownField = "unknown_field",
        /// It exists, but no caller may set it.
        ForbiddenField = "forbidden_field",
        /// It belongs to a later version.
        NotAvailableYet = "not_available_yet",
        /// It has the wrong JSON type.
        InvalidType = "invalid_type",
        /// Its text does not have the right form.
        InvalidFormat = "invalid_format",
        /// It is none of the values that it may have.
        InvalidValue = "invalid_value",
        /// It is too small or too great.
        OutOfRange = "out_of_range",
        /// It has too few characters or items.
        TooShort = "too_short",
        /// It has too many characters or bytes.
        TooLong = "too_long",
        /// It has too many items.
        TooMany = "too_many",
        /// It appears more than once.
        Duplicate = "duplicate",
        /// It contradicts another field.
        Conflict = "conflict",
        /// A credential stands in it, which would be shown to others.
        HoldsCredential = "holds_credential",
    }
}

/// One bad field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Where it is: `scopes[1]`, `scope.publisher_id`.
    pub field: String,
    /// What is wrong with it. New codes may be added.
    #[schema(value_type = String, pattern = "^[a-z][a-z_]*$")]
    pub code: Text,
    /// The same in words; never the value.
    #[schema(value_type = String)]
    pub detail: Text,
}

impl FieldError {
    /// An error of a field.
    pub fn new(field: impl Into<String>, code: FieldCode, detail: impl Into<Text>) -> Self {
        let code = crate::WireEnum::as_str(code);
        Self { field: field.into(), code: code.into(), detail: detail.into() }
    }

    /// Whether it has this code.
    pub fn is(&self, code: FieldCode) -> bool {
        self.code == crate::WireEnum::as_str(code)
    }
}

/// A field name from a request, fit to be shown again: names that no field of ours could have may be
/// a secret in the wrong place, so they are not repeated.
pub(crate) fn printable(name: &str) -> &str {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if (1..=40).contains(&name.len()) && name.bytes().all(plain) { name } else { "(not shown)" }
}

#[cfg(test)]
mod tests {
    use super::FieldCode::{self, ForbiddenField, NotAvailableYet, Required, UnknownField};
    use super::{FieldError, Problem, printable};
    use crate::problem_code::{ProblemCode, Refusal};
    use serde_json::{Value, json};

    #[test]
    fn a_problem_document_has_the_members_of_the_contract() {
        let problem = Problem::new(Refusal::NameTaken, "Another token has this name.").for_request("0198");
        assert_eq!(
            serde_json::to_value(problem).unwrap(),
            json!({
                "type": "urn:keywright:problem:name_taken",
                "title": "The name is taken",
                "status": 409,
                "detail": "Another token has this name.",
                "code": "name_taken",
                "request_id": "0198",
            })
        );
    }

    #[test]
    fn every_code_survives_the_way_over_the_wire() {
        for code in ProblemCode::all() {
            let field = FieldError::new("scopes[1]", FieldCode::TooLong, "At most 100 characters.");
            let problem = Problem::new(code, "Why.").with_errors(vec![field]);
            let text = serde_json::to_string(&problem).unwrap();
            let read: Problem = serde_json::from_str(&text).unwrap();
            assert_eq!(read, problem);
            assert_eq!(read.known_code(), Some(code));
        }
    }

    #[test]
    fn a_code_of_a_newer_server_can_be_read() {
        let text = r#"{"type":"urn:keywright:problem:newer","title":"T","status":418,
                       "detail":"D","code":"newer","request_id":"r"}"#;
        let problem: Problem = serde_json::from_str(text).unwrap();
        assert_eq!((problem.code.as_ref(), problem.known_code()), ("newer", None));
    }

    #[test]
    fn the_gravest_field_decides_the_code() {
        let field = |code| FieldError::new("f", code, "");
        let code_of = |codes: &[FieldCode]| {
            let problem = Problem::of_fields(codes.iter().copied().map(field).collect());
            (problem.status, problem.code.to_string())
        };
        assert_eq!(code_of(&[Required]), (422, "validation_failed".into()));
        assert_eq!(code_of(&[Required, NotAvailableYet]), (422, "not_available_yet".into()));
        assert_eq!(code_of(&[NotAvailableYet, UnknownField]), (422, "unknown_field".into()));
        assert_eq!(code_of(&[UnknownField, ForbiddenField]), (403, "forbidden_field".into()));
    }

    #[test]
    fn a_name_that_may_be_a_secret_is_not_repeated() {
        assert_eq!(printable("token_name"), "token_name");
        let hash = "0123456789abcdef".repeat(4);
        for name in [hash.as_str(), &format!("sk_{hash}"), "", "a b", "é", "a\u{0}", "a.b"] {
            assert_eq!(printable(name), "(not shown)");
        }
    }

    #[test]
    fn a_problem_reads_well_on_a_terminal() {
        let errors = vec![FieldError::new("reason", FieldCode::Required, "is needed")];
        let text = Problem::of_fields(errors).to_string();
        assert_eq!(
            text,
            "Some fields are not valid (validation_failed): The fields named are not valid.\n  \
             reason: is needed"
        );
        assert!(serde_json::from_str::<Value>(&text).is_err());
    }
}
