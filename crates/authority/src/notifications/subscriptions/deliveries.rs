//! What became of what a subscription was to tell.

use keywright_core::{DeliveryId, SubscriptionId};
use keywright_store::deliveries::{self as rows, DeliveryRow, ListFilter};
use keywright_store::event_subscriptions;

use super::super::{ADMIN, deliver};
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// A page of the deliveries of a subscription, newest first.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:read`; [`Fault::NotFound`].
pub async fn deliveries(
    authority: &Authority,
    call: &Call,
    id: SubscriptionId,
    filter: ListFilter,
) -> Result<Vec<DeliveryRow>, Fault> {
    super::get(authority, call, id).await?;
    let filter = ListFilter { target: id.0, ..filter };
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
    id: SubscriptionId,
    delivery: DeliveryId,
) -> Result<DeliveryRow, Fault> {
    let own = authority.clone();
    authority
        .carry_out(async move {
            let Change { mut tx, now, .. } = Change::begin(&own, &call, &needs(ADMIN)?).await?;
            event_subscriptions::lock(tx.conn(), call.within(), id).await?.ok_or(Fault::NotFound)?;
            let revived = rows::revive(tx.conn(), id.0, delivery, now, deliver::end_of_life(now)).await?;
            let row = rows::by_id(tx.conn(), id.0, delivery).await?.ok_or(Fault::NotFound)?;
            if revived {
                own.commit(tx, Invalidation::None, false).await?;
                own.deliveries_wanted().notify_one();
            }
            Ok(row)
        })
        .await
}
