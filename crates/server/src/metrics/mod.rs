//! Metrics for Prometheus: what the parts of a node count, put together when somebody asks.
//!
//! Nothing here is on the path of a verification but [`Requests::verified`], which adds to counters of
//! its own thread (docs/decisions/0012-metrics-collected-when-scraped.md).

mod process;
mod requests;
mod scrape;
mod streams;
mod text;

pub use process::Process;
pub use requests::{BOUNDS_MICROS, Distribution, OTHER, Requests, RouteCount, UNMATCHED};
pub use scrape::scrape;

/// The media type of [`scrape`]: OpenMetrics 1.0, which Prometheus reads since 2.5.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
