//! `keywright emergency-revoke`.

use std::io::{BufRead, IsTerminal as _};

use clap::{ArgGroup, Args, ValueEnum};
use keywright_core::Timestamp;
use serde_json::{Map, Value, json};

use super::failure::{Failure, Outcome};
use super::output::details::{plain, text};
use super::output::table::Table;
use super::output::{moment, progress, text::escape};
use super::session::Session;
use super::transport::Request;

/// Revoke every credential within a reach, at once.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("reach").args(["publisher", "service_account", "user"]))]
pub(crate) struct EmergencyRevoke {
    /// Why; it goes into the audit trail
    #[arg(long)]
    reason: String,

    /// Only the credentials of this publisher; without a reach, all there are
    #[arg(long, value_name = "PUBLISHER")]
    publisher: Option<String>,

    /// Only the credentials of this service account
    #[arg(long, value_name = "ACCOUNT")]
    service_account: Option<String>,

    /// Only the credentials of this user
    #[arg(long, value_name = "USER")]
    user: Option<String>,

    /// Only these kinds; without it, all
    #[arg(long, value_delimiter = ',', value_name = "KIND,…")]
    include: Vec<Kind>,

    /// Spare the token that this command bears
    #[arg(long)]
    keep_caller: bool,

    /// Do not ask; for scripts
    #[arg(long)]
    yes: bool,
}

/// Kind of credential.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Service tokens
    Service,
    /// Personal access tokens
    Personal,
    /// Sessions, with their access tokens
    Sessions,
    /// JWTs of other issuers
    External,
}

impl EmergencyRevoke {
    /// Makes sure that it is meant. Before anything is opened or asked.
    pub(crate) fn confirm(&self) -> Outcome {
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::Usage(
                "this wants to be confirmed at a terminal; in a script, add --yes".to_owned(),
            ));
        }
        self.confirm_with(&mut std::io::stdin().lock(), &mut std::io::stderr().lock())
    }

    fn confirm_with(&self, answers: &mut dyn BufRead, questions: &mut dyn std::io::Write) -> Outcome {
        let (name, reach) = self.reach();
        write!(questions, "This revokes {reach}, at once and for good.\nType {} to go on: ", escape(name))?;
        questions.flush()?;
        let mut typed = String::new();
        answers.read_line(&mut typed)?;
        if typed.trim_end_matches(['\r', '\n']) == name {
            Ok(())
        } else {
            Err(Failure::Failed("not confirmed; nothing was revoked".to_owned()))
        }
    }

    /// What has to be typed, and what it stands for.
    fn reach(&self) -> (&str, &'static str) {
        match (&self.publisher, &self.service_account, &self.user) {
            (Some(publisher), ..) => (publisher, "every credential of this publisher"),
            (_, Some(account), _) => (account, "every credential of this service account"),
            (.., Some(user)) => (user, "every credential of this user"),
            (None, None, None) => ("all", "every credential that there is"),
        }
    }

    /// Does it.
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        let scope = self.scope(session).await?;
        let spinner = progress::spinner(session.output, "revoking");
        // A caller that is not spared could not ask twice: the refusal would look like a failure.
        let request = Request::post("/auth/emergency-revoke", self.body(&scope)).repeatable(self.keep_caller);
        let answer = session.ask(&request).await;
        spinner.finish_and_clear();
        let answer = answer?;
        if session.output.json {
            session.output.answer(&answer)?;
        } else {
            session.output.table(&summary(&answer.json))?;
        }
        for warning in pending(&answer.json, session.output.now) {
            session.output.tell(&format!("warning: {warning}"));
        }
        Ok(())
    }

    /// The reach, by ids.
    async fn scope(&self, session: &Session<'_>) -> Result<Value, Failure> {
        Ok(match (&self.publisher, &self.service_account, &self.user) {
            (Some(name), ..) => json!({ "publisher_id": id_of(session, "/publishers", "name", name).await? }),
            (_, Some(name), _) => {
                json!({ "service_account_id": id_of(session, "/service-accounts", "name", name).await? })
            }
            (.., Some(email)) => json!({ "user_id": id_of(session, "/users", "email", email).await? }),
            (None, None, None) => json!({ "all": true }),
        })
    }

    fn body(&self, scope: &Value) -> Value {
        let mut body = Map::new();
        body.insert("reason".to_owned(), json!(self.reason));
        body.insert("scope".to_owned(), scope.clone());
        body.insert("keep_caller".to_owned(), json!(self.keep_caller));
        if !self.include.is_empty() {
            let kinds = self.include.iter().filter_map(ValueEnum::to_possible_value);
            body.insert("include".to_owned(), kinds.map(|kind| json!(kind.get_name())).collect());
        }
        Value::Object(body)
    }
}

/// The id of what is named by its id, or by what a list finds exactly.
pub(crate) async fn id_of(
    session: &Session<'_>,
    list: &str,
    by: &'static str,
    named: &str,
) -> Result<String, Failure> {
    if named.parse::<uuid::Uuid>().is_ok() {
        return Ok(named.to_owned());
    }
    let found = session.ask(&Request::get(list).with(by, named)).await?;
    match found.json["items"].as_array().map(Vec::as_slice) {
        Some([one]) => Ok(text(one, "id").to_owned()),
        _ => Err(Failure::Failed(format!("there is none with the {by} {}", escape(named)))),
    }
}

fn summary(answer: &Value) -> Table {
    let mut table = Table::default();
    for (kind, name) in
        [("service", "service tokens"), ("personal", "personal tokens"), ("sessions", "sessions")]
    {
        table.pair(name, plain(&answer["revoked"][kind]));
    }
    let count = |state: &str| answer["nodes"][state].as_array().map_or(0, Vec::len).to_string();
    table.pair("nodes that confirmed", count("confirmed"));
    table.pair("nodes still to confirm", count("pending"));
    table.pair("event", text(answer, "event_id"));
    table
}

fn pending(answer: &Value, now: Timestamp) -> Vec<String> {
    let nodes = answer["nodes"]["pending"].as_array().into_iter().flatten();
    nodes
        .map(|node| {
            let stops_by = text(node, "stops_by");
            let when = stops_by.parse().map(|time| moment::relative(time, now)).unwrap_or_default();
            format!(
                "node {} has not confirmed yet; by {} ({when}) it will have stopped by itself",
                escape(text(node, "node")),
                escape(stops_by)
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use keywright_api::WireEnum;
    use keywright_api::emergency::{EmergencyRevoke as Request, Include};
    use keywright_api::request::{Format, FromFields};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        command: EmergencyRevoke,
    }

    fn parse(arguments: &str) -> Result<EmergencyRevoke, clap::Error> {
        Line::try_parse_from(format!("emergency-revoke {arguments}").split(' ')).map(|line| line.command)
    }

    fn confirm(command: &EmergencyRevoke, typed: &str) -> (Outcome, String) {
        let mut questions = Vec::new();
        let outcome = command.confirm_with(&mut typed.as_bytes(), &mut questions);
        (outcome, String::from_utf8(questions).unwrap())
    }

    #[test]
    fn the_name_of_the_reach_has_to_be_typed() {
        let all = parse("--reason breach").unwrap();
        let (outcome, question) = confirm(&all, "all\n");
        assert!(outcome.is_ok() && question.contains("Type all to go on"), "{question}");
        for typed in ["", "\n", "y\n", "ALL\n", "all of them\n", " all\n"] {
            assert_eq!(confirm(&all, typed).0.unwrap_err().exit_code(), 1, "{typed:?}");
        }
        let one = parse("--reason breach --publisher promptcraft").unwrap();
        assert!(confirm(&one, "all\n").0.is_err());
        assert!(confirm(&one, "promptcraft\n").0.is_ok());
    }

    #[test]
    fn the_api_reads_what_the_flags_say() {
        let anything = |_: Format, _: &str| Ok(());
        let read = |command: &EmergencyRevoke, scope: Value| {
            Request::from_body(command.body(&scope).to_string().as_bytes(), &anything)
        };
        let command = parse("--reason breach --include service,sessions --keep-caller").unwrap();
        let request = read(&command, json!({"all": true})).unwrap();
        assert_eq!(
            (request.include.as_slice(), request.keep_caller),
            (&[Include::Service, Include::Sessions][..], true)
        );
        let all = read(&parse("--reason breach").unwrap(), json!({"all": true})).unwrap();
        assert_eq!(all.include.len(), Include::ALL.len());
        let account = "01980000-0000-7000-8000-000000000001";
        assert!(read(&parse("--reason breach").unwrap(), json!({"service_account_id": account})).is_ok());
    }

    #[test]
    fn it_reaches_one_thing_and_wants_a_reason() {
        assert!(parse("--publisher p").is_err());
        assert!(parse("--reason r --publisher p --user u").is_err());
    }

    #[test]
    fn a_node_that_has_not_confirmed_is_told_with_its_bound() {
        let answer = json!({
            "revoked": {"service": 100_000, "personal": 0, "sessions": 0}, "event_id": "e",
            "nodes": {"confirmed": ["n1"], "pending": [{"node": "n2", "stops_by": "2026-11-21T12:01:30Z"}]}
        });
        let warnings = pending(&answer, "2026-11-21T12:00:00Z".parse().unwrap());
        assert_eq!(
            warnings,
            [
                "node n2 has not confirmed yet; by 2026-11-21T12:01:30Z (in 90 seconds) it will have stopped by itself"
            ]
        );
        let look = crate::cli::output::Look { terminal: false, colour: false };
        assert!(summary(&answer).render(look).starts_with("service tokens          100000\n"));
    }
}
