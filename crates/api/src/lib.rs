//! The wire types of the HTTP API: requests, answers, problem codes.
//!
//! Server, client and command line share them. One file per noun; no other Keywright crate is known
//! here, so that the API can be read, and a client built, without the rest. The server converts at
//! its edge.

mod wire_enum;

pub mod actor;
pub mod json;
pub mod literal;
pub mod problem;
pub mod problem_code;
pub mod verify;

pub use wire_enum::{UnknownName, WireEnum};

/// A moment as it stands on the wire: RFC 3339, UTC, ending in `Z`.
///
/// Text, because this crate keeps no calendar: the server makes and parses it. Every field of this
/// type says `format: date-time` in its schema.
pub type Time = String;
