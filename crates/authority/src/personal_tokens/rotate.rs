//! Rotating a personal token (lifecycle.md, Rotation).

use keywright_core::{CredentialId, Status, Timestamp};
use keywright_store::Tx;
use keywright_store::personal_tokens::{self, NewPersonalToken, PersonalTokenRow, Terms};
use serde_json::json;

use super::owner::Owner;
use super::terms::Askeds;
use super::{PersonalToken, WRITE, event, in_person, mint};
use crate::authority::Authority;
use crate::call::{Call, Grantor, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::{Held, Minted};
use crate::service_tokens::{Rotate, finish};

/// Makes a new token in the place of one of the caller's own, which stays valid through its grace. Of two at
/// once one wins. Publishers, limits and approvals go on with the new one.
///
/// # Errors
/// [`Fault::UserRequired`]; [`Fault::Denied`] without `personal_tokens:write`; [`Fault::NotFound`];
/// [`Fault::NotRotatable`]; [`Fault::RotationInProgress`]; those of [`super::create()`], as what is made anew must
/// be what could be made now.
pub async fn rotate(
    authority: &Authority,
    call: Call,
    id: CredentialId,
    wanted: Rotate,
) -> Result<Minted<PersonalToken>, Fault> {
    in_person(&call)?;
    let held = Held::take(authority, &call.actor, call.idempotency.clone())?;
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, held.as_ref(), id, &wanted).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    id: CredentialId,
    wanted: &Rotate,
) -> Result<Minted<PersonalToken>, Fault> {
    let mut change = Change::begin_with(authority, call, &needs(WRITE)?, &[], &[id.0]).await?;
    let minted = replace(authority, call, held, id, wanted, &mut change).await;
    finish(authority, call, change, minted, Invalidation::of(id)).await
}

async fn replace(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    id: CredentialId,
    wanted: &Rotate,
    Change { tx, grantor, now, .. }: &mut Change,
) -> Result<Minted<PersonalToken>, Fault> {
    let (now, user) = (*now, in_person(call)?);
    if let Some(held) = held
        && let Some(repeated) = held.repeated(tx.conn(), now).await?
    {
        return Ok(repeated);
    }
    let old = personal_tokens::of_user_for_change(tx.conn(), user, id, None).await?.ok_or(Fault::NotFound)?;
    call.expects(old.version)?;
    must_be_rotatable(&old, grantor, now)?;
    let mut owner = Owner::read(tx.conn(), user, None).await?;
    let publishers = old.terms.publisher_ids.as_deref();
    let askeds = Askeds::read(tx.conn(), call, &mut owner, publishers).await?;
    let terms = Terms { expires_at: new_end(&old, wanted, &askeds, now)?, ..old.terms.clone() };
    askeds.accept(call, grantor, &terms, now)?;
    let grace_end = wanted.grace_end(old.terms.expires_at, now)?;
    let new_id = authority.new_credential_id();
    let name = old.terms.name.superseded(id);
    if !personal_tokens::supersede(tx.conn(), id, new_id, &name, grace_end, now).await? {
        return Err(Fault::RotationInProgress);
    }
    let (secret, row) = mint(|secret| NewPersonalToken {
        id: new_id,
        user_id: user,
        token_hash: secret.hash(),
        token_hint: secret.hint(),
        terms,
        epoch: grantor.epochs.counter,
        lineage_id: old.lineage_id,
        rotated_from_id: Some(id),
        created_by: grantor.actor.clone(),
        created_at: now,
    });
    let row = personal_tokens::insert(tx.conn(), &row).await?;
    let after = personal_tokens::of_user(tx.conn(), user, id, None).await?.ok_or(Fault::NotFound)?;
    let before = PersonalToken::of(tx.conn(), &mut owner, old).await?;
    let after = PersonalToken::of(tx.conn(), &mut owner, after).await?;
    let token = PersonalToken::of(tx.conn(), &mut owner, row).await?;
    tell(authority, call, (tx, grantor), wanted, [&before, &after, &token]).await?;
    if let Some(held) = held {
        held.keep(tx.conn(), &call.actor, &token, &secret, now).await?;
    }
    Ok(Minted { token, secret: Some(secret), repeated: false })
}

fn must_be_rotatable(old: &PersonalTokenRow, grantor: &Grantor, now: Timestamp) -> Result<(), Fault> {
    match old.status(grantor.epochs, now) {
        Status::Revoked | Status::Expired => Err(Fault::NotRotatable),
        Status::Superseded => Err(Fault::RotationInProgress),
        // Switched off and superseded at once reads as inactive.
        _ if old.superseded_by_id.is_some() => Err(Fault::RotationInProgress),
        _ => Ok(()),
    }
}

/// The old one's length of life counted from now, within what its publishers let it live, unless another end is
/// asked for.
fn new_end(
    old: &PersonalTokenRow,
    wanted: &Rotate,
    askeds: &Askeds,
    now: Timestamp,
) -> Result<Option<Timestamp>, Fault> {
    if now.has_reached(wanted.expires_at.flatten()) {
        return Err(Fault::field("expires_at", "is not in the future"));
    }
    let inherited = old.terms.expires_at.map(|end| now.plus_micros(end.micros_since(old.created_at)));
    let within = match (inherited, askeds.longest(now)) {
        (Some(end), Some(longest)) => Some(end.min(longest)),
        (end, longest) => end.or(longest),
    };
    Ok(wanted.expires_at.unwrap_or(within))
}

/// One event for each of the two tokens: whoever looks at one of them sees what became of it, or where it came
/// from.
async fn tell(
    authority: &Authority,
    call: &Call,
    (tx, grantor): (&mut Tx, &Grantor),
    wanted: &Rotate,
    [before, after, new]: [&PersonalToken; 3],
) -> Result<(), Fault> {
    let rotated = event("personal_token.rotated", grantor, call, Some(before), after);
    let rotated = rotated.reason(Some(&wanted.reason)).details(json!({"rotated_to_id": new.row.id}));
    rotated.write(authority, tx.conn()).await?;
    let created = event("personal_token.created", grantor, call, None, new);
    let created = created.reason(Some(&wanted.reason)).details(json!({"rotated_from_id": before.row.id}));
    created.write(authority, tx.conn()).await?;
    Ok(())
}
