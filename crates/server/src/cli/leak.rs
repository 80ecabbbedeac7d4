//! `keywright leak …`: credentials that were found where they should not be.

use std::io::{IsTerminal as _, Read};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use keywright_api::leak::MAX_LEAKS;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::failure::{Failure, Outcome};
use super::output::details::text;
use super::output::table::{NOTHING, Table, Tone, Value as Cell};
use super::session::Session;
use super::transport::Request;

/// Most bytes of tokens that are read.
const MOST_BYTES: u64 = 1024 * 1024;

/// Verbs on leaks.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Revoke tokens whose plain text was found; they are read from standard input or a file, one on each line
    Report(Report),
}

impl Command {
    /// Does it.
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        match self {
            Self::Report(command) => command.run(session).await,
        }
    }
}

/// Revoke tokens whose plain text was found.
#[derive(Args, Debug)]
pub(crate) struct Report {
    /// Where they were found: an address, a file, a channel; it goes into the audit trail
    #[arg(long, value_name = "PLACE")]
    found_in: String,

    /// A file with the tokens, one on each line; standard input without
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
}

impl Report {
    async fn run(&self, session: &Session<'_>) -> Outcome {
        let tokens = self.tokens()?;
        let lines: Vec<&str> = tokens.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() {
            return Err(Failure::Usage("no token: there is none in what was read".to_owned()));
        }
        let mut items: Vec<Value> = Vec::with_capacity(lines.len());
        for some in lines.chunks(MAX_LEAKS) {
            let leaks: Vec<Value> =
                some.iter().map(|token| json!({"token": token, "found_in": self.found_in})).collect();
            // To report something again changes nothing.
            let request = Request::post("/leaks/report", json!({ "items": leaks })).repeatable(true);
            let answer = session.ask(&request).await?;
            items.extend(answer.json.get("items").and_then(Value::as_array).into_iter().flatten().cloned());
        }
        if session.output.json {
            return session.output.value(&json!({ "items": items }));
        }
        session.output.table(&table(&items))
    }

    fn tokens(&self) -> Result<Zeroizing<String>, Failure> {
        match &self.file {
            Some(path) => {
                let told = |error| Failure::Usage(format!("{} cannot be read: {error}", path.display()));
                read(std::fs::File::open(path).map_err(told)?).map_err(told)
            }
            None if std::io::stdin().is_terminal() => Err(Failure::Usage(
                "no token: pipe them in (keywright leak report --found-in PLACE < tokens.txt), or name a --file; a \
                 secret is never an argument, since other users could read it"
                    .to_owned(),
            )),
            None => read(std::io::stdin().lock())
                .map_err(|error| Failure::Usage(format!("standard input cannot be read: {error}"))),
        }
    }
}

fn read(source: impl Read) -> std::io::Result<Zeroizing<String>> {
    let mut tokens = Zeroizing::new(String::new());
    source.take(MOST_BYTES).read_to_string(&mut tokens)?;
    Ok(tokens)
}

/// By line: the tokens themselves are not shown.
fn table(items: &[Value]) -> Table {
    let mut table = Table::with_header(&["LINE", "OUTCOME", "KIND", "NAME", "ID"]);
    for (number, item) in items.iter().enumerate() {
        let outcome = text(item, "outcome");
        let tone = if outcome == "unknown" { Tone::Faint } else { Tone::Good };
        let cell = |name: &str| match item.get(name).and_then(Value::as_str) {
            Some(value) => Cell::from(value.to_owned()),
            None => Cell::from(NOTHING.to_owned()),
        };
        table.row(vec![
            Cell::from((number + 1).to_string()),
            Cell::toned(outcome, tone),
            cell("token_type"),
            cell("name"),
            cell("credential_id"),
        ]);
    }
    table
}
