//! The binary `keywright` as a library, so that its parts can be tested one by one.

pub mod config;
