//! Removing a member from a publisher.

use keywright_core::{PublisherId, UserId};
use keywright_store::memberships;

use super::{begin, must_leave_an_administrator, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::Call;
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// Removes a member: when this returns, no verification on this node lets the user act for the publisher.
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
    let Change { mut tx, grantor, .. } = begin(authority, call, publisher, user).await?;
    if let Some(before) = memberships::get(tx.conn(), publisher, user).await? {
        call.expects(before.version)?;
        must_leave_an_administrator(tx.conn(), &before).await?;
        memberships::remove(tx.conn(), publisher, user).await?;
        let event = Event::new("member.removed", grantor.actor, Some(call), subject(user));
        let event = event.reason(reason).publisher(Some(publisher)).before(&before);
        event.write(authority, tx.conn()).await?;
    }
    authority.commit(tx, Invalidation::Of(vec![user.0]), call.confirm).await?;
    Ok(())
}
