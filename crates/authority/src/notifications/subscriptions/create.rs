//! Making a subscription.

use keywright_core::{ChannelKind, EventTypes, Name, PublisherId};
use keywright_store::event_subscriptions::{self, NewSubscription, SubscriptionRow};
use keywright_store::holdings::Holding;
use keywright_store::security_events;
use tracing::warn;

use super::super::destination::{Address, Destination};
use super::super::signature;
use super::{needs_of_events, subject};
use crate::audit::{Event, chain};
use crate::authority::Authority;
use crate::call::Call;
use crate::change::{Change, Invalidation};
use crate::fault::Fault;
use crate::idempotency::{Held, Minted};
use crate::publishers;
use crate::room::must_have_room;
use crate::service_tokens::finish;

/// A subscription to be made.
#[derive(Clone, Debug)]
pub struct Create {
    /// The publisher that it is to belong to; when not given, the one that the call is about, or none.
    pub publisher: Option<PublisherId>,
    /// Its name.
    pub name: Name,
    /// Where it leads.
    pub address: Address,
    /// Which events it is told of.
    pub event_types: EventTypes,
    /// Whether it is on.
    pub is_enabled: bool,
}

/// Makes a subscription: within a publisher of that publisher's events, at platform level of those of any or of
/// all. It is given a secret, which is told this once, and hears of what happens from then on.
///
/// # Errors
/// [`Fault::Denied`] without `monitoring:admin` and `audit:read`; [`Fault::Invalid`] for a publisher that there is
/// not, and for an address that must not be called; [`Fault::NameTaken`]; [`Fault::TooManyObjects`]; those of an
/// idempotency key.
pub async fn create(
    authority: &Authority,
    call: Call,
    wanted: Create,
) -> Result<Minted<SubscriptionRow>, Fault> {
    let held = Held::take(authority, &call.actor, call.idempotency.clone())?;
    let own = authority.clone();
    authority
        .carry_out(async move {
            // What has happened gets its place in the trail before it is looked where that ends. Where another node
            // is about it, what happened within the last second may be told too.
            if let Err(fault) = chain::seal(&own).await {
                warn!(%fault, "events are not sealed");
            }
            let mut change = Change::begin(&own, &call, &needs_of_events()?).await?;
            let made = make(&own, &call, held.as_ref(), wanted, &mut change).await;
            finish(&own, &call, change, made, Invalidation::None).await
        })
        .await
}

async fn make(
    authority: &Authority,
    call: &Call,
    held: Option<&Held>,
    wanted: Create,
    Change { tx, grantor, now, .. }: &mut Change,
) -> Result<Minted<SubscriptionRow>, Fault> {
    let now = *now;
    if let Some(held) = held
        && let Some(first) = held.repeated(tx.conn(), now).await?
    {
        return Ok(first);
    }
    let publisher_id = publishers::of_new(tx.conn(), call, wanted.publisher).await?;
    let (id, secret) = (authority.new_subscription_id(), signature::new_secret());
    let destination =
        Destination::of(authority, ChannelKind::Webhook, wanted.address, Some(secret.reveal()))?;
    let row = SubscriptionRow {
        id,
        publisher_id,
        name: wanted.name,
        destination_hint: destination.hint(authority),
        event_types: wanted.event_types,
        is_enabled: wanted.is_enabled,
        after_seq: security_events::head(tx.conn()).await?.seq,
        created_by: grantor.actor.clone(),
        created_at: now,
        updated_at: now,
        version: 1,
    };
    let sealed = destination.seal(authority, id.0)?;
    must_have_room(tx.conn(), publisher_id, Holding::EventSubscription).await?;
    event_subscriptions::insert(tx.conn(), &NewSubscription { row: row.clone(), sealed }).await?;
    let event = Event::new("event_subscription.created", grantor.actor.clone(), Some(call), subject(&row));
    event.publisher(publisher_id).after(&row).write(authority, tx.conn()).await?;
    if let Some(held) = held {
        held.keep(tx.conn(), &call.actor, &row, &secret, now).await?;
    }
    Ok(Minted { token: row, secret: Some(secret), repeated: false })
}
