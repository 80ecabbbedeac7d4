//! The pure heart of Keywright: ids, secrets, scopes, states and [`decide`].
//!
//! Nothing here does I/O, reads a clock or draws randomness: time and entropy are arguments, so that
//! every rule can be tested by values alone.

pub mod address;
pub mod alert;
pub mod allowlist;
pub mod anomalies;
pub mod decision;
pub mod email;
pub mod grant;
pub mod id;
pub mod key;
pub mod limits;
pub mod metadata;
pub mod name;
pub mod notification;
pub mod password;
pub mod principal;
pub mod publisher;
pub mod role;
pub mod rotation;
pub mod scope;
pub mod secret;
pub mod signing;
pub mod status;
pub mod time;
pub mod usage;

pub use alert::{AlertKind, AlertState, AlertSubjectKind, Severity};
pub use allowlist::{Allowlist, Network, NetworkError};
pub use decision::{Decision, Denial, DenialCode, Facts, Requirements, admit, carries, decide};
pub use email::EmailAddress;
pub use grant::{
    Account, Bonds, Bounds, Claimed, Epochs, Grant, LEEWAY_SECONDS, Owner, RoleHeld, Standing, Tenancy,
};
pub use id::{
    AlertId, ChannelId, CredentialId, DeliveryId, EventId, MaintenanceWindowId, NodeId, PublisherId, RoleId,
    RotationId, RotationPolicyId, ServiceAccountId, SessionId, SigningKeyId, SubscriptionId, UserId,
};
pub use key::{ExternalIdentity, GrantKey, Mapping, Wanted};
pub use limits::{Budget, MAX_BUDGETS, RateLimits, Window};
pub use metadata::Metadata;
pub use name::{CredentialName, Name};
pub use notification::{ChannelKind, DeliveryState, DigestPeriod, EventTypes};
pub use password::{PasswordHash, PlainPassword};
pub use principal::{Actor, ActorKind, ActorRef, Bearing, CredentialKind, PrincipalKind, ServiceType};
pub use publisher::{PersonalTokenPolicy, PublisherSettings};
pub use role::BuiltInRole;
pub use scope::{Scope, ScopeSet};
pub use secret::{Bearer, PlainToken, TokenHash, TokenHint};
pub use signing::SigningAlgorithm;
pub use status::Status;
pub use time::Timestamp;
