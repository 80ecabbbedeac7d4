//! Roll-ups of several transactions of one node that are stored at once, as the mover does when much waits: they know the
//! same labels, add to the same rows, and wait for each other in no circle.

use std::sync::Arc;

use keywright_core::id::SegmentId;
use keywright_core::usage::MAX_ENDPOINT_GROUPS;
use keywright_core::{CredentialId, NodeId};
use keywright_verify::{Appended, DecisionRecord, EventSink, Piece, RecordCode};
use uuid::Uuid;

use super::usage::{expected_hours, hours, record, sum};
use super::{NOW, credential_id, read};
use crate::conn::on;
use crate::testing::{TestStore, test_stores};
use crate::usage::MAX_SOURCES;
use crate::{Engine, Store};

/// As many as the mover sends at once at most.
const AT_ONCE: usize = 4;
/// One node, of which each segment is a part.
const NODE: NodeId = NodeId(Uuid::from_u128(7));

/// Stores batches of one segment, one after the other.
async fn store_segment(store: Arc<TestStore>, segment: usize, records: Vec<DecisionRecord>, batch: usize) {
    for (step, records) in records.chunks(batch).enumerate() {
        let piece = Piece {
            node: NODE,
            segment: SegmentId(Uuid::from_u128(segment as u128 + 1)),
            from: step as u64,
            to: step as u64 + 1,
            records: records.to_vec(),
        };
        assert_eq!(store.append(&[piece]).await.unwrap(), Appended::Done, "segment {segment}, {step}");
    }
}

/// Stores all at once, in as many segments, each of which has a part of everything in an order of its own.
async fn store_at_once(store: &Arc<TestStore>, records: &[DecisionRecord], batch: usize) {
    let storing = (0..AT_ONCE).map(|segment| {
        let own = records.iter().enumerate().filter(|(number, _)| number % AT_ONCE == segment);
        let mut own: Vec<_> = own.map(|(_, record)| record.clone()).collect();
        if segment % 2 == 1 {
            own.reverse();
        }
        tokio::spawn(store_segment(Arc::clone(store), segment, own, batch))
    });
    for stored in storing.collect::<Vec<_>>() {
        stored.await.unwrap();
    }
}

/// How often PostgreSQL had to end a circle in this database, which is the test's own.
async fn circles(store: &Store) -> i64 {
    if store.engine() == Engine::Sqlite {
        return 0;
    }
    let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let mut reader = store.read().await.unwrap();
    on!(reader.conn(), |c| sqlx::query_scalar::<DB, i64>(sql).fetch_one(c)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transactions_of_one_node_at_once_add_up_exactly() {
    let records: Vec<_> = (0..4_000).map(record).collect();
    let all = || records.iter();
    let total: i64 = all().map(|record| i64::from(record.occurrences)).sum();
    for store in test_stores().await {
        let store = Arc::new(store);
        store_at_once(&store, &records, 100).await;
        assert_eq!(hours(&store).await, expected_hours(&records), "{:?}", store.engine());
        for (sql, wanted) in [
            ("SELECT CAST(SUM(occurrences) AS BIGINT) FROM authentication_events", total),
            ("SELECT CAST(SUM(decisions) AS BIGINT) FROM usage_daily", 2 * total),
        ] {
            assert_eq!(sum(&store, sql).await, wanted, "{sql} on {:?}", store.engine());
        }
        for number in 0..3 {
            let id = credential_id(number);
            let of = |record: &&DecisionRecord| record.credential_id == Some(id) && record.success();
            let uses = all().filter(of).count() as u64;
            assert_eq!(used(&store, id).await, uses, "{number} on {:?}", store.engine());
        }
        assert_eq!(circles(&store).await, 0);
    }
}

/// The counter of a credential, which its row in the lists shows.
async fn used(store: &Store, id: CredentialId) -> u64 {
    let sql = "SELECT usage_count FROM credential_usage WHERE credential_id = $1";
    let count =
        read(store, async |conn| on!(conn, |c| sqlx::query_scalar::<DB, i64>(sql).bind(id.0).fetch_one(c)));
    u64::try_from(count.await).unwrap()
}

/// Decisions on one credential, of which each has an endpoint and a user agent of its own.
fn odd(number: u64) -> DecisionRecord {
    DecisionRecord {
        credential_id: Some(credential_id(1)),
        endpoint: Some(format!("/e{}", letters(number)).into()),
        user_agent: Some(format!("agent {}", letters(number)).into()),
        code: RecordCode::Valid,
        occurrences: 1,
        occurred_at: NOW,
        ..record(number)
    }
}

/// A word for a number: digits would be taken for an id.
fn letters(number: u64) -> String {
    number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transactions_of_one_node_at_once_keep_no_more_labels_than_one_does() {
    let records: Vec<_> = (0..1_200).map(odd).collect();
    for store in test_stores().await {
        let store = Arc::new(store);
        store_at_once(&store, &records, 50).await;
        let groups = i64::try_from(MAX_ENDPOINT_GROUPS).unwrap();
        let sources = i64::try_from(MAX_SOURCES).unwrap();
        for (sql, wanted) in [
            ("SELECT CAST(SUM(decisions) AS BIGINT) FROM usage_hourly", 2 * 1_200),
            ("SELECT CAST(SUM(decisions) AS BIGINT) FROM usage_sources WHERE kind = 'user_agent'", 2 * 1_200),
            // Of the credential, and of all together.
            ("SELECT COUNT(*) FROM endpoint_groups", 2 * groups),
            ("SELECT COUNT(*) FROM usage_sources WHERE kind = 'user_agent'", 2 * (sources + 1)),
        ] {
            assert_eq!(sum(&store, sql).await, wanted, "{sql} on {:?}", store.engine());
        }
        assert_eq!(circles(&store).await, 0);
    }
}
