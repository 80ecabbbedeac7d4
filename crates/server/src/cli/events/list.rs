//! `keywright events list`.

use clap::Args;
use serde_json::Value as Json;

use super::filter::{Filter, Order, Window};
use crate::cli::failure::Outcome;
use crate::cli::output::table::Table;
use crate::cli::paging::Paging;
use crate::cli::session::Session;

/// List events.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    filter: Filter,

    #[command(flatten)]
    window: Window,

    /// Newest first, or oldest first
    #[arg(long, value_enum, default_value_t = Order::Desc)]
    order: Order,

    #[command(flatten)]
    paging: Paging,
}

impl List {
    pub(super) async fn run(&self, session: &Session<'_>) -> Outcome {
        let request = self.window.apply(self.filter.request(), session.output.now)?;
        let request = request.with("order", self.order.as_str());
        self.paging.print(session, request, "no event matches", |events| self.table(events)).await
    }

    fn table(&self, events: &[Json]) -> Table {
        let mut table = Table::with_header(self.filter.kind.header());
        for event in events {
            table.row(self.filter.kind.row(event).iter().map(Into::into).collect());
        }
        table
    }
}
