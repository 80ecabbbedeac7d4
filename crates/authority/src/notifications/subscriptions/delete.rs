//! Deleting a subscription.

use keywright_core::SubscriptionId;
use keywright_store::{deliveries, event_subscriptions};

use super::super::ADMIN;
use super::subject;
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// Deletes a subscription, and gives up what waits for it. Deleting it again changes nothing.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:admin`; [`Fault::NotFound`]; [`Fault::PreconditionFailed`].
pub async fn delete(
    authority: &Authority,
    call: Call,
    id: SubscriptionId,
    reason: Option<String>,
) -> Result<(), Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, reason.as_deref()).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: SubscriptionId,
    reason: Option<&str>,
) -> Result<(), Fault> {
    let Change { mut tx, grantor, now, .. } = Change::begin(authority, call, &needs(ADMIN)?).await?;
    let Some(before) = event_subscriptions::lock(tx.conn(), call.within(), id).await? else {
        let existed = event_subscriptions::has_existed(tx.conn(), call.within(), id).await?;
        return if existed { Ok(()) } else { Err(Fault::NotFound) };
    };
    call.expects(before.version)?;
    event_subscriptions::delete(tx.conn(), id, now).await?;
    deliveries::drop_of_target(tx.conn(), id.0, now, "the subscription was deleted").await?;
    let event = Event::new("event_subscription.deleted", grantor.actor, Some(call), subject(&before));
    let event = event.publisher(before.publisher_id).reason(reason).before(&before);
    event.write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::None, false).await?;
    Ok(())
}
