//! `keywright verify`: is this credential good?

use std::io::{IsTerminal as _, Read};

use clap::Args;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::failure::{Failure, Outcome};
use super::globals::{Environment, Globals, LONGEST_SECRET, process_environment};
use super::output::details::{plain, text};
use super::output::table::{Table, Tone, Value as Shown};
use super::output::{Output, moment};
use super::session::Session;
use super::transport::{Answer, Request};
use keywright_core::Timestamp;

/// Decide on a credential.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// A permission that it must have; may be repeated, and all of them count
    #[arg(long, value_name = "PERMISSION", value_delimiter = ',')]
    scope: Vec<String>,

    /// A permission of which it must have one; may be repeated
    #[arg(long, value_name = "PERMISSION", value_delimiter = ',')]
    any_scope: Vec<String>,
}

/// Whether the credential speaks for itself: it is then in the request's header, not in its body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The bearer of another credential, or the local operator.
    Other,
    /// The credential itself.
    Itself,
}

impl Asker {
    /// A server elsewhere, and no token to ask it with.
    pub(crate) fn of(globals: &Globals) -> Result<Self, Failure> {
        let environment = Environment(&process_environment);
        let remote = globals.server(&environment)?.is_some();
        Ok(if remote && globals.token(&environment)?.is_none() { Self::Itself } else { Self::Other })
    }
}

/// The credential to decide on: `KEYWRIGHT_CREDENTIAL`, else standard input.
pub(crate) fn credential() -> Result<Zeroizing<String>, Failure> {
    if let Some(credential) = Environment(&process_environment).first(&["KEYWRIGHT_CREDENTIAL"]) {
        return Ok(Zeroizing::new(credential));
    }
    read_secret("credential", "keywright verify < token.txt, or set KEYWRIGHT_CREDENTIAL")
}

/// A secret from standard input, which is never asked for on a terminal that would show it.
pub(crate) fn read_secret(what: &str, how: &str) -> Result<Zeroizing<String>, Failure> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(Failure::Usage(format!(
            "no {what}: pipe it in ({how}); it is never an argument, since other users could read it"
        )));
    }
    read_from(what, stdin.lock())
}

/// One line end is taken away; everything else is the credential's.
fn read_from(what: &str, source: impl Read) -> Result<Zeroizing<String>, Failure> {
    let mut credential = Zeroizing::new(String::new());
    source
        .take(LONGEST_SECRET)
        .read_to_string(&mut credential)
        .map_err(|error| Failure::Usage(format!("the {what} cannot be read from standard input: {error}")))?;
    if credential.ends_with('\n') {
        credential.pop();
        if credential.ends_with('\r') {
            credential.pop();
        }
    }
    if credential.is_empty() {
        return Err(Failure::Usage(format!("no {what}: standard input is empty")));
    }
    Ok(credential)
}

impl Verify {
    /// Asks, prints the decision, and fails on a denial.
    pub(crate) async fn run(&self, session: &Session<'_>, credential: &str, asker: Asker) -> Outcome {
        let answer = session.ask(&Request::post("/auth/verify", self.body(credential, asker))).await?;
        let Some(valid) = answer.json.get("valid").and_then(Value::as_bool) else {
            return Err(Failure::Failed("the API answered without a decision".to_owned()));
        };
        print(session.output, &answer)?;
        if valid { Ok(()) } else { Err(Failure::Denied) }
    }

    fn body(&self, credential: &str, asker: Asker) -> Value {
        let mut body = Map::new();
        if asker == Asker::Other {
            body.insert("token".to_owned(), json!(credential));
        }
        if !self.scope.is_empty() {
            body.insert("required_scopes".to_owned(), json!(self.scope));
        }
        if !self.any_scope.is_empty() {
            body.insert("any_scopes".to_owned(), json!(self.any_scope));
        }
        Value::Object(body)
    }
}

fn print(output: &Output, answer: &Answer) -> Outcome {
    if output.json {
        output.answer(answer)
    } else if output.quiet {
        output.line(answer.code().unwrap_or_default())
    } else {
        output.table(&summary(&answer.json, output.now))
    }
}

fn summary(decision: &Value, now: Timestamp) -> Table {
    let code = text(decision, "code");
    let mut table = Table::default();
    if decision["valid"] == json!(true) {
        table.pair("decision", Shown::toned("valid", Tone::Good));
    } else {
        table.pair("decision", Shown::toned(&format!("denied: {code}"), Tone::Bad));
        if let Some(reason) = reason(code) {
            table.pair("reason", reason);
        }
    }
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            table.pair(name, value);
        }
    };
    let list = |name: &str| decision.get(name).map(plain).unwrap_or_default();
    let principal = &decision["principal"];
    fact("missing", list("missing_scopes"));
    fact("name", text(decision, "name").to_owned());
    fact("type", text(decision, "token_type").to_owned());
    fact("principal", format!("{} {}", text(principal, "type"), text(principal, "name")).trim().to_owned());
    fact("publisher", text(decision, "publisher_id").to_owned());
    fact("scopes", list("scopes"));
    fact("expires", expiry(decision, now));
    fact("credential", text(decision, "credential_id").to_owned());
    table
}

fn expiry(decision: &Value, now: Timestamp) -> String {
    let rotation = &decision["rotation"];
    if rotation["superseded"] == json!(true) {
        return format!("rotated: works until {}", moment::told(text(rotation, "grace_expires_at"), now));
    }
    match decision.get("expires_at") {
        None => String::new(),
        Some(Value::Null) => "never".to_owned(),
        Some(time) => moment::told(time.as_str().unwrap_or_default(), now),
    }
}

/// The denial in a sentence.
fn reason(code: &str) -> Option<&'static str> {
    Some(match code {
        "malformed" => "it has no form that a credential has",
        "not_found" => "it is not known here",
        "revoked" => "it was revoked",
        "expired" => "its life is over",
        "inactive" => "it is switched off",
        "principal_disabled" => "its account or user is disabled",
        "publisher_suspended" => "its publisher is suspended",
        "ip_not_allowed" => "it may not be used from that address",
        "wrong_publisher" => "it is not valid for that publisher",
        "rate_limited" => "it was used too often",
        "insufficient_scope" => "it lacks a permission that was asked for",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Look;
    use keywright_api::WireEnum;
    use keywright_api::request::{Format, FromFields};
    use keywright_api::secret::Secret;
    use keywright_api::verify::DenialCode;
    use keywright_api::verify_request::VerifyRequest;

    fn told(decision: &Value) -> Vec<(String, String)> {
        let text = summary(decision, "2026-11-21T12:00:00Z".parse().unwrap())
            .render(Look { terminal: false, colour: false });
        let pair = |line: &str| {
            line.split_once("  ").map(|(name, value)| (name.to_owned(), value.trim().to_owned())).unwrap()
        };
        text.lines().map(pair).collect()
    }

    #[test]
    fn only_one_line_end_is_taken_from_the_credential() {
        let read = |text: &str| {
            read_from("credential", text.as_bytes()).map(|credential| credential.to_string()).ok()
        };
        for (text, credential) in [
            ("sk_a", "sk_a"),
            ("sk_a\n", "sk_a"),
            ("sk_a\r\n", "sk_a"),
            ("sk_a\n\n", "sk_a\n"),
            (" sk_a \n", " sk_a "),
        ] {
            assert_eq!(read(text).as_deref(), Some(credential), "{text:?}");
        }
        assert_eq!(read("\n"), None);
        assert!(read_from("credential", &[0xff, 0xfe][..]).is_err());
    }

    #[test]
    fn the_credential_is_in_the_body_unless_it_asks_about_itself() {
        let verify = Verify { scope: vec!["a".to_owned()], any_scope: vec!["b".to_owned(), "c".to_owned()] };
        let anything = |_: Format, _: &str| Ok(());
        let read = |asker| {
            VerifyRequest::from_body(verify.body("sk_x", asker).to_string().as_bytes(), &anything).unwrap()
        };
        let request = read(Asker::Other);
        assert_eq!(request.token.as_ref().map(Secret::expose), Some("sk_x"));
        assert_eq!(
            (request.required_scopes.len(), request.any_scopes.map(|scopes| scopes.len())),
            (1, Some(2))
        );
        assert!(read(Asker::Itself).token.is_none());
    }

    #[test]
    fn a_valid_credential_is_told_with_what_it_stands_for() {
        let decision = json!({
            "valid": true, "code": "valid", "token_type": "service", "credential_id": "c-1", "name": "ci",
            "principal": {"type": "service_token", "id": "p", "name": "ci"}, "publisher_id": null, "publishers": [],
            "scopes": ["a", "b"], "expires_at": null, "rate_limit": null,
            "rotation": {"superseded": false, "grace_expires_at": null}, "context": {}, "request_id": "r"
        });
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            told(&decision),
            [
                pair("decision", "valid"),
                pair("name", "ci"),
                pair("type", "service"),
                pair("principal", "service_token ci"),
                pair("scopes", "a, b"),
                pair("expires", "never"),
                pair("credential", "c-1")
            ]
        );
    }

    #[test]
    fn every_denial_has_its_sentence() {
        for code in DenialCode::ALL {
            assert!(reason(code.as_str()).is_some(), "{code:?}");
        }
        let decision = json!({"valid": false, "code": "insufficient_scope", "missing_scopes": ["x:read"], "request_id": "r"});
        let told = told(&decision);
        assert_eq!(told[0].1, "denied: insufficient_scope");
        assert_eq!(told[2], ("missing".to_owned(), "x:read".to_owned()));
    }
}
