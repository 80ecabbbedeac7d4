//! `/system` and `/healthz`: how the authority is doing.

pub mod cleanup;
pub mod health;
pub mod probes;
pub mod status;
