//! Options that several verbs share, and how secrets are handed over.

use clap::Args;
use serde_json::{Map, Value, json};

use super::super::failure::{Failure, Outcome};
use super::super::output::details::text;
use super::super::output::{moment, text::escape};
use super::super::session::Session;
use super::super::transport::Answer;

/// When a token's life ends.
#[derive(Args, Debug, Default)]
#[group(multiple = false)]
pub(crate) struct Expiry {
    /// When its life ends, such as 2027-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) expires_at: Option<String>,

    /// It never expires
    #[arg(long)]
    pub(crate) never_expires: bool,
}

impl Expiry {
    /// Adds itself to a body.
    pub(crate) fn apply(&self, body: &mut Map<String, Value>) {
        if let Some(time) = &self.expires_at {
            body.insert("expires_at".to_owned(), json!(time));
        } else if self.never_expires {
            body.insert("expires_at".to_owned(), Value::Null);
        }
    }
}

/// `KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Pair {
    pub(in crate::cli) key: String,
    pub(in crate::cli) value: String,
}

impl std::str::FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                Ok(Self { key: key.to_owned(), value: value.to_owned() })
            }
            _ => Err("give KEY=VALUE".to_owned()),
        }
    }
}

/// Metadata out of pairs; each value is text.
pub(in crate::cli) fn metadata(pairs: &[Pair]) -> Result<Map<String, Value>, Failure> {
    let mut metadata = Map::new();
    for Pair { key, value } in pairs {
        if metadata.insert(key.clone(), json!(value)).is_some() {
            return Err(Failure::Usage(format!("--metadata {key}: given twice")));
        }
    }
    Ok(metadata)
}

/// Metadata to change.
#[derive(Args, Debug)]
pub(in crate::cli) struct Notes {
    /// A note to add or to replace; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<Pair>,

    /// A note to remove; may be repeated
    #[arg(long, value_name = "KEY")]
    remove_metadata: Vec<String>,
}

impl Notes {
    /// Adds itself to a body, by RFC 7396.
    pub(in crate::cli) fn apply(&self, body: &mut Map<String, Value>) -> Result<(), Failure> {
        let mut notes = metadata(&self.metadata)?;
        for key in &self.remove_metadata {
            if notes.insert(key.clone(), Value::Null).is_some() {
                return Err(Failure::Usage(format!("{key} is both set and removed")));
            }
        }
        if !notes.is_empty() {
            body.insert("metadata".to_owned(), Value::Object(notes));
        }
        Ok(())
    }
}

/// Prints a new secret: alone on standard output, so that a script can take it, with what there is
/// to know about it on standard error.
pub(crate) fn hand_over(session: &Session<'_>, answer: &Answer, what: &str) -> Outcome {
    let output = session.output;
    if output.json {
        return output.answer(answer);
    }
    let token = &answer.json;
    let expiry = match text(token, "expires_at") {
        "" => "never expires".to_owned(),
        time => format!("expires {}", moment::told(time, output.now)),
    };
    let name = match text(token, "token_name") {
        "" => text(token, "name"),
        name => name,
    };
    output.note(&format!("{what} {} ({}), {expiry}", escape(name), escape(text(token, "id"))));
    match token.get("token").and_then(Value::as_str) {
        Some(secret) => {
            output.note("this is the only time that its secret is shown:");
            output.line(secret)
        }
        None => Err(Failure::Failed(
            "it was done, but its secret can no longer be shown: revoke it and make another".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::captured;
    use crate::cli::transport::{Api, InProcess};

    fn handed_over(body: &Value, json: bool, quiet: bool) -> (Outcome, String, String) {
        let (mut output, results, notes) = captured::output();
        (output.json, output.quiet) = (json, quiet);
        let api = Api::InProcess(InProcess::new(axum::Router::new(), async { Ok(()) }));
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", http::HeaderValue::from_static("application/json"));
        let body = bytes::Bytes::from(body.to_string());
        let answer = Answer::take("here", http::StatusCode::CREATED, &headers, body).unwrap();
        let outcome = hand_over(&Session { api: &api, output: &output }, &answer, "made");
        (outcome, results.text(), notes.text())
    }

    #[test]
    fn a_new_secret_stands_alone_on_standard_output() {
        let token = json!({"id": "t-1", "token_name": "c\u{1b}i", "token": "sk_cafe", "expires_at": "2027-02-18T12:00:00Z"});
        let (outcome, results, notes) = handed_over(&token, false, false);
        assert!(outcome.is_ok());
        assert_eq!(results, "sk_cafe\n");
        assert!(notes.starts_with("made c\\u{1b}i (t-1), expires 2027-02-18 (in 89 days)\n"), "{notes}");
        assert!(!notes.contains("sk_cafe"));
        let (_, results, notes) = handed_over(&token, false, true);
        assert_eq!((results.as_str(), notes.as_str()), ("sk_cafe\n", ""));
        let (_, results, notes) = handed_over(&token, true, false);
        assert_eq!((results, notes.as_str()), (format!("{token}\n"), ""));
    }

    #[test]
    fn a_secret_that_is_gone_is_a_failure() {
        let (outcome, results, _) = handed_over(&json!({"id": "t-1", "token_name": "ci"}), false, false);
        assert_eq!((outcome.unwrap_err().exit_code(), results.as_str()), (1, ""));
    }

    #[test]
    fn a_pair_is_cut_at_its_first_equals_sign() {
        let pair: Pair = "team=a=b".parse().unwrap();
        assert_eq!((pair.key.as_str(), pair.value.as_str()), ("team", "a=b"));
        assert!("=b".parse::<Pair>().is_err() && "team".parse::<Pair>().is_err());
        assert_eq!(metadata(&[pair.clone(), pair]).unwrap_err().exit_code(), 2);
    }
}
