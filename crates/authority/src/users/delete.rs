//! Deleting a user: the person is erased, the id stays in what was recorded.

use keywright_core::UserId;
use keywright_store::{
    external_identities, login_networks, mailed_tokens, memberships, outbox, personal_tokens, users,
};

use super::{ADMIN, begin_ending, must_leave_administrators, subject, within_reach};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::Invalidation;
use crate::fault::Fault;

/// Deletes a user: address, names, preferences and password are erased, memberships removed, sessions ended,
/// personal tokens revoked.
/// At platform level it may be repeated.
///
/// # Errors
/// [`Fault::Denied`] without `users:admin`, at platform level if they belong elsewhere too;
/// [`Fault::NotFound`]; [`Fault::PreconditionFailed`]; [`Fault::LastAdministrator`].
pub async fn delete(
    authority: &Authority,
    call: Call,
    id: UserId,
    reason: Option<String>,
) -> Result<(), Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, reason.as_deref()).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: UserId,
    reason: Option<&str>,
) -> Result<(), Fault> {
    let (mut tx, grantor, now, epoch) = begin_ending(authority, call, &needs(ADMIN)?).await?;
    let before = match within_reach(&mut tx, call, id).await {
        Err(Fault::NotFound) if call.within().is_none() && users::was_deleted(tx.conn(), id).await? => {
            return Ok(());
        }
        found => found?,
    };
    call.expects(before.version)?;
    must_leave_administrators(&mut tx, &before).await?;
    memberships::remove_all(tx.conn(), id).await?;
    mailed_tokens::void_all(tx.conn(), id).await?;
    outbox::drop_of_user(tx.conn(), id, now).await?;
    login_networks::forget_user(tx.conn(), id).await?;
    external_identities::forget_user(tx.conn(), id).await?;
    personal_tokens::erase_of_user(tx.conn(), id, now).await?;
    users::delete(tx.conn(), id, epoch, now).await?;
    let event = Event::new("user.deleted", grantor.actor, Some(call), subject(id));
    event.publisher(call.within()).reason(reason).before(&before).write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::Of(vec![id.0]), call.confirm).await?;
    Ok(())
}
