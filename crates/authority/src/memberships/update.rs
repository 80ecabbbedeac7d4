//! Changing a membership: giving a member another role.

use keywright_core::{PublisherId, RoleId, UserId};
use keywright_store::memberships::{self, MemberRow};

use super::{begin, grantable, must_leave_an_administrator, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::Call;
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// Gives a member another role, where one is named: from then on what that one grants is what the member may do.
///
/// # Errors
/// [`Fault::Denied`] without `users:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`];
/// [`Fault::Invalid`] when there is no such role; [`Fault::ScopeExceedsGrantor`];
/// [`Fault::LastAdministrator`].
pub async fn update(
    authority: &Authority,
    call: Call,
    publisher: PublisherId,
    user: UserId,
    role: Option<RoleId>,
) -> Result<MemberRow, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, publisher, user, role).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    publisher: PublisherId,
    user: UserId,
    role: Option<RoleId>,
) -> Result<MemberRow, Fault> {
    let Change { mut tx, grantor, now, .. } = begin(authority, call, publisher, user).await?;
    let before = memberships::get(tx.conn(), publisher, user).await?.ok_or(Fault::NotFound)?;
    call.expects(before.version)?;
    let Some(role) = role.filter(|role| *role != before.role_id) else { return Ok(before) };
    let role = grantable(tx.conn(), &grantor, publisher, role).await?;
    if !role.administers() {
        must_leave_an_administrator(tx.conn(), &before).await?;
    }
    if !memberships::set_role(tx.conn(), publisher, user, before.version, role.id, now).await? {
        return Err(Fault::PreconditionFailed);
    }
    let after = memberships::get(tx.conn(), publisher, user).await?.ok_or(Fault::NotFound)?;
    let event = Event::new("member.role_changed", grantor.actor, Some(call), subject(user));
    event.publisher(Some(publisher)).before(&before).after(&after).write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::Of(vec![user.0]), call.confirm).await?;
    Ok(after)
}
