//! What channels and subscriptions have in common on the command line: their making, and their deliveries.

use clap::Args;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::failure::Outcome;
use super::output::details::{plain, text};
use super::output::table::{Table, Tone, Value};
use super::output::text::escape;
use super::paging::Paging;
use super::session::Session;
use super::transport::{Answer, Request};

/// Which deliveries to list.
#[derive(Args, Debug)]
pub(crate) struct Filter {
    /// Only those in this state: waiting, collecting, collected, delivered, dead
    #[arg(long)]
    state: Option<String>,

    #[command(flatten)]
    paging: Paging,
}

impl Filter {
    /// Lists the deliveries of what lives at `path`.
    pub(crate) async fn run(&self, session: &Session<'_>, path: &str) -> Outcome {
        let request = Request::get(format!("{path}/deliveries")).with_some("state", self.state.as_ref());
        self.paging.print(session, request, "no deliveries", table).await
    }
}

fn table(deliveries: &[Json]) -> Table {
    let header = ["MADE", "TYPE", "STATE", "ATTEMPTS", "ANSWER", "LAST ERROR", "NEXT ATTEMPT", "ID"];
    let mut table = Table::with_header(&header);
    for delivery in deliveries {
        let tone = match text(delivery, "state") {
            "delivered" | "collected" => Tone::Good,
            "dead" => Tone::Bad,
            _ => Tone::Faint,
        };
        table.row(vec![
            text(delivery, "created_at").into(),
            text(delivery, "type").into(),
            Value::toned(text(delivery, "state"), tone),
            plain(&delivery["attempts"]).into(),
            plain(&delivery["status_code"]).into(),
            plain(&delivery["last_error"]).into(),
            plain(&delivery["next_attempt_at"]).into(),
            text(delivery, "id").into(),
        ]);
    }
    table
}

/// Has a delivery tried again.
pub(crate) async fn retry(session: &Session<'_>, path: &str, delivery: Uuid) -> Outcome {
    let request = Request::post(format!("{path}/deliveries/{delivery}/retry"), json!({}));
    session.show(&session.ask(&request).await?)
}

/// Prints the id of what was made, and below it its secret, this once.
pub(crate) fn made(session: &Session<'_>, answer: &Answer) -> Outcome {
    let output = session.output;
    if output.json {
        return output.answer(answer);
    }
    output.note(&format!("made {}", escape(text(&answer.json, "name"))));
    output.line(text(&answer.json, "id"))?;
    match text(&answer.json, "secret") {
        "" => Ok(()),
        secret => {
            output.note("its messages are signed with the secret below, which is shown this once");
            output.line(secret)
        }
    }
}
