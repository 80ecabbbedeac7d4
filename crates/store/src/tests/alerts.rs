//! Alerts as rows.

use keywright_core::{
    ActorRef, AlertId, AlertKind, AlertState, AlertSubjectKind, PublisherId, Severity, Timestamp,
};
use serde_json::json;
use uuid::Uuid;

use super::{NOW, change, entropy, read};
use crate::Store;
use crate::alerts::{self, AlertRow, AlertSubject, ListFilter, NewAlert, Said};
use crate::testing::test_stores;

fn alert_id(number: u64) -> AlertId {
    AlertId::generate(NOW, entropy(number))
}

const ONE: PublisherId = PublisherId(Uuid::from_u128(1));
const OTHER: PublisherId = PublisherId(Uuid::from_u128(2));

fn new_alert(number: u64) -> NewAlert {
    NewAlert {
        id: alert_id(number),
        publisher_id: Some(ONE),
        kind: AlertKind::TokenExpiring,
        severity: Severity::High,
        subject: AlertSubject {
            kind: AlertSubjectKind::Credential,
            id: Some(Uuid::from_u128(77)),
            name: Some("ci".to_owned()),
        },
        summary: "The token ci ends in 7 days.".to_owned(),
        evidence: json!({"expires_at": NOW, "list": [1, null]}).as_object().unwrap().clone(),
        dedupe_key: format!("key {number}"),
        opened_at: NOW.plus_micros(i64::try_from(number).unwrap()),
    }
}

async fn insert(store: &Store, new: &NewAlert) -> bool {
    change(store, async |c| alerts::insert(c, new).await).await
}

async fn by_id(store: &Store, number: u64) -> Option<AlertRow> {
    read(store, async |c| alerts::by_id(c, None, alert_id(number)).await).await
}

#[tokio::test]
async fn an_alert_is_read_back_as_it_was_written_through_its_life() {
    for store in test_stores().await {
        assert!(insert(&store, &new_alert(1)).await);
        let mut expected = new_alert(1).to_row();
        assert_eq!(by_id(&store, 1).await.as_ref(), Some(&expected), "{:?}", store.engine());
        assert_eq!(expected.state(), AlertState::Open);

        let by = ActorRef { id: Some(Uuid::from_u128(5)), ..ActorRef::system("somebody") };
        let (known, over) = (NOW.plus_seconds(60), NOW.plus_seconds(120));
        let acknowledge = async |at: Timestamp| {
            change(&store, async |c| alerts::acknowledge(c, alert_id(1), at, &by).await).await
        };
        assert!(acknowledge(known).await && !acknowledge(over).await);
        (expected.acknowledged, expected.version) = (Some(Said { at: known, by: by.clone() }), 2);
        assert_eq!(by_id(&store, 1).await.as_ref(), Some(&expected), "{:?}", store.engine());
        assert_eq!(expected.state(), AlertState::Acknowledged);

        let operator = ActorRef::operator();
        let resolve = async || {
            change(&store, async |c| alerts::resolve(c, alert_id(1), over, &operator, Some("done")).await)
                .await
        };
        assert!(resolve().await && !resolve().await);
        expected.resolved = Some(Said { at: over, by: operator.clone() });
        (expected.resolved_reason, expected.version) = (Some("done".to_owned()), 3);
        assert_eq!(by_id(&store, 1).await.as_ref(), Some(&expected), "{:?}", store.engine());
        assert_eq!(expected.state(), AlertState::Resolved);
        assert!(!acknowledge(over).await);
    }
}

#[tokio::test]
async fn of_one_key_there_is_one_alert_for_ever() {
    for store in test_stores().await {
        let again = |number: u64| NewAlert { dedupe_key: "same".to_owned(), ..new_alert(number) };
        assert!(insert(&store, &again(1)).await);
        assert!(!insert(&store, &again(2)).await);
        let system = ActorRef::system("test");
        change(&store, async |c| alerts::resolve(c, alert_id(1), NOW, &system, None).await).await;
        assert!(!insert(&store, &again(3)).await, "resolved, and still the one");
        assert_eq!(by_id(&store, 2).await, None);
        assert!(insert(&store, &new_alert(4)).await);
    }
}

#[tokio::test]
async fn evidence_may_hold_anything() {
    for store in test_stores().await {
        let mut new = new_alert(1);
        new.summary = "a\0b".to_owned();
        new.evidence = json!({"a\0": ["\0", {"b": "c\0"}]}).as_object().unwrap().clone();
        assert!(insert(&store, &new).await);
        let row = by_id(&store, 1).await.unwrap();
        assert_eq!(row.summary, "a\u{fffd}b");
        assert_eq!(json!(row.evidence), json!({"a\u{fffd}": ["\u{fffd}", {"b": "c\u{fffd}"}]}));
    }
}

#[tokio::test]
async fn what_concerns_another_publisher_is_not_found() {
    for store in test_stores().await {
        insert(&store, &new_alert(1)).await;
        insert(&store, &NewAlert { publisher_id: None, ..new_alert(2) }).await;
        let within = async |publisher, number| {
            let found = read(&store, async |c| alerts::by_id(c, publisher, alert_id(number)).await).await;
            let locked = change(&store, async |c| alerts::lock(c, publisher, alert_id(number)).await).await;
            assert_eq!(found, locked);
            found.is_some()
        };
        assert!(within(Some(ONE), 1).await && within(None, 1).await && within(None, 2).await);
        assert!(!within(Some(OTHER), 1).await && !within(Some(ONE), 2).await);
    }
}

#[tokio::test]
async fn alerts_are_listed_by_each_filter_page_by_page() {
    for store in test_stores().await {
        for number in 1..=4 {
            insert(&store, &new_alert(number)).await;
        }
        let platforms = NewAlert {
            publisher_id: None,
            kind: AlertKind::StoreLatency,
            severity: Severity::Low,
            subject: AlertSubject { kind: AlertSubjectKind::Platform, id: None, name: None },
            ..new_alert(5)
        };
        insert(&store, &platforms).await;
        let system = ActorRef::system("test");
        change(&store, async |c| alerts::acknowledge(c, alert_id(2), NOW, &system).await).await;
        change(&store, async |c| alerts::acknowledge(c, alert_id(3), NOW, &system).await).await;
        change(&store, async |c| alerts::resolve(c, alert_id(3), NOW, &system, None).await).await;
        let list = async |filter: ListFilter| {
            let filter = ListFilter { limit: if filter.limit == 0 { 50 } else { filter.limit }, ..filter };
            let rows = read(&store, async |c| alerts::list(c, &filter).await).await;
            let number = |row: AlertRow| (1..=5).find(|number| row.id == alert_id(*number)).unwrap();
            rows.into_iter().map(number).collect::<Vec<_>>()
        };
        let all = ListFilter::default;
        assert_eq!(list(all()).await, [5, 4, 3, 2, 1]);
        assert_eq!(list(ListFilter { within: Some(ONE), ..all() }).await, [4, 3, 2, 1]);
        assert_eq!(list(ListFilter { within: Some(OTHER), ..all() }).await, [0; 0]);
        let state = |state| ListFilter { state: Some(state), ..all() };
        assert_eq!(list(state(AlertState::Open)).await, [5, 4, 1]);
        assert_eq!(list(state(AlertState::Acknowledged)).await, [2]);
        assert_eq!(list(state(AlertState::Resolved)).await, [3]);
        assert_eq!(list(ListFilter { severity: Some(Severity::Low), ..all() }).await, [5]);
        assert_eq!(list(ListFilter { kind: Some(AlertKind::TokenExpiring), ..all() }).await, [4, 3, 2, 1]);
        assert_eq!(list(ListFilter { subject_id: Some(Uuid::from_u128(77)), ..all() }).await, [4, 3, 2, 1]);
        let after = Some((new_alert(3).opened_at, alert_id(3)));
        assert_eq!(list(ListFilter { after, limit: 1, ..all() }).await, [2]);
    }
}

#[tokio::test]
async fn what_is_unresolved_is_found_by_kind_and_object() {
    for store in test_stores().await {
        insert(&store, &new_alert(1)).await;
        insert(&store, &new_alert(2)).await;
        let nameless = AlertSubject { kind: AlertSubjectKind::Platform, id: None, name: None };
        insert(&store, &NewAlert { kind: AlertKind::KeyAge, subject: nameless, ..new_alert(3) }).await;
        let find = async |kind, subject| {
            read(&store, async |c| alerts::unresolved(c, kind, subject).await).await.map(|row| row.id)
        };
        let about = Some(Uuid::from_u128(77));
        assert_eq!(find(AlertKind::TokenExpiring, about).await, Some(alert_id(1)));
        assert_eq!(find(AlertKind::TokenExpiring, None).await, None);
        assert_eq!(find(AlertKind::KeyAge, None).await, Some(alert_id(3)));
        assert_eq!(find(AlertKind::KeyAge, about).await, None);
        let system = ActorRef::system("test");
        change(&store, async |c| alerts::resolve(c, alert_id(1), NOW, &system, None).await).await;
        assert_eq!(find(AlertKind::TokenExpiring, about).await, Some(alert_id(2)));
        let by_key = async |key: &str| change(&store, async |c| alerts::lock_by_key(c, key).await).await;
        assert_eq!((by_key("key 1").await, by_key("key 2").await.unwrap().id), (None, alert_id(2)));
        let of_kind =
            async |kind| read(&store, async |c| alerts::unresolved_of_kind(c, kind, 9).await).await.len();
        assert_eq!((of_kind(AlertKind::TokenExpiring).await, of_kind(AlertKind::Volume).await), (1, 0));
    }
}
