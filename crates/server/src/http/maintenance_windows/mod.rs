//! `/maintenance-windows`: when automated rotations may begin.

pub mod change;
pub mod read;

use axum::response::Response;
use keywright_store::maintenance_windows::WindowRow;

use super::answer::object;
use super::{App, view};

/// A window at its version.
fn window(app: &App, row: &WindowRow) -> Response {
    object(&view::maintenance_window(row, app.authority().now()), row.version)
}
