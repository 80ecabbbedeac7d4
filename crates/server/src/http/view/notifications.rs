//! Notification channels, event subscriptions and deliveries.

use keywright_api::WireEnum;
use keywright_api::alert::{AlertKind, Severity};
use keywright_api::notification::{
    ChannelKind, Delivery, DeliveryState, DigestPeriod, EventSubscription, NotificationChannel,
};
use keywright_store::deliveries::DeliveryRow;
use keywright_store::event_subscriptions::SubscriptionRow;
use keywright_store::notification_channels::ChannelRow;

use super::alerts::stored_alert_kind;
use super::{actor, optional_time, time};

/// A channel.
pub fn notification_channel(row: &ChannelRow) -> NotificationChannel {
    let kinds = |kinds: &Vec<keywright_core::AlertKind>| {
        kinds.iter().filter_map(|kind| AlertKind::from_word(kind.as_str())).collect()
    };
    NotificationChannel {
        id: row.id.0,
        publisher_id: row.publisher_id.map(|id| id.0),
        name: row.name.as_str().to_owned(),
        kind: ChannelKind::from_word(row.kind.as_str()).unwrap_or(ChannelKind::Log),
        destination: row.destination_hint.clone(),
        minimum_severity: Severity::from_word(row.minimum_severity.as_str()).unwrap_or(Severity::Low),
        alert_kinds: row.alert_kinds.as_ref().map(kinds),
        all_publishers: row.all_publishers,
        digest: DigestPeriod::from_word(row.digest.as_str()).unwrap_or(DigestPeriod::Off),
        is_enabled: row.is_enabled,
        created_by: actor(&row.created_by),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    }
}

/// A subscription.
pub fn event_subscription(row: &SubscriptionRow) -> EventSubscription {
    EventSubscription {
        id: row.id.0,
        publisher_id: row.publisher_id.map(|id| id.0),
        name: row.name.as_str().to_owned(),
        destination: row.destination_hint.clone(),
        event_types: row.event_types.as_slice().to_vec(),
        is_enabled: row.is_enabled,
        created_by: actor(&row.created_by),
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
    }
}

/// A delivery.
pub fn delivery(row: &DeliveryRow) -> Delivery {
    let state = DeliveryState::from_word(row.state.as_str()).unwrap_or(DeliveryState::Dead);
    let is_settled = row.settled_at.is_some();
    Delivery {
        id: row.id.0,
        kind: row.event_type.clone(),
        state,
        attempts: row.attempts,
        status_code: row.status_code,
        last_error: row.last_error.clone(),
        answer: row.answer.clone(),
        next_attempt_at: optional_time(Some(row.next_attempt_at).filter(|_| !is_settled)),
        expires_at: time(row.expires_at),
        digest_id: row.digest_id.map(|id| id.0),
        created_at: time(row.created_at),
        settled_at: optional_time(row.settled_at),
    }
}

macro_rules! stored {
    ($($(#[$doc:meta])* $name:ident($wire:ident => $stored:ident, $default:ident);)+) => {$(
        $(#[$doc])*
        pub fn $name(word: $wire) -> keywright_core::$stored {
            keywright_core::$stored::parse(word.as_str()).unwrap_or(keywright_core::$stored::$default)
        }
    )+};
}

// The words are the same on both sides, which a test holds them to.
stored! {
    /// The kind of a channel as it is stored.
    stored_channel_kind(ChannelKind => ChannelKind, Log);
    /// A way of gathering as it is stored.
    stored_digest_period(DigestPeriod => DigestPeriod, Off);
    /// The state of a delivery as it is stored.
    stored_delivery_state(DeliveryState => DeliveryState, Dead);
}

/// Kinds of alerts as they are stored.
pub fn stored_alert_kinds(kinds: &[AlertKind]) -> Vec<keywright_core::AlertKind> {
    kinds.iter().copied().filter_map(stored_alert_kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_on_the_wire_and_in_the_store_are_the_same() {
        fn words<E: WireEnum>() -> Vec<&'static str> {
            E::ALL.iter().map(|one| one.as_str()).collect()
        }
        let kinds: Vec<_> = keywright_core::ChannelKind::ALL.iter().map(|one| one.as_str()).collect();
        assert_eq!(words::<ChannelKind>(), kinds);
        let periods: Vec<_> = keywright_core::DigestPeriod::ALL.iter().map(|one| one.as_str()).collect();
        assert_eq!(words::<DigestPeriod>(), periods);
        let states: Vec<_> = keywright_core::DeliveryState::ALL.iter().map(|one| one.as_str()).collect();
        assert_eq!(words::<DeliveryState>(), states);
    }
}
