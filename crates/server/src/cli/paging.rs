//! Options of every list.

use clap::Args;

use super::output::Output;
use super::session::Listing;
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
