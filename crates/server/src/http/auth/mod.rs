//! `/auth`: verification, and who the caller is.

pub mod emergency_revoke;
pub mod health;
pub mod me;
mod verification;
pub mod verify;
pub mod verify_batch;
mod verify_write;
