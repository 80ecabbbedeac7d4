//! `keywright publisher list`.

use clap::Args;
use serde_json::Value as Json;

use super::super::failure::Outcome;
use super::super::output::details::text;
use super::super::output::table::{Table, Tone, Value};
use super::super::paging::Paging;
use super::super::session::Session;
use super::super::transport::Request;

/// List publishers.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only publishers in this state: active, suspended
    #[arg(long)]
    status: Option<String>,

    /// Only publishers whose name contains this
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,

    #[command(flatten)]
    paging: Paging,
}

impl List {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let request = Request::get("/publishers")
            .with_some("status", self.status.as_ref())
            .with_some("q", self.search.as_ref());
        self.paging
            .print(session, request, "no publishers; make one: keywright publisher create --name NAME", table)
            .await
    }
}

fn table(publishers: &[Json]) -> Table {
    let mut table = Table::with_header(&["NAME", "STATUS", "REASON", "CREATED", "ID"]);
    for publisher in publishers {
        let status = text(publisher, "status");
        let tone = if status == "active" { Tone::Good } else { Tone::Bad };
        table.row(vec![
            text(publisher, "name").into(),
            Value::toned(status, tone),
            text(publisher, "suspended_reason").into(),
            text(publisher, "created_at").get(..10).unwrap_or_default().into(),
            text(publisher, "id").into(),
        ]);
    }
    table
}
