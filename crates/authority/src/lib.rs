//! The use cases: what may change, who may change it, and the record of it.
//!
//! HTTP, command line and jobs call the same functions here; a rule exists once. A change is one
//! transaction: the actor is read again, the row changes, the security event is written, other nodes
//! are told. Commit and invalidation run in a task of their own ([`change`]), so that a client that
//! hangs up cannot separate them.

pub mod accounts;
pub mod alerts;
pub mod analytics;
pub mod anomalies;
mod attempts;
pub mod audit;
mod authority;
pub mod blast_radius;
pub mod bootstrap;
mod call;
pub mod change;
pub mod cicd;
pub mod cleanup;
pub mod client_credentials;
pub mod connector;
pub mod emergency;
pub mod entropy;
pub mod external_identities;
mod fault;
pub mod idempotency;
pub mod imports;
pub mod introspection;
pub mod jobs;
pub mod journals;
pub mod keys;
pub mod leaks;
pub mod limits;
pub mod locations;
pub mod mail;
pub mod maintenance_windows;
pub mod memberships;
pub mod monitoring;
pub mod nodes;
pub mod notifications;
pub mod passwords;
pub mod personal_tokens;
pub mod publishers;
mod rate_limits;
pub mod rekey;
pub mod remote_caches;
pub mod revocation;
pub mod roles;
mod room;
pub mod rotation_policies;
pub mod rotations;
pub mod service_accounts;
pub mod service_tokens;
pub mod sessions;
pub mod signing_keys;
pub mod status;
pub mod users;

pub use attempts::{Attempts, Counts};
pub use authority::{Authority, JwtSettings, SessionSettings, Settings};
pub use call::{Bounded, Call, Grantor};
pub use fault::{Fault, FieldFault};
pub use idempotency::Idempotency;
pub use keys::{AuditKeys, Keys};
pub use monitoring::MonitoringSettings;
pub use passwords::Passwords;
pub use rate_limits::RateLimitsChange;
