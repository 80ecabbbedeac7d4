//! Roles of publishers: one file for each use case.
//!
//! Each publisher has the built-in ones, of which only the editor's can be extended, and its own.

mod create;
mod delete;
mod read;
mod update;

pub use create::{Create, create};
pub use delete::delete;
pub use read::{get, list};
pub use update::{Update, update};

use keywright_store::roles::RoleRow;
use serde_json::{Value, json};

use crate::audit::{Snapshot, Subject};

/// What lets its bearer see the roles and members of a publisher.
pub const READ: &str = "users:read";
/// What lets its bearer manage the roles and members of a publisher.
pub const ADMIN: &str = "users:admin";

fn subject(row: &RoleRow) -> Subject {
    Subject { kind: "role", id: Some(row.id.0), name: Some(row.name.as_str().to_owned()) }
}

impl Snapshot for RoleRow {
    fn snapshot(&self) -> Value {
        json!({
            "publisher_id": self.publisher_id,
            "name": self.name,
            "description": self.description,
            "built_in": self.built_in,
            "permissions": self.permissions,
        })
    }
}
