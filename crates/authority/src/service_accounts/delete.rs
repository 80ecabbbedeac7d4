//! Deleting a service account.

use keywright_core::ServiceAccountId;
use keywright_store::service_accounts;

use super::{ADMIN, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Invalidation, begin_ending};
use crate::fault::Fault;

/// Deletes an account: its tokens are revoked at once, its name is free, and only the audit knows it. Deleting
/// it again changes nothing.
///
/// # Errors
/// [`Fault::Denied`] without `service_accounts:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`].
pub async fn delete(
    authority: &Authority,
    call: Call,
    id: ServiceAccountId,
    reason: Option<String>,
) -> Result<(), Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, reason.as_deref()).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: ServiceAccountId,
    reason: Option<&str>,
) -> Result<(), Fault> {
    let (mut tx, grantor, now, epoch) = begin_ending(authority, call, &needs(ADMIN)?).await?;
    let Some(before) = service_accounts::by_id(tx.conn(), call.within(), id).await? else {
        let existed = service_accounts::has_existed(tx.conn(), call.within(), id).await?;
        return if existed { Ok(()) } else { Err(Fault::NotFound) };
    };
    call.expects(before.version)?;
    service_accounts::delete(tx.conn(), id, epoch, now).await?;
    let event = Event::new("service_account.deleted", grantor.actor, Some(call), subject(&before));
    let event = event.publisher(before.publisher_id).reason(reason).before(&before);
    event.write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::Of(vec![id.0]), call.confirm).await?;
    authority.mark_wanted().notify_one();
    Ok(())
}
