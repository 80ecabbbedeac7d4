//! Rotating the signing key by command.

use keywright_core::{Epochs, SigningKeyId};
use keywright_store::signing_keys::{self, SigningKeyRow};

use super::read::JWKS_MAX_AGE_SECONDS;
use super::{ADMIN, ALL_KEYS, Made, revoke};
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::Held;
use crate::nodes::Confirmations;

/// A rotation of the signing key.
#[derive(Clone, Debug)]
pub struct Rotate {
    /// Why, where somebody said.
    pub reason: Option<String>,
    /// Revoke all keys that there were: what they signed is refused at once.
    pub revoke: bool,
}

/// What was rotated.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The new key.
    pub key: SigningKeyRow,
    /// The keys that were revoked.
    pub revoked: Vec<SigningKeyId>,
    /// The nodes.
    pub nodes: Confirmations,
}

/// Why keys were revoked, where nobody said.
const REPLACED: &str = "all signing keys were replaced at once";

/// Makes a new signing key. It signs as soon as everybody who keeps the published keys as long as they may
/// knows it; with `revoke` at once.
///
/// # Errors
/// [`Fault::Denied`] without `keys:admin` at platform level; those of an idempotency key.
pub async fn rotate(authority: &Authority, call: Call, wanted: Rotate) -> Result<Rotated, Fault> {
    let held = Held::take(authority, &call.actor, call.idempotency.clone())?;
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, held.as_ref(), &wanted).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    wanted: &Rotate,
) -> Result<Rotated, Fault> {
    let made = Made::new(authority).await?;
    let needs = needs(ADMIN)?.at_platform_level();
    let Change { mut tx, grantor, now, .. } =
        Change::begin_with(authority, call, &needs, &[], &[ALL_KEYS]).await?;
    if let Some(held) = held
        && let Some((id, revoked)) =
            held.repeated_answer::<(SigningKeyId, Vec<SigningKeyId>)>(tx.conn(), now).await?
    {
        let key = signing_keys::by_id(tx.conn(), id).await?.ok_or(Fault::NotFound)?;
        return Ok(Rotated { key, revoked, nodes: Confirmations::only(authority.node()) });
    }
    let before = signing_keys::accepted(tx.conn(), now).await?;
    let active_from = if wanted.revoke { now } else { now.plus_seconds(JWKS_MAX_AGE_SECONDS) };
    let actor = (grantor.actor.clone(), Some(call));
    let (key, mut version) =
        made.keep(authority, tx.conn(), actor, wanted.reason.as_deref(), (now, active_from)).await?;
    let mut revoked = Vec::new();
    if wanted.revoke {
        let reason = wanted.reason.as_deref().unwrap_or(REPLACED);
        for old in &before {
            let raised = revoke::mark(authority, &mut tx, call, &grantor, (old, reason), now).await?;
            if let Some(raised) = raised {
                version = raised;
                revoked.push(old.id);
            }
        }
    }
    if let Some(held) = held {
        held.keep_answer(tx.conn(), &call.actor, &(key.id, &revoked), now).await?;
    }
    let epochs = Epochs { keys: version, ..Epochs::default() };
    let invalidation = Invalidation::Raised { epochs, spared: None };
    let nodes = authority.commit(tx, invalidation, wanted.revoke || call.confirm).await?;
    Ok(Rotated { key, revoked, nodes })
}
