//! Channels, subscriptions and deliveries: what is written is read back, within its publisher, and each delivery is
//! settled by one attempt.

use keywright_core::{
    AlertKind, ChannelId, ChannelKind, DeliveryId, DeliveryState, DigestPeriod, EventTypes, PublisherId,
    Severity, SubscriptionId,
};
use uuid::Uuid;

use super::people::creator;
use super::{DAY, NOW, change, entropy, name, read};
use crate::deliveries::{self, Counted, NewDelivery, Told};
use crate::event_subscriptions::{self, NewSubscription, SubscriptionRow};
use crate::notification_channels::{self, Changes, ChannelRow, ListFilter, NewChannel};
use crate::testing::{TestStore, test_stores};
use crate::{Store, StoreError};

fn publisher(number: u64) -> PublisherId {
    PublisherId::generate(NOW, entropy(number))
}

fn channel(number: u64, publisher_id: Option<PublisherId>, title: &str) -> NewChannel {
    let row = ChannelRow {
        id: ChannelId::generate(NOW, entropy(number)),
        publisher_id,
        name: name(title),
        kind: ChannelKind::Slack,
        destination_hint: "https://hooks.example.com/…".to_owned(),
        minimum_severity: Severity::High,
        alert_kinds: Some(vec![AlertKind::LeakReported, AlertKind::Volume]),
        all_publishers: publisher_id.is_none(),
        digest: DigestPeriod::Daily,
        is_enabled: true,
        created_by: creator(),
        created_at: NOW.plus_seconds(i64::try_from(number).unwrap()),
        updated_at: NOW.plus_seconds(i64::try_from(number).unwrap()),
        version: 1,
    };
    NewChannel { row, sealed: Some(vec![1, 2, 3]) }
}

fn subscription(number: u64, publisher_id: Option<PublisherId>, title: &str) -> NewSubscription {
    let row = SubscriptionRow {
        id: SubscriptionId::generate(NOW, entropy(number)),
        publisher_id,
        name: name(title),
        destination_hint: "https://hooks.example.com/…".to_owned(),
        event_types: EventTypes::from_stored(vec!["token.*".to_owned()]),
        is_enabled: true,
        after_seq: 7,
        created_by: creator(),
        created_at: NOW.plus_seconds(i64::try_from(number).unwrap()),
        updated_at: NOW.plus_seconds(i64::try_from(number).unwrap()),
        version: 1,
    };
    NewSubscription { row, sealed: vec![4, 5, 6] }
}

async fn insert(store: &Store, new: &NewChannel) {
    change(store, async |conn| notification_channels::insert(conn, new).await).await;
}

#[tokio::test]
async fn a_channel_is_read_back_within_its_publisher() {
    for store in test_stores().await {
        let (own, platform) = (channel(1, Some(publisher(1)), "c"), channel(2, None, "c"));
        insert(&store, &own).await;
        insert(&store, &platform).await;
        let by_id = async |within, id| {
            read(&store, async |conn| notification_channels::by_id(conn, within, id).await).await
        };
        assert_eq!(by_id(Some(publisher(1)), own.row.id).await, Some(own.row.clone()));
        assert_eq!(by_id(None, own.row.id).await, Some(own.row.clone()));
        assert_eq!(by_id(Some(publisher(2)), own.row.id).await, None);
        let mut tx = store.begin().await.unwrap();
        let locked = notification_channels::lock(tx.conn(), None, own.row.id).await.unwrap();
        assert_eq!(locked, Some(own.row.clone()));
        let twin = channel(3, Some(publisher(1)), "c");
        let taken = notification_channels::insert(tx.conn(), &twin).await.unwrap_err();
        assert!(matches!(taken, StoreError::NameTaken), "{taken:?}");
        tx.rollback().await;
        let twin = channel(3, None, "c");
        let mut tx = store.begin().await.unwrap();
        let taken = notification_channels::insert(tx.conn(), &twin).await.unwrap_err();
        assert!(matches!(taken, StoreError::NameTaken), "{taken:?}");
        tx.rollback().await;
        let listening = async |publisher| {
            let all = read(&store, async |c| notification_channels::listening(c, publisher).await).await;
            all.into_iter().map(|row| row.id).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(listening(Some(publisher(1))).await, [own.row.id, platform.row.id].into());
        assert_eq!(listening(Some(publisher(2))).await, [platform.row.id].into());
        assert_eq!(listening(None).await, [platform.row.id].into());
        let filter = ListFilter {
            within: Some(publisher(1)),
            kind: Some(ChannelKind::Slack),
            name: Some("c".to_owned()),
            after: Some((NOW.plus_days(1), own.row.id)),
            limit: 5,
        };
        let listed = read(&store, async |c| notification_channels::list(c, &filter).await).await;
        assert_eq!(listed, std::slice::from_ref(&own.row));
        let sealed = read(&store, async |c| notification_channels::sealed(c, Uuid::nil(), 9).await).await;
        assert_eq!(sealed.len(), 2);
        let done =
            change(&store, async |c| notification_channels::reseal(c, own.row.id.0, &[1, 2, 3], &[9]).await)
                .await;
        assert!(done);
        let sealed = read(&store, async |c| notification_channels::sealed_by_id(c, own.row.id).await).await;
        assert_eq!(sealed, Some(vec![9]));
    }
}

#[tokio::test]
async fn a_channel_changes_by_its_version_and_frees_its_name_when_it_goes() {
    for store in test_stores().await {
        let new = channel(1, None, "c");
        insert(&store, &new).await;
        let changes = Changes {
            name: Some(name("d")),
            destination: Some(("elsewhere".to_owned(), vec![8])),
            minimum_severity: Some(Severity::Low),
            alert_kinds: Some(None),
            all_publishers: Some(false),
            digest: Some(DigestPeriod::Off),
            is_enabled: Some(false),
            updated_at: NOW.plus_days(1),
        };
        let update = async |version| {
            change(&store, async |c| notification_channels::update(c, new.row.id, version, &changes).await)
                .await
        };
        assert!(!update(2).await);
        assert!(update(1).await);
        let row =
            read(&store, async |c| notification_channels::by_id(c, None, new.row.id).await).await.unwrap();
        let expected = ChannelRow {
            name: name("d"),
            destination_hint: "elsewhere".to_owned(),
            minimum_severity: Severity::Low,
            alert_kinds: None,
            all_publishers: false,
            digest: DigestPeriod::Off,
            is_enabled: false,
            updated_at: NOW.plus_days(1),
            version: 2,
            ..new.row.clone()
        };
        assert_eq!(row, expected);
        assert!(read(&store, async |c| notification_channels::listening(c, None).await).await.is_empty());
        let delete =
            async || change(&store, async |c| notification_channels::delete(c, new.row.id, NOW).await).await;
        assert!(delete().await);
        assert!(!delete().await);
        let ever = async |within| {
            read(&store, async |c| notification_channels::has_existed(c, within, new.row.id).await).await
        };
        assert!(ever(None).await && !ever(Some(publisher(1))).await);
        assert_eq!(
            read(&store, async |c| notification_channels::sealed_by_id(c, new.row.id).await).await,
            None
        );
        insert(&store, &channel(2, None, "d")).await;
    }
}

#[tokio::test]
async fn a_subscription_is_read_back_changed_and_deleted() {
    for store in test_stores().await {
        let (own, platform) = (subscription(1, Some(publisher(1)), "s"), subscription(2, None, "s"));
        for new in [&own, &platform] {
            change(&store, async |c| event_subscriptions::insert(c, new).await).await;
        }
        let by_id = async |within| {
            read(&store, async |c| event_subscriptions::by_id(c, within, own.row.id).await).await
        };
        assert_eq!(by_id(Some(publisher(1))).await, Some(own.row.clone()));
        assert_eq!(by_id(Some(publisher(2))).await, None);
        let listening = async |publisher| {
            read(&store, async |c| event_subscriptions::listening(c, publisher).await).await.len()
        };
        assert_eq!((listening(Some(publisher(1))).await, listening(None).await), (2, 1));
        let filter = event_subscriptions::ListFilter {
            within: Some(publisher(1)),
            name: Some("s".to_owned()),
            after: Some((NOW.plus_days(1), own.row.id)),
            limit: 5,
        };
        let listed = read(&store, async |c| event_subscriptions::list(c, &filter).await).await;
        assert_eq!(listed, std::slice::from_ref(&own.row));
        let changes = event_subscriptions::Changes {
            name: Some(name("t")),
            destination: Some(("elsewhere".to_owned(), vec![8])),
            event_types: Some(EventTypes::from_stored(vec!["*".to_owned()])),
            is_enabled: Some(false),
            updated_at: NOW.plus_days(1),
        };
        assert!(
            change(&store, async |c| event_subscriptions::update(c, own.row.id, 1, &changes).await).await
        );
        assert!(
            !change(&store, async |c| event_subscriptions::update(c, own.row.id, 1, &changes).await).await
        );
        let row = by_id(None).await.unwrap();
        assert_eq!((row.name.as_str(), row.is_enabled, row.version), ("t", false, 2));
        assert!(row.event_types.cover("anything.at_all"));
        let sealed = read(&store, async |c| event_subscriptions::sealed(c, Uuid::nil(), 9).await).await;
        assert_eq!(sealed.len(), 2);
        assert!(
            change(&store, async |c| event_subscriptions::reseal(c, own.row.id.0, &[8], &[9]).await).await
        );
        let sealed = read(&store, async |c| event_subscriptions::sealed_by_id(c, own.row.id).await).await;
        assert_eq!(sealed, Some(vec![9]));
        let mut tx = store.begin().await.unwrap();
        assert!(event_subscriptions::lock(tx.conn(), None, own.row.id).await.unwrap().is_some());
        assert!(event_subscriptions::delete(tx.conn(), own.row.id, NOW).await.unwrap());
        assert!(event_subscriptions::has_existed(tx.conn(), None, own.row.id).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(by_id(None).await, None);
    }
}

fn delivery(number: u64, target: Uuid, state: DeliveryState) -> NewDelivery {
    NewDelivery {
        id: DeliveryId::generate(NOW, entropy(number)),
        target_id: target,
        dedupe_key: format!("event:{number}"),
        event_type: "alert.opened".to_owned(),
        severity: Some(if number == 2 { Severity::Critical } else { Severity::Low }),
        alert_kind: Some(AlertKind::Volume),
        payload: format!("{{\"number\":{number}}}"),
        immediate: true,
        state,
        created_at: NOW.plus_seconds(i64::try_from(number).unwrap()),
        next_attempt_at: NOW,
        expires_at: NOW.plus_days(1),
    }
}

async fn put(store: &TestStore, new: &NewDelivery) -> bool {
    change(store, async |conn| deliveries::insert(conn, new).await).await
}

#[tokio::test]
async fn a_delivery_is_enqueued_once_and_settled_by_one_attempt() {
    for store in test_stores().await {
        let (target, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let new = delivery(1, target, DeliveryState::Waiting);
        assert!(put(&store, &new).await);
        assert!(!put(&store, &NewDelivery { id: DeliveryId(Uuid::from_u128(9)), ..new.clone() }).await);
        assert!(put(&store, &delivery(2, other, DeliveryState::Waiting)).await);
        let mut waiting = read(&store, async |c| deliveries::targets_waiting(c).await).await;
        waiting.sort();
        assert_eq!(waiting, [target, other]);
        let due = async |now| read(&store, async |c| deliveries::due(c, target, now, 9).await).await;
        assert!(due(NOW.plus_seconds(-1)).await.is_empty());
        let row = due(NOW).await.remove(0);
        assert_eq!((row.id, row.payload.as_str(), row.attempts), (new.id, "{\"number\":1}", 0));
        let take = async |attempts| {
            let until = NOW.plus_seconds(30);
            change(&store, async |c| deliveries::take(c, new.id, attempts, until).await).await
        };
        assert!(take(0).await);
        assert!(!take(0).await, "another took it");
        assert!(due(NOW).await.is_empty());
        let told =
            Told { status_code: Some(500), error: "answered 500".to_owned(), answer: Some("x".to_owned()) };
        let postpone = async |attempt| {
            change(&store, async |c| deliveries::postpone(c, new.id, attempt, NOW, &told).await).await
        };
        assert!(postpone(1).await);
        assert!(take(1).await);
        assert!(!postpone(1).await, "it was overtaken");
        assert!(!change(&store, async |c| deliveries::delivered(c, new.id, 1, NOW, Some(200)).await).await);
        assert!(change(&store, async |c| deliveries::give_up(c, new.id, 2, NOW, &told).await).await);
        let row = read(&store, async |c| deliveries::by_id(c, target, new.id).await).await.unwrap();
        assert_eq!((row.state, row.status_code, row.settled_at), (DeliveryState::Dead, Some(500), Some(NOW)));
        assert_eq!((row.last_error.as_deref(), row.answer.as_deref()), (Some("answered 500"), Some("x")));
        assert_eq!(read(&store, async |c| deliveries::by_id(c, other, new.id).await).await, None);
        let waits = read(&store, async |c| deliveries::waiting(c, NOW.plus_seconds(-1)).await).await;
        assert_eq!((waits.count, waits.oldest_at, waits.dead), (1, Some(NOW.plus_seconds(2)), 1));
        let revive = async |target| {
            let end = NOW.plus_days(2);
            change(&store, async |c| deliveries::revive(c, target, new.id, NOW, end).await).await
        };
        assert!(!revive(other).await);
        assert!(revive(target).await);
        assert!(!revive(target).await);
        assert!(take(2).await);
        assert!(change(&store, async |c| deliveries::delivered(c, new.id, 3, NOW, Some(204)).await).await);
        let row = read(&store, async |c| deliveries::by_id(c, target, new.id).await).await.unwrap();
        assert_eq!((row.state, row.status_code, row.last_error), (DeliveryState::Delivered, Some(204), None));
        let filter = deliveries::ListFilter {
            target,
            state: Some(DeliveryState::Delivered),
            after: Some((NOW.plus_days(1), new.id)),
            limit: 9,
        };
        assert_eq!(read(&store, async |c| deliveries::list(c, &filter).await).await.len(), 1);
        let drop =
            async || change(&store, async |c| deliveries::drop_of_target(c, other, NOW, "gone").await).await;
        assert_eq!((drop().await, drop().await), (1, 0));
        let forget = async |at| change(&store, async |c| deliveries::forget(c, at).await).await;
        assert_eq!((forget(NOW).await, forget(NOW.plus_seconds(DAY)).await), (0, 2));
    }
}

#[tokio::test]
async fn a_digest_collects_what_is_due_of_its_target_and_counts_it() {
    for store in test_stores().await {
        let (target, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for number in 1..=3 {
            put(&store, &delivery(number, target, DeliveryState::Collecting)).await;
        }
        put(&store, &delivery(4, other, DeliveryState::Collecting)).await;
        let late = NewDelivery {
            next_attempt_at: NOW.plus_seconds(10),
            ..delivery(5, target, DeliveryState::Collecting)
        };
        put(&store, &late).await;
        let mut due = read(&store, async |c| deliveries::collecting_due(c, NOW, 9).await).await;
        due.sort();
        assert_eq!(due, [target, other]);
        let digest = DeliveryId(Uuid::from_u128(7));
        let collect =
            async || change(&store, async |c| deliveries::collect(c, target, NOW, digest, 2).await).await;
        assert_eq!((collect().await, collect().await, collect().await), (2, 1, 0));
        let mut counts = read(&store, async |c| deliveries::collected_counts(c, digest).await).await;
        counts.sort_by_key(|counted| counted.count);
        let counted = |severity, count, first: i64, last: i64| Counted {
            event_type: "alert.opened".to_owned(),
            severity: Some(severity),
            alert_kind: Some(AlertKind::Volume),
            count,
            first_at: NOW.plus_seconds(first),
            last_at: NOW.plus_seconds(last),
        };
        assert_eq!(counts, [counted(Severity::Critical, 1, 2, 2), counted(Severity::Low, 2, 1, 3)]);
        let worst = read(&store, async |c| deliveries::collected_worst(c, digest, 2).await).await;
        assert_eq!(worst, ["{\"number\":2}", "{\"number\":1}"]);
        let since = async |at, most| {
            read(&store, async |c| deliveries::immediate_since(c, target, at, most).await).await
        };
        assert_eq!(
            (since(NOW, 9).await, since(NOW, 3).await, since(NOW.plus_seconds(3), 9).await),
            (4, 3, 1)
        );
    }
}

#[tokio::test]
async fn the_cursor_moves_from_where_it_is() {
    for store in test_stores().await {
        assert_eq!(read(&store, async |c| deliveries::cursor(c).await).await, 0);
        let advance = async |from, to| change(&store, async |c| deliveries::advance(c, from, to).await).await;
        assert!(advance(0, 5).await);
        assert!(!advance(0, 6).await);
        assert_eq!(read(&store, async |c| deliveries::cursor(c).await).await, 5);
    }
}
