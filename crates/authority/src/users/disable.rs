//! Locking users out, and letting them in again.

use keywright_core::UserId;
use keywright_store::users;

use super::{ADMIN, User, begin_ending, must_hold_all_of, must_leave_administrators, subject, within_reach};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// Locks a user out: when this returns, no credential of theirs is accepted on this node. Their sessions and
/// personal tokens end for good.
///
/// # Errors
/// [`Fault::Denied`] without `users:admin`, at platform level if they belong elsewhere too;
/// [`Fault::NotFound`]; [`Fault::PreconditionFailed`]; [`Fault::LastAdministrator`].
pub async fn disable(
    authority: &Authority,
    call: Call,
    id: UserId,
    reason: Option<String>,
) -> Result<User, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { lock_out(&own, &call, id, reason.as_deref()).await }).await
}

async fn lock_out(
    authority: &Authority,
    call: &Call,
    id: UserId,
    reason: Option<&str>,
) -> Result<User, Fault> {
    let (mut tx, grantor, now, epoch) = begin_ending(authority, call, &needs(ADMIN)?).await?;
    let before = within_reach(&mut tx, call, id).await?;
    call.expects(before.version)?;
    must_leave_administrators(&mut tx, &before).await?;
    let changed = users::disable(tx.conn(), id, now, reason).await?;
    users::end_sessions(tx.conn(), id, epoch).await?;
    users::end_personal_tokens(tx.conn(), id, epoch).await?;
    let after = users::by_id(tx.conn(), id, None).await?.ok_or(Fault::NotFound)?;
    if changed {
        let event = Event::new("user.disabled", grantor.actor, Some(call), subject(id));
        let event = event.reason(reason).before(&before).after(&after);
        event.publisher(call.within()).write(authority, tx.conn()).await?;
    }
    let user = User::of(tx.conn(), after, call.within()).await?;
    authority.commit(tx, Invalidation::Of(vec![id.0]), call.confirm).await?;
    authority.mark_wanted().notify_one();
    Ok(user)
}

/// Lets a user in again; they log in anew. Whoever does it must have all that the user's roles grant.
///
/// # Errors
/// [`Fault::Denied`] without `users:admin`, at platform level if they belong elsewhere too;
/// [`Fault::NotFound`]; [`Fault::PreconditionFailed`]; [`Fault::ScopeExceedsGrantor`].
pub async fn enable(
    authority: &Authority,
    call: Call,
    id: UserId,
    reason: Option<String>,
) -> Result<User, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { let_in(&own, &call, id, reason.as_deref()).await }).await
}

async fn let_in(authority: &Authority, call: &Call, id: UserId, reason: Option<&str>) -> Result<User, Fault> {
    let Change { mut tx, grantor, now, .. } =
        Change::begin_with(authority, call, &needs(ADMIN)?, &[], &[id.0]).await?;
    let before = within_reach(&mut tx, call, id).await?;
    call.expects(before.version)?;
    if before.disabled_at.is_some() {
        must_hold_all_of(&mut tx, &grantor, &before).await?;
    }
    if !users::enable(tx.conn(), id, now).await? {
        return User::of(tx.conn(), before, call.within()).await;
    }
    let after = users::by_id(tx.conn(), id, None).await?.ok_or(Fault::NotFound)?;
    let event = Event::new("user.enabled", grantor.actor, Some(call), subject(id)).reason(reason);
    event.publisher(call.within()).before(&before).after(&after).write(authority, tx.conn()).await?;
    let user = User::of(tx.conn(), after, call.within()).await?;
    authority.commit(tx, Invalidation::Of(vec![id.0]), call.confirm).await?;
    Ok(user)
}
