//! Revoking one signing key.

use keywright_core::{Epochs, SigningKeyId, Timestamp};
use keywright_store::Tx;
use keywright_store::signing_keys::{self, SigningKeyRow};

use super::{ADMIN, ALL_KEYS, Made};
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::{Call, Grantor, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::nodes::Confirmations;

/// Revokes a signing key: what it signed is refused on this node when this returns, and on those that
/// confirmed. If it was the one that signs, a new one takes its place. Revoking it again changes nothing.
///
/// # Errors
/// [`Fault::Denied`] without `keys:admin` at platform level; [`Fault::NotFound`].
pub async fn revoke(
    authority: &Authority,
    call: Call,
    id: SigningKeyId,
    reason: String,
) -> Result<(SigningKeyRow, Confirmations), Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, &reason).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: SigningKeyId,
    reason: &str,
) -> Result<(SigningKeyRow, Confirmations), Fault> {
    // Made ahead, as it must be there in the same transaction; thrown away when another one signs.
    let made = Made::new(authority).await?;
    let needs = needs(ADMIN)?.at_platform_level();
    let Change { mut tx, grantor, now, .. } =
        Change::begin_with(authority, call, &needs, &[], &[ALL_KEYS]).await?;
    let before = signing_keys::by_id(tx.conn(), id).await?.ok_or(Fault::NotFound)?;
    let Some(mut version) = mark(authority, &mut tx, call, &grantor, (&before, reason), now).await? else {
        tx.rollback().await;
        return Ok((before, Confirmations::only(authority.node())));
    };
    if signing_keys::signing(tx.conn(), now).await?.is_none() {
        let actor = (grantor.actor, Some(call));
        (_, version) = made.keep(authority, tx.conn(), actor, Some(reason), (now, now)).await?;
    }
    let after = signing_keys::by_id(tx.conn(), id).await?.ok_or(Fault::NotFound)?;
    let epochs = Epochs { keys: version, ..Epochs::default() };
    let nodes = authority.commit(tx, Invalidation::Raised { epochs, spared: None }, true).await?;
    Ok((after, nodes))
}

/// Revokes a key within a change of the keys, with its event; gives the version of the keys that this makes,
/// `None` when it was revoked already.
pub(super) async fn mark(
    authority: &Authority,
    tx: &mut Tx,
    call: &Call,
    grantor: &Grantor,
    (before, reason): (&SigningKeyRow, &str),
    now: Timestamp,
) -> Result<Option<u64>, Fault> {
    let Some(version) = signing_keys::revoke(tx.conn(), before.id, now, Some(reason)).await? else {
        return Ok(None);
    };
    let after = signing_keys::by_id(tx.conn(), before.id).await?.ok_or(Fault::NotFound)?;
    let subject = Subject::signing_key(before.id);
    let event =
        Event::new("signing_key.revoked", grantor.actor.clone(), Some(call), subject).reason(Some(reason));
    event.before(before).after(&after).write(authority, tx.conn()).await?;
    Ok(Some(version))
}
