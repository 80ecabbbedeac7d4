//! The streams by which caches elsewhere hear of changes.

use super::scrape::float;
use super::text::{Families, Labels};
use crate::http::App;

pub(super) fn streams(app: &App, to: &mut Families<'_>) {
    let streams = app.streams();
    to.gauge(
        "keywright_verify_streams",
        "Open streams by which caches elsewhere hear of changes",
        float(streams.open()),
    );
    to.counter(
        "keywright_verify_stream_flushes",
        "Times that an open stream was told that anything may have changed: an emergency, a lost connection to the store, \
         or one that fell behind",
        streams.flushes(),
    );
    to.counters(
        "keywright_verify_stream_ends",
        "Streams that ended: by the client, cut off as it took nothing (slow), as its credential may not listen (refused), \
         to be opened again (old), or as the server leaves",
        streams.ends().map(|(end, count)| {
            let labels: Labels<'_> = vec![("reason", end.as_str().into())];
            (labels, count)
        }),
    );
}
