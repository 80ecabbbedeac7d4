//! `/audit`: the audit trail.

pub mod security_events;
pub mod verify;
