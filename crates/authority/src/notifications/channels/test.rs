//! Trying a channel out.

use keywright_core::{ChannelId, DeliveryState};
use keywright_store::deliveries::{self, DeliveryRow, NewDelivery};
use keywright_store::notification_channels;

use super::super::ADMIN;
use super::super::deliver::{perform, settle_test, taken_seconds, target_of};
use super::super::notice::{Notice, TEST};
use crate::authority::Authority;
use crate::call::{Call, needs};
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// Sends a message by a channel at once, and tells what became of it. It is tried once, also by a channel that is
/// off.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:admin`; [`Fault::NotFound`].
pub async fn test(authority: &Authority, call: Call, id: ChannelId) -> Result<DeliveryRow, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id).await }).await
}

async fn carry_out(authority: &Authority, call: &Call, id: ChannelId) -> Result<DeliveryRow, Fault> {
    let Change { mut tx, now, .. } = Change::begin(authority, call, &needs(ADMIN)?).await?;
    let channel = notification_channels::lock(tx.conn(), call.within(), id).await?.ok_or(Fault::NotFound)?;
    let delivery = authority.new_delivery_id();
    let new = NewDelivery {
        id: delivery,
        target_id: id.0,
        dedupe_key: format!("test:{delivery}"),
        event_type: TEST.to_owned(),
        severity: None,
        alert_kind: None,
        payload: Notice::test(now, channel.name.as_str(), channel.publisher_id).to_payload(),
        immediate: false,
        state: DeliveryState::Waiting,
        created_at: now,
        // Taken already: should this process end now, the job finds it then.
        next_attempt_at: now.plus_seconds(taken_seconds(channel.kind)),
        expires_at: now,
    };
    deliveries::insert(tx.conn(), &new).await?;
    let row = deliveries::by_id(tx.conn(), id.0, delivery).await?.ok_or(Fault::NotFound)?;
    deliveries::take(tx.conn(), delivery, row.attempts, new.next_attempt_at).await?;
    let sealed = notification_channels::sealed_by_id(tx.conn(), id).await?;
    authority.commit(tx, Invalidation::None, false).await?;
    let target = target_of(authority, &channel, sealed.as_deref());
    let outcome = perform(authority, &target, &row).await;
    settle_test(authority, &row, outcome).await?;
    let mut reader = authority.store().read().await?;
    deliveries::by_id(reader.conn(), id.0, delivery).await?.ok_or(Fault::NotFound)
}
