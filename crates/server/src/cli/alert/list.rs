//! `keywright alert list`.

use clap::Args;
use keywright_core::Timestamp;
use serde_json::Value as Json;

use super::super::failure::Outcome;
use super::super::output::details::{ago, text};
use super::super::output::table::{Table, Tone, Value};
use super::super::paging::Paging;
use super::super::resolve;
use super::super::session::Session;
use super::super::transport::Request;

/// List alerts.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only alerts in this state: open, acknowledged, resolved
    #[arg(long)]
    state: Option<String>,

    /// Only alerts of this severity: low, medium, high, critical
    #[arg(long)]
    severity: Option<String>,

    /// Only alerts of this kind, such as `token_expiring`
    #[arg(long)]
    kind: Option<String>,

    /// Only alerts about the object with this id
    #[arg(long, value_name = "ID")]
    subject: Option<String>,

    /// Only those that concern this publisher
    #[arg(long, value_name = "NAME|ID")]
    publisher: Option<String>,

    #[command(flatten)]
    paging: Paging,
}

impl List {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let publisher = resolve::publisher_if_named(session, self.publisher.as_deref()).await?;
        let request = Request::get(super::PATH)
            .with_some("state", self.state.as_ref())
            .with_some("severity", self.severity.as_ref())
            .with_some("kind", self.kind.as_ref())
            .with_some("subject_id", self.subject.as_ref())
            .with_some("publisher_id", publisher);
        self.paging
            .print(session, request, "no alert matches", |items| table(items, session.output.now))
            .await
    }
}

fn table(alerts: &[Json], now: Timestamp) -> Table {
    let mut table = Table::with_header(&["SEVERITY", "STATE", "OPENED", "SUMMARY", "ID"]);
    for alert in alerts {
        let severity = text(alert, "severity");
        let urgent = matches!(severity, "high" | "critical") && text(alert, "state") != "resolved";
        table.row(vec![
            if urgent { Value::toned(severity, Tone::Bad) } else { severity.into() },
            text(alert, "state").into(),
            ago(text(alert, "opened_at"), now),
            text(alert, "summary").into(),
            text(alert, "id").into(),
        ]);
    }
    table
}
