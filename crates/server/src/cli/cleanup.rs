//! `keywright cleanup`.

use clap::Args;
use serde_json::{Value, json};

use super::failure::Outcome;
use super::output::details::text;
use super::output::progress;
use super::output::table::{Table, Tone, Value as Cell};
use super::session::Session;
use super::transport::Request;

/// Clean up what is over.
#[derive(Args, Debug)]
pub(crate) struct Cleanup {
    /// Change nothing; only tell what would go
    #[arg(long)]
    dry_run: bool,
}

impl Cleanup {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome {
        let output = session.output;
        let spinner = progress::spinner(output, "cleaning up");
        let body = json!({"dry_run": self.dry_run});
        let answer = session.ask(&Request::post("/system/cleanup", body).repeatable(true)).await;
        spinner.finish_and_clear();
        let answer = answer?;
        if output.json {
            return output.answer(&answer);
        }
        output.table(&table(answer.json["items"].as_array().map_or(&[], Vec::as_slice)))
    }
}

fn table(items: &[Value]) -> Table {
    let mut table = Table::with_header(&["KIND", "OVER", "LEFT"]);
    for item in items {
        let count = |name: &str| item[name].as_u64().unwrap_or(0);
        let toned = |number: u64| {
            let tone = if number == 0 { Tone::Faint } else { Tone::Plain };
            Cell::toned(&number.to_string(), tone)
        };
        table.row(vec![text(item, "kind").into(), toned(count("due")), toned(count("left"))]);
    }
    table
}
