//! Notification channels: ways by which alerts leave. One file for each use case.

mod create;
mod delete;
mod read;
mod test;
mod update;

pub use create::{Create, create};
pub use delete::delete;
pub use read::{get, list};
pub use test::test;
pub use update::{Update, update};

use keywright_store::notification_channels::ChannelRow;
use serde_json::{Value, json};

use crate::audit::{Snapshot, Subject};

fn subject(row: &ChannelRow) -> Subject {
    Subject { kind: "notification_channel", id: Some(row.id.0), name: Some(row.name.as_str().to_owned()) }
}

impl Snapshot for ChannelRow {
    fn snapshot(&self) -> Value {
        json!({
            "publisher_id": self.publisher_id,
            "name": self.name,
            "kind": self.kind,
            "destination": self.destination_hint,
            "minimum_severity": self.minimum_severity,
            "alert_kinds": self.alert_kinds,
            "all_publishers": self.all_publishers,
            "digest": self.digest,
            "is_enabled": self.is_enabled,
        })
    }
}
