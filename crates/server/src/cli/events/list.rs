//! `keywright events list`.

use clap::Args;

use super::filter::{Filter, Order, Window};
use crate::cli::failure::Outcome;
use crate::cli::output::details::text;
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
        let output = session.output;
        let request = self.window.apply(self.filter.request(), output.now)?;
        let request = self.paging.apply(request.with("order", self.order.as_str()));
        let listing = session.list(&request, self.paging.all).await?;
        if output.json {
            return listing.print(output);
        }
        if output.quiet {
            return listing.items().iter().try_for_each(|event| output.line(text(event, "id")));
        }
        if listing.items().is_empty() {
            output.note("no event matches");
            return Ok(());
        }
        let mut table = Table::with_header(self.filter.kind.header());
        for event in listing.items() {
            table.row(self.filter.kind.row(event).iter().map(Into::into).collect());
        }
        output.table(&table)?;
        Paging::note_more(output, &listing);
        Ok(())
    }
}
