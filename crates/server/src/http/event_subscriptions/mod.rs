//! `/event-subscriptions`: who is told of which events, and what became of what they were to tell.

pub mod create;
pub mod delete;
pub mod deliveries;
pub mod get;
pub mod list;
pub mod update;
