//! Rotating a service token by hand (lifecycle.md, Rotation).

use keywright_core::{PlainToken, ScopeSet, Status, Timestamp};
use keywright_store::Tx;
use keywright_store::rotations;
use keywright_store::service_tokens::{self, ServiceTokenRow};
use serde_json::json;

use super::within::{may_bound, may_never_end};
use super::{ADMIN, ROTATE_SELF, Target, finish, home_of, inherited_end, successor};
use crate::audit::{Event, Subject};
use crate::authority::Authority;
use crate::call::{Call, Grantor, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::{Held, Minted};

/// Grace of a rotation by hand that names none: a day, in seconds.
pub const DEFAULT_GRACE_SECONDS: u32 = 24 * 3600;
/// The longest grace: 30 days, in seconds.
pub const MAX_GRACE_SECONDS: u32 = 30 * 24 * 3600;

/// A rotation to be made.
#[derive(Clone, Debug)]
pub struct Rotate {
    /// Why.
    pub reason: String,
    /// How long the old secret stays valid; a day when not given.
    pub grace_seconds: Option<u32>,
    /// Another end than the old one's length of life counted from now.
    pub expires_at: Option<Option<Timestamp>>,
}

impl Rotate {
    /// The end of the old one's grace, which is never past the end of its life.
    pub(crate) fn grace_end(&self, end: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Fault> {
        let seconds = self.grace_seconds.unwrap_or(DEFAULT_GRACE_SECONDS);
        if seconds > MAX_GRACE_SECONDS {
            return Err(Fault::field("grace_seconds", "is longer than 30 days"));
        }
        Ok(now.plus_seconds(seconds.into()).min(end.unwrap_or(Timestamp::MAX)))
    }
}

/// Makes a new token in the place of the old one, which stays valid through its grace. Of two at once
/// one wins.
///
/// # Errors
/// [`Fault::Denied`] without `tokens:admin`, below an account without `service_accounts:admin` (for oneself
/// `tokens:rotate_self` is enough);
/// [`Fault::NotFound`]; [`Fault::NotRotatable`]; [`Fault::RotationInProgress`];
/// [`Fault::ScopeExceedsGrantor`]; [`Fault::Invalid`]; those of an idempotency key.
pub async fn rotate(
    authority: &Authority,
    call: Call,
    target: Target,
    wanted: Rotate,
) -> Result<Minted, Fault> {
    let held = Held::take(authority, &call.actor, call.idempotency.clone())?;
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, held.as_ref(), target, &wanted).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    target: Target,
    wanted: &Rotate,
) -> Result<Minted, Fault> {
    let needed = if target == Target::Myself { needs(ROTATE_SELF)? } else { target.to_change()? };
    let (mut change, old) = target.begin(authority, call, &needed).await?;
    let minted = repeat_or_replace(authority, call, held, target, &old, wanted, &mut change).await;
    finish(authority, call, change, minted, Invalidation::of(old.id)).await
}

async fn repeat_or_replace(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    target: Target,
    old: &ServiceTokenRow,
    wanted: &Rotate,
    change: &mut Change,
) -> Result<Minted, Fault> {
    let now = change.now;
    if let Some(held) = held
        && let Some(repeated) = held.repeated(change.tx.conn(), now).await?
    {
        return Ok(repeated);
    }
    call.expects(old.version)?;
    let (token, secret) = replace(authority, call, target, old, wanted, change).await?;
    if let Some(held) = held {
        held.keep(change.tx.conn(), &call.actor, &token, &secret, now).await?;
    }
    Ok(Minted { token, secret: Some(secret), repeated: false })
}

/// Makes a new token in the place of one that the change holds.
pub(super) async fn replace(
    authority: &Authority,
    call: &Call,
    target: Target,
    old: &ServiceTokenRow,
    wanted: &Rotate,
    Change { tx, grantor, now, .. }: &mut Change,
) -> Result<(ServiceTokenRow, PlainToken), Fault> {
    let (now, id) = (*now, old.id);
    match old.status(grantor.epochs, now) {
        Status::Revoked | Status::Expired => return Err(Fault::NotRotatable),
        Status::Superseded => return Err(Fault::RotationInProgress),
        // Switched off and superseded at once reads as inactive.
        _ if old.superseded_by_id.is_some() => return Err(Fault::RotationInProgress),
        _ => {}
    }
    // Its secret is on its way to whoever uses it: replaced now, it would be dead when it is taken up.
    let rotation = rotations::open_of_successor(tx.conn(), id).await?;
    if rotation.is_some_and(|rotation| rotation.state.is_undecided()) {
        return Err(Fault::RotationInProgress);
    }
    let expires_at = new_end(grantor, tx, old, target, wanted, now).await?;
    let grace_end = wanted.grace_end(old.expires_at, now)?;
    let new_id = authority.new_credential_id();
    let name = old.token_name.superseded(id);
    if !service_tokens::supersede(tx.conn(), id, new_id, &name, grace_end, now).await? {
        return Err(Fault::RotationInProgress);
    }
    let (secret, row) =
        successor(old, new_id, expires_at, grantor.epochs.counter, grantor.actor.clone(), now);
    let token = service_tokens::insert(tx.conn(), &row).await?;
    let after = service_tokens::by_id(tx.conn(), None, id).await?.ok_or(Fault::NotFound)?;
    tell(authority, call, tx, wanted, [old, &after, &token]).await?;
    Ok((token, secret))
}

/// One event for each of the two tokens: whoever looks at one of them sees what became of it, or where
/// it came from.
async fn tell(
    authority: &Authority,
    call: &Call,
    tx: &mut Tx,
    wanted: &Rotate,
    [before, after, new]: [&ServiceTokenRow; 3],
) -> Result<(), Fault> {
    let event = |kind, of: &ServiceTokenRow| {
        let event = Event::new(kind, call.actor.to_ref(), Some(call), Subject::token(of));
        event.publisher(of.publisher_id).reason(Some(&wanted.reason))
    };
    let rotated = event("token.rotated", before).before(before).after(after);
    rotated.details(json!({"rotated_to_id": new.id})).write(authority, tx.conn()).await?;
    let created = event("token.created", new).after(new);
    created.details(json!({"rotated_from_id": before.id})).write(authority, tx.conn()).await?;
    Ok(())
}

/// The new one's end: the old one's length of life counted from now, unless another is asked for.
/// Who rotates only themselves may make their life shorter, not longer.
async fn new_end(
    grantor: &Grantor,
    tx: &mut Tx,
    old: &ServiceTokenRow,
    target: Target,
    wanted: &Rotate,
    now: Timestamp,
) -> Result<Option<Timestamp>, Fault> {
    let inherited = inherited_end(old, now);
    let asked = wanted.expires_at.unwrap_or(inherited);
    if now.has_reached(asked) {
        return Err(Fault::field("expires_at", "is not in the future"));
    }
    let longer = match (inherited, asked) {
        (Some(_), None) => true,
        (Some(inherited), Some(asked)) => asked > inherited,
        (None, _) => false,
    };
    if target == Target::Myself && (grantor.bounded.is_some() || !grantor.holds(ADMIN)) {
        if longer {
            let detail = "a token that rotates itself cannot give itself a longer life".to_owned();
            return Err(Fault::ScopeExceedsGrantor { missing: ScopeSet::default(), detail });
        }
        return Ok(asked);
    }
    grantor.may_grant(&old.permissions)?;
    if longer {
        may_never_end(grantor, asked)?;
    }
    let home = home_of(tx.conn(), old).await?;
    may_bound(grantor, home.as_ref(), asked, old.limits, &old.allowlist)?;
    Ok(asked)
}
