//! Everything that knows SQL: one file for each noun, two engines, one text for each statement.
//!
//! Query functions take a [`Conn`], so that a [`Reader`] and a transaction ([`Tx`]) share them. What
//! both engines understand is written once; [`dialect`](crate::Engine) differences are few and in one
//! module. Times are handed in, never asked of the server, but for [`Store::now`].

pub mod alerts;
pub mod anomalies;
pub mod auth2;
pub mod authentication_events;
mod bulk;
pub mod changes_made;
mod conn;
pub mod deliveries;
mod dialect;
mod engine;
mod error;
pub mod event_subscriptions;
pub mod expiry;
pub mod external_identities;
pub mod external_refusals;
pub mod grants;
pub mod holdings;
mod holds;
pub mod idempotency;
pub mod imports;
mod journal;
pub mod journals;
mod key_source;
pub mod leaks;
pub mod leases;
pub mod leftovers;
mod limits;
mod link;
mod lock;
pub mod login_networks;
pub mod login_throttles;
pub mod mailed_tokens;
pub mod maintenance_windows;
pub mod memberships;
pub mod nodes;
pub mod notification_channels;
pub mod notify;
pub mod outbox;
pub mod personal_tokens;
mod places;
pub mod platform;
mod preflight;
pub mod publishers;
pub mod refresh_tokens;
pub mod reported_decisions;
pub mod roles;
pub mod rotation_policies;
pub mod rotations;
mod schema;
pub mod security_events;
pub mod service_accounts;
pub mod service_tokens;
pub mod sessions;
pub mod signing_keys;
mod sql;
mod store;
#[doc(hidden)]
pub mod testing;
#[cfg(test)]
mod tests;
mod transaction;
mod types;
pub mod usage;
pub mod users;

pub use conn::Conn;
pub use engine::{Engine, StoreOptions, SuccessEvents};
pub use error::{CommitError, StoreError};
pub use limits::ServerLimits;
pub use link::Link;
pub use lock::{StoreLock, beside};
pub use schema::{MigrationStep, SchemaState};
pub use store::{PoolStatus, Store};
pub use transaction::{Reader, Tx};
