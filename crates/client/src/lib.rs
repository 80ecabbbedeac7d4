//! For services in Rust that accept credentials of Keywright (`docs/rust-client.md` tells how).
//!
//! [`Client`] speaks the HTTP API. [`KeywrightLayer`] stands before a service of axum, tonic or hyper: it asks about
//! the credential of each request, lets those pass that are valid, with a [`Principal`] among their extensions, and
//! answers the others as Keywright's own doors do.

mod cache;
mod client;
mod entropy;
mod error;
pub mod layer;
mod principal;
mod refusal;
mod service_tokens;
mod transport;

pub use cache::{CacheOptions, CacheStatistics, Cached};
pub use client::{Client, ClientOptions};
pub use error::ClientError;
pub use keywright_api as api;
pub use keywright_api::secret::Secret;
pub use keywright_core::Requirements;
pub use keywright_core::scope::{Scope, ScopeError, ScopeSet};
pub use layer::{Decide, KeywrightLayer, KeywrightService, Question, Undecided, Verdict};
pub use principal::Principal;
pub use service_tokens::ServiceTokens;
