//! `/notification-channels`: ways by which alerts leave, and what became of what they were to tell.

pub mod create;
pub mod delete;
pub mod deliveries;
pub mod get;
pub mod list;
pub mod test;
pub mod update;
