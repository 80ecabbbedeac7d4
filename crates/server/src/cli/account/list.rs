//! `keywright account list`.

use clap::Args;
use serde_json::Value as Json;

use super::super::failure::Outcome;
use super::super::output::details::{owner, plain, text};
use super::super::output::table::{Table, Tone, Value};
use super::super::paging::Paging;
use super::super::resolve;
use super::super::session::Session;
use super::super::transport::Request;

/// List accounts.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only accounts in this state: active, disabled
    #[arg(long)]
    status: Option<String>,

    /// Only accounts of this kind: platform, partner, internal, `ci_cd`, analytics, mobile
    #[arg(long = "type", value_name = "TYPE")]
    service_type: Option<String>,

    /// Only those of this publisher
    #[arg(long, value_name = "NAME|ID")]
    publisher: Option<String>,

    /// Only the accounts with exactly this name
    #[arg(long)]
    name: Option<String>,

    /// Only accounts whose name contains this
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,

    #[command(flatten)]
    paging: Paging,
}

impl List {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let publisher = resolve::publisher_if_named(session, self.publisher.as_deref()).await?;
        let request = Request::get(super::PATH)
            .with_some("status", self.status.as_ref())
            .with_some("service_type", self.service_type.as_ref())
            .with_some("publisher_id", publisher)
            .with_some("name", self.name.as_ref())
            .with_some("q", self.search.as_ref());
        self.paging
            .print(session, request, "no account matches; make one: keywright account create", table)
            .await
    }
}

fn table(accounts: &[Json]) -> Table {
    let mut table = Table::with_header(&["NAME", "TYPE", "STATUS", "SCOPES", "PUBLISHER", "ID"]);
    for account in accounts {
        let tone = if text(account, "status") == "active" { Tone::Good } else { Tone::Bad };
        table.row(vec![
            text(account, "name").into(),
            text(account, "service_type").into(),
            Value::toned(text(account, "status"), tone),
            plain(&account["scopes"]).into(),
            owner(account),
            text(account, "id").into(),
        ]);
    }
    table
}
