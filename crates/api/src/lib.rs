//! The wire types of the HTTP API: requests, answers, problem codes.
//!
//! Server, client and command line share them. One file per noun; no other Keywright crate is known
//! here, so that the API can be read, and a client built, without the rest. The server converts at
//! its edge.
//!
//! Requests are read by [`request::Fields`], which names every bad field at once; each implements
//! [`request::FromFields`] and has no lax `Deserialize` beside it. A test holds the generated schema
//! of each request against what its reader accepts.

mod wire_enum;

pub mod account;
pub mod actor;
pub mod alert;
pub mod analytics;
pub mod anomaly;
pub mod blast_radius;
pub mod bootstrap;
pub mod bounds;
pub mod cicd;
pub mod cleanup;
pub mod emergency;
pub mod event;
pub mod event_query;
pub mod forward;
pub mod json;
pub mod kind;
pub mod leak;
pub mod literal;
pub mod location;
pub mod maintenance_window;
pub mod me;
pub mod member;
pub mod notification;
pub mod notification_request;
pub mod oauth;
pub mod page;
pub mod patch;
pub mod personal_token;
pub mod personal_token_request;
pub mod presented;
pub mod problem;
pub mod problem_code;
pub mod publisher;
pub mod publisher_request;
pub mod remote_cache;
pub mod request;
pub mod role;
pub mod rotation;
pub mod rotation_request;
pub mod secret;
pub mod service_account;
pub mod service_account_request;
pub mod service_token;
pub mod service_token_request;
pub mod session;
pub mod signing_key;
pub mod system;
pub mod user;
pub mod verify;
pub mod verify_request;

#[cfg(test)]
mod request_contract;
#[cfg(test)]
mod response_contract;

pub use wire_enum::{UnknownName, WireEnum};

/// A moment as it stands on the wire: RFC 3339, UTC, ending in `Z`.
///
/// Text, because this crate keeps no calendar: the server makes and parses it. Every field of this
/// type says `format: date-time` in its schema.
pub type Time = String;
