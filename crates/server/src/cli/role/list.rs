//! `keywright role list`.

use clap::Args;
use serde_json::Value as Json;

use super::super::failure::Outcome;
use super::super::output::details::{plain, text};
use super::super::output::table::Table;
use super::super::paging::Paging;
use super::super::resolve;
use super::super::session::Session;
use super::super::transport::Request;

/// List roles.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only those of this publisher, by its name or id
    #[arg(long, value_name = "NAME|ID")]
    publisher: Option<String>,

    /// Only the roles with exactly this name
    #[arg(long)]
    name: Option<String>,

    #[command(flatten)]
    paging: Paging,
}

impl List {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let publisher = resolve::publisher_if_named(session, self.publisher.as_deref()).await?;
        let request =
            Request::get("/roles").with_some("publisher_id", publisher).with_some("name", self.name.as_ref());
        self.paging.print(session, request, "no roles", table).await
    }
}

fn table(roles: &[Json]) -> Table {
    let mut table = Table::with_header(&["NAME", "BUILT IN", "PERMISSIONS", "PUBLISHER", "ID"]);
    for role in roles {
        table.row(vec![
            text(role, "name").into(),
            plain(&role["is_built_in"]).into(),
            plain(&role["permissions"]).into(),
            text(role, "publisher_id").into(),
            text(role, "id").into(),
        ]);
    }
    table
}
