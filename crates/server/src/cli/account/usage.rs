//! `keywright account usage`.

use clap::Args;
use serde_json::Value as Json;

use super::super::failure::Outcome;
use super::super::output::details::{plain, text};
use super::super::output::table::Table;
use super::super::session::Session;
use super::super::transport::Request;
use super::Identifier;

/// How the tokens of an account were used.
#[derive(Args, Debug)]
pub(crate) struct Usage {
    #[command(flatten)]
    account: Identifier,

    /// How many days (UTC) to look back, today included
    #[arg(long, default_value_t = keywright_api::analytics::DEFAULT_DAYS)]
    days: u32,
}

impl Usage {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let output = session.output;
        let path = self.account.path(session).await?;
        let answer =
            session.ask(&Request::get(format!("{path}/usage")).with("days", self.days.to_string())).await?;
        if output.json {
            return output.answer(&answer);
        }
        let usage = &answer.json;
        let mut totals = Table::default();
        for name in ["decisions", "successes", "denials"] {
            totals.pair(name, plain(&usage[name]));
        }
        output.table(&totals)?;
        let tokens = usage["tokens"].as_array().map_or(&[][..], Vec::as_slice);
        if tokens.is_empty() {
            output.note("none of its tokens was asked about");
            return Ok(());
        }
        output.table(&table(tokens))
    }
}

fn table(tokens: &[Json]) -> Table {
    let mut table = Table::with_header(&["TOKEN", "SUCCESSES", "DENIALS", "LAST DECISION"]);
    for token in tokens {
        table.row(vec![
            text(token, "token_name").into(),
            plain(&token["successes"]).into(),
            plain(&token["denials"]).into(),
            text(token, "last_decision_at").into(),
        ]);
    }
    table
}
