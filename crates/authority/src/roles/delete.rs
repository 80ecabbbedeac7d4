//! Deleting a role.

use keywright_core::RoleId;
use keywright_store::roles;

use super::{ADMIN, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// Deletes a role that nobody holds. Deleting it again changes nothing.
///
/// # Errors
/// [`Fault::Denied`] without `users:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`];
/// [`Fault::BuiltInRole`]; [`Fault::InUse`].
pub async fn delete(
    authority: &Authority,
    call: Call,
    id: RoleId,
    reason: Option<String>,
) -> Result<(), Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, reason.as_deref()).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: RoleId,
    reason: Option<&str>,
) -> Result<(), Fault> {
    call.require(ADMIN)?;
    let mut reader = authority.store().read().await?;
    let found = roles::by_id(reader.conn(), call.within(), id).await?;
    let Some(publisher) = found.map(|role| role.publisher_id) else {
        let existed = roles::has_existed(reader.conn(), call.within(), id).await?;
        return if existed { Ok(()) } else { Err(Fault::NotFound) };
    };
    drop(reader);
    let change = Change::begin_with(authority, call, &needs(ADMIN)?, &[], &[publisher.0]).await?;
    let Change { mut tx, grantor, now, .. } = change;
    // Gone meanwhile: that is what was asked for.
    let Some(before) = roles::by_id(tx.conn(), Some(publisher), id).await? else { return Ok(()) };
    call.expects(before.version)?;
    if before.built_in.is_some() {
        return Err(Fault::BuiltInRole);
    }
    if roles::count_holders(tx.conn(), id).await? > 0 {
        return Err(Fault::InUse);
    }
    roles::delete(tx.conn(), publisher, id, now).await?;
    let event = Event::new("role.deleted", grantor.actor, Some(call), subject(&before));
    let event = event.reason(reason).publisher(Some(publisher)).before(&before);
    event.write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::Of(vec![id.0]), call.confirm).await?;
    Ok(())
}
