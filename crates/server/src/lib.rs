//! The binary `keywright` as a library, so that its parts can be tested one by one.

pub mod admin;
mod advice;
pub mod cli;
pub mod config;
pub mod github_keys;
pub mod http;
pub mod import;
pub mod issuers;
pub mod journal;
pub mod local;
pub mod metrics;
pub mod node;
pub mod serve;
pub mod telemetry;
