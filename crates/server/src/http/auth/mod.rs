//! `/auth`: verification, and who the caller is.

pub mod emergency_revoke;
pub mod forward;
pub mod health;
pub mod me;
pub mod original;
mod verification;
pub mod verify;
pub mod verify_batch;
mod verify_write;
