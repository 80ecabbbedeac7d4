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
pub use rotate::{DEFAULT_GRACE_SECONDS, MAX_GRACE_SECONDS, Rotate, rotate};
pub use update::{MetadataChange, Update, update};

use keywright_core::{CredentialId, CredentialName, PlainToken};
use keywright_store::platform;
use keywright_store::service_tokens::{self, NewServiceToken};

use crate::authority::Authority;
use crate::call::Call;
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::Minted;
use crate::{entropy, jobs};

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
    /// Its id, if the caller may know of it.
    pub(crate) fn id(self, call: &Call) -> Result<CredentialId, Fault> {
        match self {
            // Tokens that stand alone are the platform's: to whoever belongs to a publisher there are none.
            Self::Id(id) => {
                if call.home().is_some() {
                    Err(Fault::NotFound)
                } else {
                    Ok(id)
                }
            }
            Self::Myself => call.actor.credential_id().ok_or(Fault::NotFound),
        }
    }
}

/// Makes the secret of a new token and puts its hash and hint into the row.
fn mint(fill: impl FnOnce(&PlainToken) -> NewServiceToken) -> (PlainToken, NewServiceToken) {
    let secret = PlainToken::service(&entropy::token());
    let row = fill(&secret);
    (secret, row)
}

/// Ends a change that mints: commits what is new. Everything else is rolled back at once and not by a
/// drop: the idempotency key is free for the next try when this one is answered.
async fn finish(
    authority: &Authority,
    call: &Call,
    change: Change,
    outcome: Result<Minted, Fault>,
    invalidation: Invalidation,
) -> Result<Minted, Fault> {
    let minted = match outcome {
        Ok(minted) if !minted.repeated => minted,
        outcome => {
            change.tx.rollback().await;
            return outcome;
        }
    };
    authority.commit(change.tx, invalidation, call.confirm).await?;
    if let Some(secret) = &minted.secret {
        authority.verifier().forget_unknown(secret.hash());
    }
    Ok(minted)
}

/// Frees a name that a token bears which an emergency revoked and no job has marked yet: a name is
/// free as soon as its bearer is revoked. Tells whether it is worth trying again.
async fn free_name(authority: &Authority, name: Option<&CredentialName>) -> Result<bool, Fault> {
    let Some(name) = name else { return Ok(false) };
    let mut tx = authority.store().begin_change(&[], &[]).await?;
    let epochs = platform::epochs(tx.conn()).await?;
    let Some(row) = service_tokens::live_by_name(tx.conn(), name.as_str()).await? else { return Ok(true) };
    if row.epoch >= epochs.service {
        return Ok(false);
    }
    // False: the job was faster.
    service_tokens::revoke(tx.conn(), row.id, authority.now(), Some(jobs::EMERGENCY)).await?;
    tx.commit().await?;
    Ok(true)
}
