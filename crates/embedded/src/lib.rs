//! A node of Keywright in the process of a service in Rust (`docs/rust-client.md`, In the same process).
//!
//! [`Embedded`] opens the store as `keywright serve` does: on PostgreSQL it is one more node, on SQLite it is the one
//! server. It decides on the very path of `POST /auth/verify`, without a request to anybody, and is put behind the
//! [`KeywrightLayer`](keywright_client::KeywrightLayer) of `keywright-client`.

mod embedded;
mod options;
mod principals;

pub use embedded::{Embedded, EmbeddedError};
pub use keywright_client as client;
pub use keywright_verify::VerifierStatistics;
pub use options::EmbeddedOptions;
