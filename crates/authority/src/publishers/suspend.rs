//! Suspending a publisher, and ending that.

use keywright_core::PublisherId;
use keywright_store::publishers::{self, PublisherRow};

use super::{ADMIN, must_see, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// Suspends a publisher: nobody acts for it until it is resumed. When this returns, no verification on this
/// node answers otherwise. Suspending it again changes nothing, but asks the other nodes again.
///
/// # Errors
/// [`Fault::Denied`] without `publishers:admin` at platform level; [`Fault::NotFound`];
/// [`Fault::PreconditionFailed`].
pub async fn suspend(
    authority: &Authority,
    call: Call,
    id: PublisherId,
    reason: Option<String>,
) -> Result<PublisherRow, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, true, reason.as_deref()).await }).await
}

/// Ends a suspension: all that was valid before is valid again, unless something else ended it meanwhile.
///
/// # Errors
/// As [`suspend`].
pub async fn resume(
    authority: &Authority,
    call: Call,
    id: PublisherId,
    reason: Option<String>,
) -> Result<PublisherRow, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, false, reason.as_deref()).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: PublisherId,
    suspended: bool,
    reason: Option<&str>,
) -> Result<PublisherRow, Fault> {
    must_see(call, id)?;
    let needs = needs(ADMIN)?.at_platform_level();
    let Change { mut tx, grantor, now, .. } =
        Change::begin_with(authority, call, &needs, &[], &[id.0]).await?;
    let before = publishers::by_id(tx.conn(), id).await?.ok_or(Fault::NotFound)?;
    call.expects(before.version)?;
    let (kind, changed) = if suspended {
        ("publisher.suspended", publishers::suspend(tx.conn(), id, now, reason).await?)
    } else {
        ("publisher.resumed", publishers::resume(tx.conn(), id, now).await?)
    };
    let mut after = before.clone();
    if changed {
        after = publishers::by_id(tx.conn(), id).await?.ok_or(Fault::NotFound)?;
        let event = Event::new(kind, grantor.actor, Some(call), subject(&after)).reason(reason);
        event.publisher(Some(id)).before(&before).after(&after).write(authority, tx.conn()).await?;
    }
    authority.commit(tx, Invalidation::Of(vec![id.0]), call.confirm).await?;
    Ok(after)
}
