//! Event subscriptions: who is told of which events. One file for each use case.

mod create;
mod delete;
mod read;
mod update;

pub use create::{Create, create};
pub use delete::delete;
pub use read::{get, list};
pub use update::{Update, update};

use keywright_core::ScopeSet;
use keywright_store::event_subscriptions::SubscriptionRow;
use serde_json::{Value, json};

use super::ADMIN;
use crate::audit::{Snapshot, Subject};
use crate::call::{Needs, needs};
use crate::fault::Fault;

/// What lets its bearer read events: nobody is told of them who may not.
const EVENTS: &str = "audit:read";

/// What a subscription asks of whoever makes it, or has it tell more.
fn needs_of_events() -> Result<Needs, Fault> {
    let mut both = needs(ADMIN)?;
    both.requirements.required_scopes =
        ScopeSet::parse([ADMIN, EVENTS]).map_err(|(_, error)| Fault::Internal(error.to_string()))?;
    Ok(both)
}

fn subject(row: &SubscriptionRow) -> Subject {
    Subject { kind: "event_subscription", id: Some(row.id.0), name: Some(row.name.as_str().to_owned()) }
}

impl Snapshot for SubscriptionRow {
    fn snapshot(&self) -> Value {
        json!({
            "publisher_id": self.publisher_id,
            "name": self.name,
            "destination": self.destination_hint,
            "event_types": self.event_types,
            "is_enabled": self.is_enabled,
        })
    }
}
