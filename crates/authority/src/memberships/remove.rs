//! Removing a member from a publisher.

use keywright_core::{PublisherId, UserId};
use keywright_store::{memberships, publishers};

use super::{ADMIN, must_leave_an_administrator, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::Invalidation;
use crate::fault::Fault;
use crate::publishers::must_see;
use crate::users::begin_ending;

/// Removes a member: when this returns, no verification on this node lets the user act for the publisher. Their
/// personal tokens are revoked there for good, whether they come back or not.
/// To remove who is no member changes nothing, but asks the other nodes again.
///
/// # Errors
/// [`Fault::Denied`] without `users:admin`; [`Fault::NotFound`] when there is no such publisher;
/// [`Fault::PreconditionFailed`]; [`Fault::LastAdministrator`].
pub async fn remove(
    authority: &Authority,
    call: Call,
    publisher: PublisherId,
    user: UserId,
    reason: Option<String>,
) -> Result<(), Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, publisher, user, reason.as_deref()).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    publisher: PublisherId,
    user: UserId,
    reason: Option<&str>,
) -> Result<(), Fault> {
    must_see(call, publisher)?;
    let (mut tx, grantor, _, epoch) = begin_ending(authority, call, &needs(ADMIN)?).await?;
    publishers::by_id(tx.conn(), publisher).await?.ok_or(Fault::NotFound)?;
    if let Some(before) = memberships::get(tx.conn(), publisher, user).await? {
        call.expects(before.version)?;
        must_leave_an_administrator(tx.conn(), &before).await?;
        memberships::remove(tx.conn(), publisher, user, epoch).await?;
        let event = Event::new("member.removed", grantor.actor, Some(call), subject(user));
        let event = event.reason(reason).publisher(Some(publisher)).before(&before);
        event.write(authority, tx.conn()).await?;
    }
    authority.commit(tx, Invalidation::Of(vec![user.0]), call.confirm).await?;
    Ok(())
}
