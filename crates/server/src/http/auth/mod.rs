//! `/auth`: verification, and who the caller is.

pub mod emergency_revoke;
pub mod forward;
pub mod health;
pub mod me;
pub mod original;
pub(in crate::http) mod verification;
pub mod verify;
pub mod verify_batch;
pub(in crate::http) mod verify_write;
