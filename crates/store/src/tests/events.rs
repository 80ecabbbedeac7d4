//! Security events: kept as written, listed by any filter, sealed once and in order.

use keywright_core::{ActorKind, ActorRef, NodeId};
use uuid::Uuid;

use super::{NOW, change, event_id, read};
use crate::security_events::{self, EventFilter, Head, NewSecurityEvent, Seal, SecurityEventRow, SortOrder};
use crate::testing::test_stores;
use crate::{Store, StoreError};

type Matches<'a> = Box<dyn Fn(&NewSecurityEvent) -> bool + 'a>;

/// An event with a value in every column.
fn event(number: u64) -> NewSecurityEvent {
    NewSecurityEvent {
        id: event_id(number),
        occurred_at: NOW.plus_seconds(i64::try_from(number / 3).unwrap()),
        type_: if number.is_multiple_of(2) { "token.created" } else { "token.revoked" }.to_owned(),
        actor: ActorRef {
            kind: ActorKind::ServiceToken,
            id: Some(Uuid::from_u128(u128::from(number % 4))),
            name: "root".to_owned(),
        },
        subject_type: Some("service_token".to_owned()),
        subject_id: Some(Uuid::from_u128(u128::from(number % 5))),
        subject_name: Some("ci".to_owned()),
        publisher_id: Some(Uuid::from_u128(77)),
        ip_address: Some(if number.is_multiple_of(2) { "2001:db8::1" } else { "192.0.2.7" }.parse().unwrap()),
        user_agent: Some("curl/8".to_owned()),
        request_id: Some("r-1".to_owned()),
        reason: Some("because".to_owned()),
        before: Some("{ \"b\":1,  \"a\": 1.0, \"a\": 2 }".to_owned()),
        after: Some("{}".to_owned()),
        details: Some("{\"x\": [1,2]}".to_owned()),
        node_id: Some(NodeId(Uuid::from_u128(9))),
    }
}

async fn insert(store: &Store, event: &NewSecurityEvent) {
    change(store, async |c| security_events::insert(c, event).await).await;
}

#[tokio::test]
async fn an_event_is_read_back_byte_by_byte() {
    for store in test_stores().await {
        let full = event(1);
        let bare = NewSecurityEvent {
            actor: ActorRef::operator(),
            subject_type: None,
            subject_id: None,
            subject_name: None,
            publisher_id: None,
            ip_address: None,
            user_agent: None,
            request_id: None,
            reason: None,
            before: None,
            after: None,
            details: None,
            node_id: None,
            ..event(2)
        };
        insert(&store, &full).await;
        insert(&store, &bare).await;
        let rows = read(&store, async |c| security_events::unsealed(c, 10).await).await;
        let unsealed = |event| SecurityEventRow { seq: None, key_id: None, mac: None, event };
        assert_eq!(rows, [unsealed(full), unsealed(bare)], "{:?}", store.engine());
    }
}

#[tokio::test]
async fn every_filter_and_order_gives_what_it_says() {
    let events: Vec<_> = (0..40).map(event).collect();
    for store in test_stores().await {
        for event in &events {
            insert(&store, event).await;
        }
        let all = EventFilter { limit: 100, ..EventFilter::default() };
        let (since, until) = (NOW.plus_seconds(3), NOW.plus_seconds(9));
        let cases: Vec<(EventFilter, Matches<'_>)> = vec![
            (all.clone(), Box::new(|_| true)),
            (EventFilter { since: Some(since), ..all.clone() }, Box::new(move |e| e.occurred_at >= since)),
            (EventFilter { until: Some(until), ..all.clone() }, Box::new(move |e| e.occurred_at < until)),
            (
                EventFilter { principal_id: events[3].actor.id, ..all.clone() },
                Box::new(|e| e.actor.id == events[3].actor.id),
            ),
            (
                EventFilter { subject_id: events[4].subject_id, ..all.clone() },
                Box::new(|e| e.subject_id == events[4].subject_id),
            ),
            (
                EventFilter { type_: Some("token.revoked".to_owned()), ..all.clone() },
                Box::new(|e| e.type_ == "token.revoked"),
            ),
            (
                EventFilter { ip_address: events[0].ip_address, ..all.clone() },
                Box::new(|e| e.ip_address == events[0].ip_address),
            ),
        ];
        for (filter, matches) in cases {
            let mut expected: Vec<_> = events.iter().filter(|event| matches(event)).cloned().collect();
            assert!(!expected.is_empty());
            for order in [SortOrder::Ascending, SortOrder::Descending] {
                let filter = EventFilter { order, ..filter.clone() };
                let listed = pages(&store, &filter, 7).await;
                expected.sort_by_key(|event| (event.occurred_at, event.id));
                if order == SortOrder::Descending {
                    expected.reverse();
                }
                assert_eq!(listed, expected, "{filter:?} on {:?}", store.engine());
            }
        }
    }
}

async fn pages(store: &Store, filter: &EventFilter, limit: u32) -> Vec<NewSecurityEvent> {
    let mut filter = EventFilter { limit, ..filter.clone() };
    let mut all = Vec::new();
    loop {
        let page = read(store, async |c| security_events::list(c, &filter).await).await;
        let Some(last) = page.last() else { return all };
        filter.after = Some((last.event.occurred_at, last.event.id));
        all.extend(page.into_iter().map(|row| row.event));
    }
}

#[tokio::test]
async fn an_event_is_sealed_once_and_a_place_is_taken_once() {
    for store in test_stores().await {
        for number in 0..3 {
            insert(&store, &event(number)).await;
        }
        assert_eq!(read(&store, async |c| security_events::unsealed_count(c).await).await, 3);
        let seal = async |places: &[(u64, u64, &[u8])]| {
            let of = |(number, seq, mac): &(u64, u64, &[u8])| Seal {
                id: event_id(*number),
                seq: *seq,
                key_id: "k1".to_owned(),
                mac: mac.to_vec(),
            };
            let seals: Vec<_> = places.iter().map(of).collect();
            let mut tx = store.begin().await.unwrap();
            let sealed = security_events::seal(tx.conn(), &seals).await;
            if sealed.is_ok() {
                tx.commit().await.unwrap();
            }
            sealed
        };
        assert_eq!(seal(&[(0, 1, b"one")]).await, Ok(1));
        assert_eq!(seal(&[(0, 2, b"other")]).await, Ok(0));
        let taken = seal(&[(1, 2, b"two"), (2, 1, b"other")]).await;
        assert!(matches!(taken, Err(StoreError::Duplicate(_))), "{:?}", store.engine());
        assert_eq!(seal(&[(1, 2, b"two"), (0, 3, b"other")]).await, Ok(1));
        let chain = read(&store, async |c| security_events::sealed_range(c, 1, 10).await).await;
        let places: Vec<_> = chain.iter().map(|row| (row.seq, row.event.id, row.mac.as_deref())).collect();
        let (one, two): (&[u8], &[u8]) = (b"one", b"two");
        assert_eq!(places, [(Some(1), event_id(0), Some(one)), (Some(2), event_id(1), Some(two))]);
        assert_eq!(chain[0].key_id.as_deref(), Some("k1"));
        let rest = read(&store, async |c| security_events::sealed_range(c, 2, 1).await).await;
        assert_eq!(rest.len(), 1);
        assert_eq!(read(&store, async |c| security_events::unsealed_count(c).await).await, 1);
    }
}

#[tokio::test]
async fn the_head_moves_from_where_it_is_only() {
    for store in test_stores().await {
        let head = read(&store, async |c| security_events::head(c).await).await;
        assert_eq!(head, Head { seq: 0, mac: vec![], key_id: None, sealed_at: None });
        let next = Head { seq: 5, mac: vec![1, 2], key_id: Some("k1".to_owned()), sealed_at: Some(NOW) };
        let advance = async |from, head: &Head| {
            change(&store, async |c| security_events::advance_head(c, from, head).await).await
        };
        assert!(advance(0, &next).await);
        assert!(!advance(0, &Head { seq: 6, ..next.clone() }).await);
        assert_eq!(read(&store, async |c| security_events::head(c).await).await, next);
    }
}
