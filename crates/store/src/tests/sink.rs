//! Where the journal ends: every batch once, whoever tries it and however often.

use std::sync::Arc;

use keywright_core::id::SegmentId;
use keywright_core::{CredentialId, NodeId, PrincipalKind};
use keywright_verify::{Appended, DecisionRecord, EventKind, EventSink, Piece, RecordCode, SourceError};
use serde_json::json;
use uuid::Uuid;

use super::{NOW, by_id, credential_id, event_id, insert, new_token, read};
use crate::Store;
use crate::authentication_events::{self, AuthenticationEventFilter, AuthenticationEventRow};
use crate::security_events::SortOrder;
use crate::testing::test_stores;

pub(super) const NODE: NodeId = NodeId(Uuid::from_u128(1));
const SEGMENT: SegmentId = SegmentId(Uuid::from_u128(2));

type Matches = Box<dyn Fn(&DecisionRecord) -> bool>;

/// A record with a value in every field.
pub(super) fn full(number: u64) -> DecisionRecord {
    DecisionRecord {
        id: event_id(number),
        occurred_at: NOW.plus_micros(i64::try_from(number / 2).unwrap()),
        kind: if number.is_multiple_of(2) { EventKind::Verify } else { EventKind::Gate },
        code: if number.is_multiple_of(3) { RecordCode::Expired } else { RecordCode::Valid },
        credential_id: Some(credential_id(number % 4)),
        token_name: Some(format!("token-{}", number % 4).into()),
        principal_kind: Some(PrincipalKind::ServiceToken),
        principal_id: Some(credential_id(number % 4).0),
        asked_by: Some(credential_id(50)),
        ip_address: Some(if number.is_multiple_of(2) { "2001:db8::1" } else { "192.0.2.7" }.parse().unwrap()),
        user_agent: Some("curl/8 \u{1F511}".into()),
        method: Some("GET".into()),
        endpoint: Some("/works".into()),
        cloudflare_ray_id: Some("8f".into()),
        request_id: format!("r-{number}").into(),
        latency_micros: u32::MAX,
        stale: number.is_multiple_of(2),
        error_details: Some(r#"{"missing_scopes": ["a:b"]}"#.into()),
        publisher_id: Some(Uuid::from_u128(77 + u128::from(number % 3))),
        user_email: Some("ada@example.com".into()),
        occurrences: u32::try_from(number).unwrap() + 1,
    }
}

fn bare(number: u64) -> DecisionRecord {
    let full = full(number);
    DecisionRecord {
        request_id: full.request_id,
        latency_micros: full.latency_micros,
        stale: full.stale,
        occurrences: full.occurrences,
        ..DecisionRecord::bare(full.id, full.occurred_at, full.kind, RecordCode::NotFound)
    }
}

/// How a record is stored.
fn row(record: &DecisionRecord) -> AuthenticationEventRow {
    let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
    AuthenticationEventRow {
        id: record.id,
        occurred_at: record.occurred_at,
        event_type: record.kind.as_str().to_owned(),
        success: record.success(),
        code: record.code.as_str().to_owned(),
        credential_id: record.credential_id,
        token_name: text(&record.token_name),
        principal_type: record.principal_kind.map(|kind| kind.as_str().to_owned()),
        principal_id: record.principal_id,
        asked_by: record.asked_by,
        occurrences: record.occurrences.into(),
        publisher_id: record.publisher_id,
        user_email: text(&record.user_email),
        ip_address: record.ip_address,
        country: None,
        user_agent: text(&record.user_agent),
        method: text(&record.method),
        endpoint: text(&record.endpoint),
        cloudflare_ray_id: text(&record.cloudflare_ray_id),
        request_id: record.request_id.to_string(),
        latency_micros: u64::from(record.latency_micros),
        stale: record.stale,
        error_details: record.error_details.as_deref().map(|text| serde_json::from_str(text).unwrap()),
        node_id: NODE.0,
    }
}

async fn pages(store: &Store, filter: &AuthenticationEventFilter, limit: u32) -> Vec<AuthenticationEventRow> {
    let mut filter = AuthenticationEventFilter { limit, ..filter.clone() };
    let mut all = Vec::new();
    loop {
        let page = read(store, async |c| authentication_events::list(c, &filter).await).await;
        let Some(last) = page.last() else { return all };
        filter.after = Some((last.occurred_at, last.id));
        all.extend(page);
    }
}

async fn append(
    store: &Store,
    segment: SegmentId,
    from: u64,
    to: u64,
    records: Vec<DecisionRecord>,
) -> Result<Appended, SourceError> {
    store.append(&[Piece { node: NODE, segment, from, to, records }]).await
}

async fn count(store: &Store) -> u64 {
    read(store, async |c| authentication_events::count(c).await).await
}

#[tokio::test]
async fn every_field_of_a_record_is_stored() {
    for store in test_stores().await {
        // Full statements, a rest, and a COPY of several chunks.
        let mut records: Vec<_> = (0..2_003).map(|n| if n % 5 == 0 { bare(n) } else { full(n) }).collect();
        let done = append(&store, SEGMENT, 0, 10, records.clone()).await.unwrap();
        assert_eq!(done, Appended::Done);
        records.sort_by_key(|record| (record.occurred_at, record.id));
        let filter = AuthenticationEventFilter { order: SortOrder::Ascending, ..Default::default() };
        let stored = pages(&store, &filter, 700).await;
        assert_eq!(stored, records.iter().map(row).collect::<Vec<_>>(), "{:?}", store.engine());
    }
}

#[tokio::test]
async fn a_batch_is_stored_once_however_often_it_is_tried() {
    for store in test_stores().await {
        let batch: Vec<_> = (0..10).map(full).collect();
        let append = async |from, to| append(&store, SEGMENT, from, to, batch.clone()).await.unwrap();
        let elsewhere = |position| Appended::Elsewhere { segment: SEGMENT, position };
        assert_eq!(store.position(SEGMENT).await.unwrap(), 0);
        // A segment that nobody knows is at its begin.
        assert_eq!(append(5, 9).await, elsewhere(0));
        assert_eq!(count(&store).await, 0);
        assert_eq!(append(0, 100).await, Appended::Done);
        assert_eq!(append(0, 100).await, elsewhere(100));
        assert_eq!((count(&store).await, store.position(SEGMENT).await.unwrap()), (10, 100));
        // Nothing in it, but a position to move.
        let nothing = Piece { node: NODE, segment: SEGMENT, from: 100, to: 120, records: vec![] };
        assert_eq!(store.append(&[nothing]).await.unwrap(), Appended::Done);
        assert_eq!(store.position(SEGMENT).await.unwrap(), 120);
        store.forget(SEGMENT).await.unwrap();
        assert_eq!(store.position(SEGMENT).await.unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_that_append_the_same_batch_one_does() {
    for store in test_stores().await {
        let store = Arc::new(store);
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let store = Arc::clone(&store);
                let batch: Vec<_> = (0..10).map(full).collect();
                tokio::spawn(async move { append(&store, SEGMENT, 0, 100, batch).await.unwrap() })
            })
            .collect();
        let mut done = 0;
        for task in tasks {
            match task.await.unwrap() {
                Appended::Done => done += 1,
                Appended::Elsewhere { position, .. } => assert_eq!(position, 100),
            }
        }
        assert_eq!((done, count(&store).await), (1, 10), "{:?}", store.engine());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_accepted_is_counted_exactly_while_many_append() {
    for store in test_stores().await {
        for number in 0..4 {
            insert(&store, &new_token(number)).await;
        }
        let store = Arc::new(store);
        let tasks: Vec<_> = (0..10)
            .map(|task| {
                let store = Arc::clone(&store);
                let batch: Vec<_> = (task * 100..(task + 1) * 100).map(full).collect();
                let segment = SegmentId(Uuid::from_u128(u128::from(task)));
                tokio::spawn(async move { append(&store, segment, 0, 1, batch).await.unwrap() })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Appended::Done);
        }
        for number in 0..4 {
            let uses: Vec<_> = (0..1_000)
                .map(full)
                .filter(|record| record.success() && record.credential_id == Some(credential_id(number)))
                .collect();
            let token = by_id(&store, number).await.unwrap();
            let count: u64 = uses.iter().map(|record| u64::from(record.occurrences)).sum();
            assert_eq!(token.usage_count, count, "{number} on {:?}", store.engine());
            assert_eq!(token.last_used_at, uses.iter().map(|record| record.occurred_at).max());
            assert_eq!((token.version, token.updated_at), (1, new_token(number).created_at));
        }
    }
}

#[tokio::test]
async fn a_batch_that_is_refused_moves_nothing_and_counts_nothing() {
    for store in test_stores().await {
        insert(&store, &new_token(1)).await;
        let twice = vec![full(1), full(2), full(1)];
        let refused = append(&store, SEGMENT, 0, 100, twice).await;
        assert!(matches!(refused, Err(SourceError::Refused(_))), "{refused:?}");
        assert_eq!((count(&store).await, store.position(SEGMENT).await.unwrap()), (0, 0));
        assert_eq!(by_id(&store, 1).await.unwrap().usage_count, 0);
        assert_eq!(append(&store, SEGMENT, 0, 100, vec![full(1)]).await.unwrap(), Appended::Done);
    }
}

#[tokio::test]
async fn no_text_holds_up_a_batch() {
    for store in test_stores().await {
        let mut odd = full(1);
        odd.endpoint = Some("/a\0b".into());
        odd.user_agent = Some("\u{FFFF}\t\n\\N\r\"'".into());
        odd.request_id = "\0".into();
        odd.error_details = Some("{\"a\": \"\\u0000\", \"b\": \"\\ud800\"".into());
        assert_eq!(append(&store, SEGMENT, 0, 1, vec![odd]).await.unwrap(), Appended::Done);
        let stored = pages(&store, &AuthenticationEventFilter::default(), 1).await.remove(0);
        assert_eq!(stored.endpoint.as_deref(), Some("/a\u{FFFD}b"));
        assert_eq!(stored.user_agent.as_deref(), Some("\u{FFFF}\t\n\\N\r\"'"));
        let text = "{\"a\": \"\\u0000\", \"b\": \"\\ud800\"";
        assert_eq!(stored.error_details, Some(json!({ "unreadable": text })), "{:?}", store.engine());
    }
}

#[tokio::test]
async fn every_filter_and_order_gives_what_it_says() {
    let records: Vec<_> = (0..60).map(|n| if n % 5 == 0 { bare(n) } else { full(n) }).collect();
    for store in test_stores().await {
        append(&store, SEGMENT, 0, 1, records.clone()).await.unwrap();
        let all = AuthenticationEventFilter::default();
        let (since, until, one) = (NOW.plus_micros(7), NOW.plus_micros(20), credential_id(1));
        let cases: Vec<(AuthenticationEventFilter, Matches)> = vec![
            (all.clone(), Box::new(|_| true)),
            (
                AuthenticationEventFilter { since: Some(since), until: Some(until), ..all.clone() },
                Box::new(move |r| (since..until).contains(&r.occurred_at)),
            ),
            (
                AuthenticationEventFilter { principal_id: Some(one.0), ..all.clone() },
                Box::new(move |r| r.principal_id == Some(one.0)),
            ),
            (
                AuthenticationEventFilter { credential_id: Some(one), ..all.clone() },
                Box::new(move |r| r.credential_id == Some(CredentialId(one.0))),
            ),
            (
                AuthenticationEventFilter { event_type: Some("gate".to_owned()), ..all.clone() },
                Box::new(|r| r.kind == EventKind::Gate),
            ),
            (AuthenticationEventFilter { success: Some(false), ..all.clone() }, Box::new(|r| !r.success())),
            (
                AuthenticationEventFilter { code: Some("not_found".to_owned()), ..all.clone() },
                Box::new(|r| r.code == RecordCode::NotFound),
            ),
            (
                AuthenticationEventFilter { code: Some("valid".to_owned()), ..all.clone() },
                Box::new(DecisionRecord::success),
            ),
            (
                AuthenticationEventFilter { success: Some(true), ..all.clone() },
                Box::new(DecisionRecord::success),
            ),
            (
                AuthenticationEventFilter { publisher_id: Some(Uuid::from_u128(78)), ..all.clone() },
                Box::new(|r| r.publisher_id == Some(Uuid::from_u128(78))),
            ),
            (
                AuthenticationEventFilter { ip_address: full(0).ip_address, ..all.clone() },
                Box::new(|r| r.ip_address == full(0).ip_address),
            ),
        ];
        for (filter, matches) in cases {
            let mut expected: Vec<_> = records.iter().filter(|record| matches(record)).map(row).collect();
            assert!(expected.len() > 2, "{filter:?}");
            for order in [SortOrder::Ascending, SortOrder::Descending] {
                let filter = AuthenticationEventFilter { order, ..filter.clone() };
                expected.sort_by_key(|event: &AuthenticationEventRow| (event.occurred_at, event.id));
                if order == SortOrder::Descending {
                    expected.reverse();
                }
                assert_eq!(pages(&store, &filter, 7).await, expected, "{filter:?} on {:?}", store.engine());
            }
        }
    }
}
