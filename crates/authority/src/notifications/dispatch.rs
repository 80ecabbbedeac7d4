//! From events to deliveries: each event of the audit trail is looked at once, in its order.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use keywright_core::{AlertKind, DeliveryState, DigestPeriod, PublisherId, Timestamp};
use keywright_store::deliveries::{self, NewDelivery};
use keywright_store::event_subscriptions::{self, SubscriptionRow};
use keywright_store::notification_channels::{self, ChannelRow};
use keywright_store::security_events::{self, SecurityEventRow};
use keywright_store::{Conn, StoreError, Tx};
use uuid::Uuid;

use super::notice::{AlertData, Notice};
use super::{LIFE_SECONDS, MOST_IMMEDIATE, digest};
use crate::authority::Authority;
use crate::fault::Fault;

/// Events looked at in one transaction.
const SLICE: u32 = 200;
const HOUR: i64 = 3_600;

/// Writes the deliveries of all events that have a place in the trail and were not looked at, and those of the
/// digests that are due; tells how many.
///
/// # Errors
/// As the store.
pub async fn dispatch(authority: &Authority) -> Result<u64, Fault> {
    let mut written = 0;
    while let Some(more) = slice(authority).await? {
        written += more;
    }
    written += digest::collect(authority).await?;
    if written > 0 {
        authority.deliveries_wanted().notify_one();
    }
    Ok(written)
}

/// The same where this node serves: a process that carries out one command leaves it to those that do.
///
/// # Errors
/// As the store.
pub(crate) async fn dispatch_in_background(authority: &Authority) -> Result<u64, Fault> {
    if authority.settings().notifies { dispatch(authority).await } else { Ok(0) }
}

/// How many events were not looked at.
///
/// # Errors
/// As any query.
pub(crate) async fn behind(mut conn: Conn<'_>) -> Result<u64, StoreError> {
    let head = security_events::head(conn.reborrow()).await?.seq;
    Ok(head.saturating_sub(deliveries::cursor(conn).await?))
}

/// `None` when there was nothing to look at, or another node does.
async fn slice(authority: &Authority) -> Result<Option<u64>, Fault> {
    let mut reader = authority.store().read().await?;
    let head = security_events::head(reader.conn()).await?.seq;
    if deliveries::cursor(reader.conn()).await? >= head {
        return Ok(None);
    }
    drop(reader);
    let mut tx = authority.store().begin().await?;
    let from = deliveries::cursor(tx.conn()).await?;
    if !deliveries::anybody_listens(tx.conn()).await? {
        // Nothing is read for nobody, also where a hundred thousand alerts are opened at once.
        let moved = deliveries::advance(tx.conn(), from, head).await?;
        tx.commit().await?;
        return Ok(moved.then_some(0));
    }
    let events = security_events::sealed_range(tx.conn(), from + 1, SLICE).await?;
    let Some(to) = events.last().and_then(|event| event.seq) else { return Ok(None) };
    // Whoever is second finds it moved, and nothing of its own is kept.
    if !deliveries::advance(tx.conn(), from, to).await? {
        return Ok(None);
    }
    let mut listeners = Listeners::default();
    let mut written = 0;
    for event in &events {
        written += tell(authority, &mut tx, &mut listeners, event).await?;
    }
    tx.commit().await?;
    Ok(Some(written))
}

/// Who hears of what, as it was read in this transaction.
#[derive(Default)]
struct Listeners {
    channels: HashMap<Option<Uuid>, Vec<ChannelRow>>,
    subscriptions: HashMap<Option<Uuid>, Vec<SubscriptionRow>>,
    /// Messages that a channel was sent by themselves within the last hour.
    immediate: HashMap<Uuid, u64>,
}

impl Listeners {
    async fn channels(&mut self, tx: &mut Tx, publisher: Option<Uuid>) -> Result<Vec<ChannelRow>, Fault> {
        Ok(match self.channels.entry(publisher) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(unknown) => {
                let found = notification_channels::listening(tx.conn(), publisher.map(PublisherId)).await?;
                unknown.insert(found).clone()
            }
        })
    }

    async fn subscriptions(
        &mut self,
        tx: &mut Tx,
        publisher: Option<Uuid>,
    ) -> Result<Vec<SubscriptionRow>, Fault> {
        Ok(match self.subscriptions.entry(publisher) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(unknown) => {
                let found = event_subscriptions::listening(tx.conn(), publisher.map(PublisherId)).await?;
                unknown.insert(found).clone()
            }
        })
    }

    /// Whether one more message may leave by itself, which is counted then.
    async fn may_be_immediate(
        &mut self,
        tx: &mut Tx,
        channel: &ChannelRow,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let sent = match self.immediate.entry(channel.id.0) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let since = now.plus_seconds(-HOUR);
                let sent =
                    deliveries::immediate_since(tx.conn(), channel.id.0, since, MOST_IMMEDIATE).await?;
                unknown.insert(sent)
            }
        };
        let may = *sent < u64::from(MOST_IMMEDIATE);
        *sent += u64::from(may);
        Ok(may)
    }
}

async fn tell(
    authority: &Authority,
    tx: &mut Tx,
    listeners: &mut Listeners,
    event: &SecurityEventRow,
) -> Result<u64, Fault> {
    let alert = event.event.type_.starts_with("alert.").then(|| AlertData::of(event)).flatten();
    let mut written = 0;
    if let Some(alert) = &alert
        && matches!(event.event.type_.as_str(), "alert.opened" | "alert.resolved")
    {
        for channel in listeners.channels(tx, event.event.publisher_id).await? {
            written += u64::from(tell_channel(authority, tx, listeners, &channel, event, alert).await?);
        }
    }
    for subscription in listeners.subscriptions(tx, event.event.publisher_id).await? {
        written += u64::from(tell_subscription(authority, tx, &subscription, event, alert.as_ref()).await?);
    }
    Ok(written)
}

async fn tell_channel(
    authority: &Authority,
    tx: &mut Tx,
    listeners: &mut Listeners,
    channel: &ChannelRow,
    event: &SecurityEventRow,
    alert: &AlertData,
) -> Result<bool, Fault> {
    if !hears(channel, alert) {
        return Ok(false);
    }
    let now = authority.now();
    let period = match channel.digest {
        DigestPeriod::Daily => Some(24 * HOUR),
        DigestPeriod::Off if listeners.may_be_immediate(tx, channel, now).await? => None,
        DigestPeriod::Hourly | DigestPeriod::Off => Some(HOUR),
    };
    let due = period.map_or(now, |seconds| end_of_period(now, seconds));
    let new = NewDelivery {
        id: authority.new_delivery_id(),
        target_id: channel.id.0,
        dedupe_key: format!("event:{}", event.event.id),
        event_type: event.event.type_.clone(),
        severity: Some(alert.severity()),
        alert_kind: alert.kind(),
        payload: Notice::alert(&event.event.type_, event.event.occurred_at, alert).to_payload(),
        immediate: period.is_none(),
        state: if period.is_none() { DeliveryState::Waiting } else { DeliveryState::Collecting },
        created_at: now,
        next_attempt_at: due,
        expires_at: due.plus_seconds(LIFE_SECONDS),
    };
    Ok(deliveries::insert(tx.conn(), &new).await?)
}

/// A channel is not told that it is dead: that message would die, too.
fn hears(channel: &ChannelRow, alert: &AlertData) -> bool {
    let about_itself =
        alert.kind() == Some(AlertKind::DeliveryDead) && alert.subject_id == Some(channel.id.0);
    let tells = match alert.kind() {
        Some(kind) => channel.tells(kind, alert.severity()),
        None => channel.alert_kinds.is_none(),
    };
    tells && !about_itself
}

async fn tell_subscription(
    authority: &Authority,
    tx: &mut Tx,
    subscription: &SubscriptionRow,
    event: &SecurityEventRow,
    alert: Option<&AlertData>,
) -> Result<bool, Fault> {
    let type_ = event.event.type_.as_str();
    let is_expiring =
        type_ == "alert.opened" && alert.and_then(AlertData::kind) == Some(AlertKind::TokenExpiring);
    let names = [is_expiring.then_some("token.expiring"), Some(type_)];
    let wanted = names.into_iter().flatten().find(|type_| subscription.event_types.cover(type_));
    let Some(event_type) = wanted.filter(|_| event.seq.is_some_and(|seq| seq > subscription.after_seq))
    else {
        return Ok(false);
    };
    let about_itself = alert.is_some_and(|alert| {
        alert.kind() == Some(AlertKind::DeliveryDead) && alert.subject_id == Some(subscription.id.0)
    });
    if about_itself {
        return Ok(false);
    }
    let notice = match alert {
        Some(alert) => Notice::alert(event_type, event.event.occurred_at, alert),
        None => Notice::event(event_type, event),
    };
    let now = authority.now();
    let new = NewDelivery {
        id: authority.new_delivery_id(),
        target_id: subscription.id.0,
        dedupe_key: format!("event:{}", event.event.id),
        event_type: event_type.to_owned(),
        severity: None,
        alert_kind: None,
        payload: notice.to_payload(),
        immediate: false,
        state: DeliveryState::Waiting,
        created_at: now,
        next_attempt_at: now,
        expires_at: now.plus_seconds(LIFE_SECONDS),
    };
    Ok(deliveries::insert(tx.conn(), &new).await?)
}

/// The end of the period of so many seconds, counted from 1970, in which `now` lies.
fn end_of_period(now: Timestamp, seconds: i64) -> Timestamp {
    let micros = seconds * 1_000_000;
    Timestamp::from_micros((now.as_micros().div_euclid(micros) + 1) * micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_ends_after_the_moment_and_no_later_than_its_length() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        assert_eq!(end_of_period(at(7_199), HOUR), at(7_200));
        assert_eq!(end_of_period(at(7_200), HOUR), at(10_800));
        assert_eq!(end_of_period(at(86_399), 24 * HOUR), at(86_400));
    }
}
