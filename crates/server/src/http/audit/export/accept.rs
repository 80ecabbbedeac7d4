//! Which form of a list a client would rather have.

use http::HeaderMap;

use super::Form;
use crate::http::accept::preferred;

/// The form of an export, when the request prefers one to a page in JSON. What is neither is answered
/// with a page.
pub(crate) fn form(headers: &HeaderMap) -> Option<Form> {
    let known = |media: &str| match media {
        "application/x-ndjson" | "application/ndjson" => Some(Some(Form::Ndjson)),
        "text/csv" => Some(Some(Form::Csv)),
        "application/json" | "application/*" | "*/*" => Some(None),
        _ => None,
    };
    preferred(headers, known).flatten()
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT;

    use super::*;

    #[test]
    fn the_form_that_is_preferred_is_taken_and_json_when_nothing_is_said() {
        let asked = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            form(&headers)
        };
        for (accept, expected) in [
            ("text/csv", Some(Form::Csv)),
            ("TEXT/CSV; charset=utf-8", Some(Form::Csv)),
            ("application/x-ndjson", Some(Form::Ndjson)),
            ("application/json, text/csv", None),
            ("application/json;q=0.5, text/csv;q=0.75", Some(Form::Csv)),
            ("application/json;q=0.9, text/csv;q=0.75", None),
            ("text/csv, application/x-ndjson", Some(Form::Csv)),
            ("text/csv;q=0.1, application/x-ndjson;q=0.2", Some(Form::Ndjson)),
            ("text/csv;q=0, */*", None),
            ("text/csv;q=0", None),
            ("text/html, */*;q=0.8", None),
            ("*/*", None),
            ("", None),
            ("text/csv;q=nonsense", None),
        ] {
            assert_eq!(asked(accept), expected, "{accept}");
        }
        assert_eq!(form(&HeaderMap::new()), None);
    }
}
