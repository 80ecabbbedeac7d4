//! `/publishers/{id}/members`: who belongs to a publisher.

pub mod add;
pub mod get;
pub mod list;
pub mod remove;
pub mod update;
