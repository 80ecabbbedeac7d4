//! `/alerts`: what somebody should look at.

pub mod acknowledge;
pub mod get;
pub mod list;
pub mod resolve;

use axum::response::Response;
use keywright_store::alerts::AlertRow;

use super::answer::object;
use super::view;

/// An alert at its version.
fn alert(row: &AlertRow) -> Response {
    object(&view::alert(row), row.version)
}
