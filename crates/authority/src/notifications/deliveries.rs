//! What became of what a channel or a subscription was to tell.

use keywright_core::{ChannelId, DeliveryId, SubscriptionId};
use keywright_store::deliveries::{self as rows, DeliveryRow, ListFilter};
use keywright_store::{event_subscriptions, notification_channels};
use uuid::Uuid;

use super::{ADMIN, channels, deliver, subscriptions};
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// Whom deliveries go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetId {
    /// A channel, which is told of alerts.
    Channel(ChannelId),
    /// A subscription, which is told of events.
    Subscription(SubscriptionId),
}

impl TargetId {
    const fn id(self) -> Uuid {
        match self {
            Self::Channel(ChannelId(id)) | Self::Subscription(SubscriptionId(id)) => id,
        }
    }
}

/// A page of the deliveries of a channel or a subscription, newest first.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:read`; [`Fault::NotFound`].
pub async fn list(
    authority: &Authority,
    call: &Call,
    target: TargetId,
    filter: ListFilter,
) -> Result<Vec<DeliveryRow>, Fault> {
    match target {
        TargetId::Channel(id) => {
            channels::get(authority, call, id).await?;
        }
        TargetId::Subscription(id) => {
            subscriptions::get(authority, call, id).await?;
        }
    }
    let filter = ListFilter { target: target.id(), ..filter };
    Ok(rows::list(authority.store().read().await?.conn(), &filter).await?)
}

/// Has a delivery that was given up tried again for another day, under the same id. One that was not is left as it
/// is.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:admin`; [`Fault::NotFound`].
pub async fn retry(
    authority: &Authority,
    call: Call,
    target: TargetId,
    delivery: DeliveryId,
) -> Result<DeliveryRow, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, target, delivery).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    target: TargetId,
    delivery: DeliveryId,
) -> Result<DeliveryRow, Fault> {
    let Change { mut tx, now, .. } = Change::begin(authority, call, &needs(ADMIN)?).await?;
    let there = match target {
        TargetId::Channel(id) => notification_channels::lock(tx.conn(), call.within(), id).await?.is_some(),
        TargetId::Subscription(id) => {
            event_subscriptions::lock(tx.conn(), call.within(), id).await?.is_some()
        }
    };
    if !there {
        return Err(Fault::NotFound);
    }
    let target = target.id();
    let revived = rows::revive(tx.conn(), target, delivery, now, deliver::end_of_life(now)).await?;
    let row = rows::by_id(tx.conn(), target, delivery).await?.ok_or(Fault::NotFound)?;
    if revived {
        authority.commit(tx, Invalidation::None, false).await?;
        authority.deliveries_wanted().notify_one();
    }
    Ok(row)
}
