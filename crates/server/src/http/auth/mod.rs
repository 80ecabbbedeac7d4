//! `/auth`: verification, and who the caller is.

pub mod emergency_revoke;
pub mod forward;
pub mod health;
pub mod in_process;
mod keepable;
pub mod me;
pub mod original;
pub mod streams;
pub(in crate::http) mod verification;
pub mod verify;
pub mod verify_batch;
pub mod verify_stream;
pub mod verify_usage;
pub(in crate::http) mod verify_write;
