//! Refusals of the API in a person's words.

use std::fmt::Write as _;

use http::StatusCode;
use serde_json::Value as Json;

use super::details::text;
use super::text::escape;
use crate::cli::transport::Answer;

/// `error: title: detail`, one line for each bad field, a hint where we have one, and the request's id.
pub(crate) fn describe(answer: &Answer) -> String {
    let problem = &answer.json;
    let title = match text(problem, "title") {
        "" => answer.status.to_string(),
        title => escape(title),
    };
    let mut lines = format!("error: {title}");
    if !text(problem, "detail").is_empty() {
        let _ = write!(lines, ": {}", escape(text(problem, "detail")));
    }
    for field in problem.get("errors").and_then(Json::as_array).into_iter().flatten() {
        let _ = write!(lines, "\n  {}: {}", escape(text(field, "field")), escape(text(field, "detail")));
    }
    if let Some(hint) = hint(answer) {
        let _ = write!(lines, "\n{hint}");
    }
    let id = Some(text(problem, "request_id")).filter(|id| !id.is_empty()).or(answer.request_id.as_deref());
    if let Some(id) = id {
        let _ = write!(lines, "\nrequest id: {}", escape(id));
    }
    lines
}

/// What to do about it, where the problem itself cannot know.
fn hint(answer: &Answer) -> Option<&'static str> {
    match answer.code()? {
        "outcome_unknown" => Some(
            "it may have been done: look first (keywright token list, keywright events list), then repeat it",
        ),
        "missing_credential" => {
            Some("set KEYWRIGHT_TOKEN, or name a file that holds the token with --token-file")
        }
        // It is about the credential that this command bears.
        _ if answer.status == StatusCode::UNAUTHORIZED
            && text(&answer.json, "type").starts_with("urn:keywright:denial:") =>
        {
            Some(
                "the token that was presented (KEYWRIGHT_TOKEN, --token-file, or that of keywright login) is not \
                 accepted there: take another, or log in again (keywright login)",
            )
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderMap;
    use serde_json::json;

    fn answer(status: u16, body: &Json) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/problem+json".parse().unwrap());
        headers.insert("x-request-id", "from-the-header".parse().unwrap());
        Answer::take("here", StatusCode::from_u16(status).unwrap(), &headers, Bytes::from(body.to_string()))
            .unwrap()
    }

    #[test]
    fn every_bad_field_has_its_line() {
        let problem = json!({
            "type": "about:blank", "title": "Invalid fields", "status": 422, "detail": "2 fields are wrong",
            "code": "invalid_fields", "request_id": "r-1",
            "errors": [
                {"field": "token_name", "code": "empty", "detail": "is empty"},
                {"field": "permissions[1]", "code": "grammar", "detail": "is no permission\u{1b}[2J"}
            ]
        });
        assert_eq!(
            describe(&answer(422, &problem)),
            "error: Invalid fields: 2 fields are wrong\n  token_name: is empty\n  \
             permissions[1]: is no permission\\u{1b}[2J\nrequest id: r-1"
        );
    }

    #[test]
    fn a_problem_that_says_little_still_says_something() {
        assert_eq!(
            describe(&answer(503, &json!({}))),
            "error: 503 Service Unavailable\nrequest id: from-the-header"
        );
        let revoked = json!({"type": "urn:keywright:denial:revoked", "title": "Revoked", "code": "revoked"});
        assert!(describe(&answer(401, &revoked)).contains("log in again"));
        assert!(!describe(&answer(404, &json!({"code": "not_found"}))).contains("log in again"));
        let unknown = describe(&answer(503, &json!({"title": "Outcome unknown", "code": "outcome_unknown"})));
        assert!(unknown.contains("it may have been done"), "{unknown}");
    }
}
