//! `keywright pat list`.

use clap::Args;
use keywright_core::Timestamp;
use serde_json::Value as Json;

use super::super::failure::Outcome;
use super::super::output::details::{last, plain, text};
use super::super::output::table::Table;
use super::super::paging::Paging;
use super::super::session::Session;
use super::super::token::list::{expiry, status};
use super::super::transport::Request;
use super::resolve::Of;

/// List personal tokens.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    of: Of,

    /// Only tokens in this state: active, superseded, inactive, expired, revoked
    #[arg(long)]
    status: Option<String>,

    /// Only tokens whose name contains this
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,

    /// Only live tokens that expire within so many days
    #[arg(long, value_name = "DAYS")]
    expiring_within_days: Option<u32>,

    /// Only tokens that were never used
    #[arg(long)]
    never_used: bool,

    #[command(flatten)]
    paging: Paging,
}

impl List {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let request = Request::get(self.of.path(session).await?)
            .with_some("status", self.status.as_ref())
            .with_some("q", self.search.as_ref())
            .with_some("expiring_within_days", self.expiring_within_days)
            .with_some("never_used", self.never_used.then_some(true));
        self.paging
            .print(session, request, "no token matches", |items| table(items, session.output.now))
            .await
    }
}

fn table(tokens: &[Json], now: Timestamp) -> Table {
    let mut table = Table::with_header(&["NAME", "HINT", "STATUS", "SCOPES", "EXPIRES", "USES", "LAST USED"]);
    for token in tokens {
        let scopes = match token["inherit_user_permissions"].as_bool() {
            Some(true) => "all of its owner's".to_owned(),
            _ => plain(&token["scopes"]),
        };
        table.row(vec![
            text(token, "name").into(),
            text(token, "token_hint").into(),
            status(text(token, "status")),
            scopes.into(),
            expiry(token, now),
            plain(&token["usage_count"]).into(),
            last(token, "last_used_at", now),
        ]);
    }
    table
}
