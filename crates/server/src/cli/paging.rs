//! Options of every list.

use clap::Args;
use serde_json::Value;

use super::failure::Outcome;
use super::output::Output;
use super::output::details::text;
use super::output::table::Table;
use super::session::{Listing, Session};
use super::transport::Request;

/// How much of a list.
#[derive(Args, Debug)]
pub(crate) struct Paging {
    /// How many on a page, 1 to 200
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: Option<u32>,

    /// Where to go on, as the page before said
    #[arg(long, value_name = "CURSOR", conflicts_with = "all")]
    cursor: Option<String>,

    /// All pages
    #[arg(long)]
    pub(crate) all: bool,
}

impl Paging {
    /// Adds itself to the query.
    pub(crate) fn apply(&self, request: Request) -> Request {
        let limit = self.limit.or(self.all.then_some(200));
        request.with_some("limit", limit).with_some("cursor", self.cursor.as_ref())
    }

    /// Asks for a list and prints it: as it came, as ids alone, or as a `table`; `none` is said where it is empty.
    pub(crate) async fn print(
        &self,
        session: &Session<'_>,
        request: Request,
        none: &str,
        table: impl FnOnce(&[Value]) -> Table,
    ) -> Outcome {
        self.print_by(session, request, "id", none, table).await
    }

    /// The same of what is named by another member than `id`.
    pub(crate) async fn print_by(
        &self,
        session: &Session<'_>,
        request: Request,
        id: &str,
        none: &str,
        table: impl FnOnce(&[Value]) -> Table,
    ) -> Outcome {
        let output = session.output;
        let listing = session.list(&self.apply(request), self.all).await?;
        if output.json {
            return listing.print(output);
        }
        if output.quiet {
            return listing.items().iter().try_for_each(|item| output.line(text(item, id)));
        }
        if listing.items().is_empty() {
            output.note(none);
            return Ok(());
        }
        output.table(&table(listing.items()))?;
        Self::note_more(output, &listing);
        Ok(())
    }

    /// Says that there is more.
    pub(crate) fn note_more(output: &Output, listing: &Listing) {
        if let Some(cursor) = listing.next_cursor() {
            output.note(&format!(
                "there are more: add --all, or --cursor {}",
                super::output::text::escape(cursor)
            ));
        }
    }
}
