//! `/service-accounts`: the identities of external systems, and their tokens.

pub mod bounds;
pub mod create;
pub mod delete;
pub mod disable;
pub mod get;
pub mod limit_state;
pub mod list;
pub mod security_events;
pub mod tokens;
pub mod update;
pub mod usage;

use axum::response::Response;
use keywright_store::service_accounts::ServiceAccountRow;

use super::answer::object;
use super::view;

/// An account at its version.
fn account(row: &ServiceAccountRow) -> Response {
    object(&view::service_account(row), row.version)
}
