//! Service accounts: the identities of external systems. One file for each use case.
//!
//! An account belongs to a publisher or to the platform, and never goes elsewhere. It bounds its tokens by its
//! scopes, limits, networks and state: a change of any of them reaches all of its tokens at once, as each
//! grant of theirs depends on the account.

mod create;
mod delete;
mod disable;
mod read;
mod revoke_tokens;
mod update;

pub use create::{Create, create};
pub use delete::delete;
pub use disable::{disable, enable};
pub use read::{events, get, list};
pub use revoke_tokens::{TokensRevoked, revoke_tokens};
pub use update::{Update, update};

use keywright_store::service_accounts::ServiceAccountRow;
use serde_json::{Value, json};

use crate::audit::{Snapshot, Subject};

/// What lets its bearer see service accounts and their tokens.
pub const READ: &str = "service_accounts:read";
/// What lets its bearer manage service accounts and their tokens.
pub const ADMIN: &str = "service_accounts:admin";

fn subject(row: &ServiceAccountRow) -> Subject {
    Subject { kind: "service_account", id: Some(row.id.0), name: Some(row.name.as_str().to_owned()) }
}

/// Without the owner's address: events outlive the personal data of whoever is deleted.
impl Snapshot for ServiceAccountRow {
    fn snapshot(&self) -> Value {
        json!({
            "publisher_id": self.publisher_id,
            "name": self.name,
            "description": self.description,
            "service_type": self.service_type,
            "scopes": self.scopes,
            "rate_limits": self.limits,
            "ip_allowlist": self.allowlist,
            "metadata": self.metadata,
            "disabled_at": self.disabled_at,
        })
    }
}
