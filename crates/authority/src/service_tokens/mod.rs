//! Service tokens: one file for each use case.

mod cleanup;
mod create;
mod read;
mod revoke;
mod rotate;
mod update;

pub use cleanup::{CleanUp, CleanedUp, clean_up};
pub use create::{Create, Expiry, create};
pub use read::{get, list, myself};
pub use revoke::revoke;
pub use rotate::{Rotate, rotate};
pub use update::{MetadataChange, Update, update};

use keywright_core::{CredentialId, PlainToken};
use keywright_store::service_tokens::NewServiceToken;

use crate::entropy;

/// What lets its bearer see service tokens.
pub const READ: &str = "tokens:read";
/// What lets its bearer manage service tokens.
pub const ADMIN: &str = "tokens:admin";
/// What lets its bearer rotate the very credential that calls.
pub const ROTATE_SELF: &str = "tokens:rotate_self";

/// Which token a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The one with this id; needs the right to manage tokens.
    Id(CredentialId),
    /// The very one that calls.
    Myself,
}

impl Target {
    fn id(self, call: &crate::Call) -> Result<CredentialId, crate::Fault> {
        match self {
            Self::Id(id) => Ok(id),
            Self::Myself => call.actor.credential_id().ok_or(crate::Fault::NotFound),
        }
    }
}

/// Makes the secret of a new token and puts its hash and hint into the row.
fn mint(fill: impl FnOnce(&PlainToken) -> NewServiceToken) -> (PlainToken, NewServiceToken) {
    let secret = PlainToken::service(&entropy::token());
    let row = fill(&secret);
    (secret, row)
}
