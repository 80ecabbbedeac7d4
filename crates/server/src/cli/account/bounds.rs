//! How often and from where the tokens of an account may be used.

use clap::Args;
use serde_json::{Map, Value, json};

/// Limits and networks.
#[derive(Args, Debug, Default)]
pub(super) struct Bounds {
    /// Most uses in any minute, of all its tokens together
    #[arg(long, value_name = "N")]
    per_minute: Option<u32>,

    /// Most uses in any hour, of all its tokens together
    #[arg(long, value_name = "N")]
    per_hour: Option<u32>,

    /// A network that its tokens may be used from; may be repeated
    #[arg(long, value_name = "CIDR")]
    ip: Vec<String>,
}

impl Bounds {
    /// Adds itself to a body.
    pub(super) fn apply(&self, body: &mut Map<String, Value>) {
        let limits = [("per_minute", self.per_minute), ("per_hour", self.per_hour)];
        let named = limits.into_iter().filter_map(|(name, limit)| Some((name.to_owned(), json!(limit?))));
        let limits: Map<_, _> = named.collect();
        if !limits.is_empty() {
            body.insert("rate_limits".to_owned(), Value::Object(limits));
        }
        if !self.ip.is_empty() {
            body.insert("ip_allowlist".to_owned(), json!(self.ip));
        }
    }
}
