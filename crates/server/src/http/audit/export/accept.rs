//! Which form a client would rather have (RFC 9110 §12.5.1).

use http::HeaderMap;
use http::header::ACCEPT;

use super::Form;

/// The form of an export, when the request prefers one to a page in JSON. What is neither is answered
/// with a page.
pub(crate) fn form(headers: &HeaderMap) -> Option<Form> {
    let mut best: (u32, Option<Form>) = (0, None);
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in values.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let form = match media.as_str() {
            "application/x-ndjson" | "application/ndjson" => Some(Form::Ndjson),
            "text/csv" => Some(Form::Csv),
            "application/json" | "application/*" | "*/*" => None,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        // Of two that are as good the first one counts.
        let quality = weight.map_or(1_000, thousandths);
        if quality > best.0 {
            best = (quality, form);
        }
    }
    best.1
}

/// `0.75` as 750; what is no weight counts as none.
fn thousandths(weight: &str) -> u32 {
    let (whole, rest) = weight.trim().split_once('.').unwrap_or((weight.trim(), ""));
    let digits: String = rest.chars().chain("000".chars()).take(3).collect();
    let number = |text: &str| text.parse::<u32>().unwrap_or(0);
    (number(whole).min(1) * 1_000 + number(&digits)).min(1_000)
}

#[cfg(test)]
mod tests {
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
