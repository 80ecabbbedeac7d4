//! `/leaks`: credentials that were found where they should not be.

pub mod github;
pub mod report;
