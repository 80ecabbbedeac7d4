//! `/auth`: verification, and who the caller is.

pub mod emergency_revoke;
pub mod health;
pub mod me;
pub mod verify;
mod verify_write;
