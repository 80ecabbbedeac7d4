//! Adding a user to a publisher.

use keywright_core::{PublisherId, RoleId, UserId};
use keywright_store::memberships::{self, MemberRow, NewMembership};
use keywright_store::users;

use super::{begin, grantable, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::Call;
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::{Held, Made};

/// A membership to be made.
#[derive(Clone, Copy, Debug)]
pub struct Add {
    /// The user.
    pub user: UserId,
    /// The role, one of the publisher.
    pub role: RoleId,
}

/// Adds a user to a publisher. Within a publisher nobody knows users who are not of it: those are invited.
///
/// # Errors
/// [`Fault::Denied`] without `users:admin`; [`Fault::NotFound`] when there is no such publisher;
/// [`Fault::Invalid`] when there is no such user or role; [`Fault::AlreadyMember`];
/// [`Fault::ScopeExceedsGrantor`]; those of an idempotency key.
pub async fn add(
    authority: &Authority,
    call: Call,
    publisher: PublisherId,
    wanted: Add,
) -> Result<Made<MemberRow>, Fault> {
    let held = Held::take(authority, &call.actor, call.idempotency.clone())?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            let mut change = begin(&own, &call, publisher, wanted.user).await?;
            let made = make(&own, &call, held.as_ref(), publisher, wanted, &mut change).await;
            change.finish(&own, &call, made, Invalidation::Of(vec![wanted.user.0])).await
        })
        .await
}

async fn make(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    publisher: PublisherId,
    Add { user, role }: Add,
    Change { tx, grantor, now, .. }: &mut Change,
) -> Result<Made<MemberRow>, Fault> {
    let now = *now;
    if let Some(first) = Held::first(held, tx.conn(), now).await? {
        return Ok(first);
    }
    let known = users::by_id(tx.conn(), user, grantor.home).await?;
    known.ok_or_else(|| Fault::field("user_id", "is no user that you may add; invite them instead"))?;
    let role = grantable(tx.conn(), grantor, publisher, role).await?;
    if memberships::get(tx.conn(), publisher, user).await?.is_some() {
        return Err(Fault::AlreadyMember);
    }
    let new = NewMembership {
        user_id: user,
        publisher_id: publisher,
        role_id: role.id,
        session_epoch: 0,
        created_by: grantor.actor.clone(),
        created_at: now,
    };
    memberships::insert(tx.conn(), &new).await?;
    let row = memberships::get(tx.conn(), publisher, user).await?.ok_or(Fault::NotFound)?;
    let event = Event::new("member.added", grantor.actor.clone(), Some(call), subject(user));
    event.publisher(Some(publisher)).after(&row).write(authority, tx.conn()).await?;
    Held::keep_made(held, tx.conn(), &call.actor, row, now).await
}
