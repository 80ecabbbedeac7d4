//! What the server tells of itself while it runs: its [log], and traces to an OTLP receiver when one is
//! configured.

pub mod log;
pub mod trace;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::Config;
use trace::Traces;

/// Begins to log, and to trace where that is configured. Call it once, within a runtime.
///
/// # Errors
/// When the sender of traces cannot be made.
pub fn begin(config: &Config) -> anyhow::Result<Option<Traces>> {
    let traces = Traces::of(config)?;
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let log = log::layer(&config.log, terminal, std::io::stderr);
    let spans = traces.as_ref().map(Traces::layer);
    // A second initialization, in tests, changes nothing.
    let _ = tracing_subscriber::registry().with(log).with(spans).try_init();
    Ok(traces)
}
