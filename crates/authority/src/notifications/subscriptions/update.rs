//! Changing a subscription (RFC 7396).

use keywright_core::{ChannelKind, EventTypes, Name, SubscriptionId};
use keywright_store::deliveries;
use keywright_store::event_subscriptions::{self, Changes, SubscriptionRow};

use super::super::destination::{Address, Destination};
use super::{needs_of_events, subject};
use crate::audit::Event;
use crate::authority::Authority;
use crate::call::Call;
use crate::change::{Change, Invalidation};
use crate::fault::Fault;

/// A change; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// Another name.
    pub name: Option<Name>,
    /// Where it leads from then on; its secret stays.
    pub address: Address,
    /// Other events.
    pub event_types: Option<EventTypes>,
    /// On or off.
    pub is_enabled: Option<bool>,
}

/// Changes a subscription. Who switches it off gives up what waits for it.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:admin` and `audit:read`; [`Fault::NotFound`];
/// [`Fault::PreconditionFailed`]; [`Fault::NameTaken`]; [`Fault::Invalid`].
pub async fn update(
    authority: &Authority,
    call: Call,
    id: SubscriptionId,
    wanted: Update,
) -> Result<SubscriptionRow, Fault> {
    let own = authority.clone();
    authority.carry_out(async move { carry_out(&own, &call, id, wanted).await }).await
}

async fn carry_out(
    authority: &Authority,
    call: &Call,
    id: SubscriptionId,
    wanted: Update,
) -> Result<SubscriptionRow, Fault> {
    let Change { mut tx, grantor, now, .. } = Change::begin(authority, call, &needs_of_events()?).await?;
    let before = event_subscriptions::lock(tx.conn(), call.within(), id).await?.ok_or(Fault::NotFound)?;
    call.expects(before.version)?;
    let destination = if wanted.address.is_empty() {
        None
    } else {
        let sealed = event_subscriptions::sealed_by_id(tx.conn(), id).await?;
        Some(Destination::moved(authority, id.0, ChannelKind::Webhook, sealed.as_deref(), wanted.address)?)
    };
    let changes = Changes {
        name: wanted.name,
        destination,
        event_types: wanted.event_types,
        is_enabled: wanted.is_enabled,
        updated_at: now,
    };
    if is_nothing(&changes, &before) {
        return Ok(before);
    }
    if !event_subscriptions::update(tx.conn(), id, before.version, &changes).await? {
        return Err(Fault::PreconditionFailed);
    }
    if changes.is_enabled == Some(false) {
        deliveries::drop_of_target(tx.conn(), id.0, now, "the subscription was switched off").await?;
    }
    let after = event_subscriptions::by_id(tx.conn(), None, id).await?.ok_or(Fault::NotFound)?;
    let event = Event::new("event_subscription.updated", grantor.actor, Some(call), subject(&after));
    event.publisher(after.publisher_id).before(&before).after(&after).write(authority, tx.conn()).await?;
    authority.commit(tx, Invalidation::None, false).await?;
    Ok(after)
}

fn is_nothing(changes: &Changes, before: &SubscriptionRow) -> bool {
    changes.destination.is_none()
        && changes.name.as_ref().is_none_or(|name| *name == before.name)
        && changes.event_types.as_ref().is_none_or(|types| *types == before.event_types)
        && changes.is_enabled.is_none_or(|enabled| enabled == before.is_enabled)
}
