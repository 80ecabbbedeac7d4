//! Reading JSON Web Tokens: the compact serialization (RFC 7515), keys (RFC 7517, 7518, 8037) and claims
//! (RFC 7519), under the advice of RFC 8725. See docs/decisions/0015-jwt-read-by-hand.md.
//!
//! Nothing that a token names is ever fetched or used as a key: `kid` only chooses among the keys that are known.

pub mod claims;
pub mod json;
pub mod jwk;
pub mod jws;

pub use claims::{Claims, ClaimsError, Expected, Refused};
pub use jwk::{Algorithm, JwkError, KeySet, KeySetError, PublicKey};
pub use jws::{Compact, JwsError};
