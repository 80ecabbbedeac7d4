//! Sealing anew, under the first of the master keys, whatever they seal and keep.
//!
//! Answers to idempotency keys are left: they are sealed under the idempotency key as well, which nobody keeps,
//! and their secrets are erased after ten minutes.

use keywright_core::ActorRef;
use serde_json::json;

use crate::audit::{Event, Subject, chain};
use crate::authority::Authority;
use crate::fault::Fault;
use crate::signing_keys::ALL_KEYS;
use crate::{mail, notifications, rotations, signing_keys};

/// What was sealed anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealedAnew {
    /// Private halves of signing keys.
    pub signing_keys: u64,
    /// Mails that wait.
    pub mails: u64,
    /// Where channels and subscriptions lead.
    pub channels: u64,
    /// New secrets under way, and what lets their deliveries in.
    pub rotations: u64,
}

/// Seals all of it anew, as the local operator. The event of it is the first that the new key seals, so that the
/// audit trail goes on without the old ones.
///
/// # Errors
/// [`Fault::Internal`] when a signing key is opened by none of the configured master keys.
pub async fn rekey(authority: &Authority) -> Result<SealedAnew, Fault> {
    let mails = mail::reseal(authority).await?;
    let channels = notifications::reseal(authority).await?;
    let rotations = rotations::reseal(authority).await?;
    let mut tx = authority.store().begin_change(&[], &[ALL_KEYS]).await?;
    let signing_keys = signing_keys::reseal(authority, &mut tx).await?;
    let sealed = SealedAnew { signing_keys, mails, channels, rotations };
    let event = Event::new("master_key.rekeyed", ActorRef::operator(), None, Subject::platform());
    let details = json!({
        "signing_keys": signing_keys, "mails": mails, "channels": channels, "rotations": rotations,
    });
    event.details(details).write(authority, tx.conn()).await?;
    tx.commit().await?;
    chain::seal(authority).await?;
    Ok(sealed)
}
