//! `/rotations`: automated rotations, how each came to where it is, and what would be rotated.

pub mod decide;
pub mod plan;
pub mod read;

use axum::response::Response;
use keywright_authority::rotations::Told;

use super::answer::object;
use super::view;

/// A rotation at its version, with all that is known of it.
fn rotation(told: &Told) -> Response {
    object(&view::rotation_details(told), told.row.version)
}
