//! Deleting a publisher.

use keywright_core::PublisherId;
use keywright_store::{publishers, service_accounts};
use serde_json::json;

use super::{ADMIN, must_see, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Invalidation, begin_ending};
use crate::fault::Fault;

/// Deletes a publisher: its name is free, nobody acts for it any more, and only the audit knows it. Its service
/// accounts are deleted with it, and their tokens revoked. Deleting it again changes nothing.
///
/// # Errors
/// [`Fault::Denied`] without `publishers:admin` at platform level; [`Fault::NotFound`];
/// [`Fault::PreconditionFailed`].
pub async fn delete(
    authority: &Authority,
    call: Call,
    id: PublisherId,
    reason: Option<String>,
) -> Result<(), Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, reason.as_deref()).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: PublisherId,
    reason: Option<&str>,
) -> Result<(), Fault> {
    must_see(call, id)?;
    let needs = needs(ADMIN)?.at_platform_level();
    let (mut tx, grantor, now, epoch) = begin_ending(authority, call, &needs).await?;
    match publishers::by_id(tx.conn(), id).await? {
        Some(before) => {
            call.expects(before.version)?;
            publishers::delete(tx.conn(), id, now).await?;
            let accounts = service_accounts::delete_all(tx.conn(), id, epoch, now).await?;
            let event = Event::new("publisher.deleted", grantor.actor, Some(call), subject(&before));
            let event = event.reason(reason).publisher(Some(id)).before(&before);
            let event = event.details(json!({"service_accounts": accounts}));
            event.write(authority, tx.conn()).await?;
        }
        None if publishers::has_existed(tx.conn(), id).await? => {}
        None => return Err(Fault::NotFound),
    }
    authority.commit(tx, Invalidation::Of(vec![id.0]), call.confirm).await?;
    authority.mark_wanted().notify_one();
    Ok(())
}
