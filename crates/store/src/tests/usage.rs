//! Roll-ups: they add up to the rows, whatever was stored and in however many batches.

use std::collections::{BTreeMap, BTreeSet};

use keywright_core::id::SegmentId;
use keywright_core::usage::{MAX_ENDPOINT_GROUPS, OTHER, endpoint_group, latency_class};
use keywright_core::{CredentialId, NodeId, PrincipalKind, Timestamp};
use keywright_verify::places::testing::database;
use keywright_verify::{Appended, DecisionRecord, EventKind, EventSink, Piece, Places, RecordCode};
use uuid::Uuid;

use super::{NOW, credential_id, event_id};
use crate::conn::on;
use crate::testing::{TestStore, test_stores};
use crate::types::Time;
use crate::usage::{self, ALL, MAX_SOURCES, UNKNOWN};
use crate::{Store, StoreOptions, SuccessEvents};

const HOUR: i64 = 3_600_000_000;

/// Decisions over three hours and two days, of a few credentials and of none.
pub(super) fn record(number: u64) -> DecisionRecord {
    let known = !number.is_multiple_of(5);
    let credential = known.then(|| credential_id(number % 3));
    let at = NOW.plus_micros(i64::try_from(number % 26).unwrap() * HOUR + i64::try_from(number).unwrap());
    let code = match number % 4 {
        _ if !known => RecordCode::NotFound,
        0 => RecordCode::Revoked,
        _ => RecordCode::Valid,
    };
    DecisionRecord {
        credential_id: credential,
        principal_kind: credential.map(|_| PrincipalKind::ServiceToken),
        principal_id: credential.map(|CredentialId(id)| id),
        ip_address: number.is_multiple_of(2).then(|| "192.0.2.7".parse().unwrap()),
        user_agent: (!number.is_multiple_of(7)).then(|| format!("agent\u{1b}/{}", number % 3).into()),
        endpoint: (!number.is_multiple_of(11)).then(|| format!("/works/{number}/files?{number}").into()),
        request_id: "r".into(),
        latency_micros: u32::try_from(number * 37).unwrap(),
        occurrences: if known { 1 } else { 3 },
        ..DecisionRecord::bare(event_id(number), at, EventKind::Verify, code)
    }
}

async fn store_all(store: &Store, records: Vec<DecisionRecord>, batch: usize) {
    for (number, records) in records.chunks(batch).enumerate() {
        // Two segments in one transaction, as the mover does.
        let (first, second) = records.split_at(records.len() / 2);
        let piece = |half: u128, records: &[DecisionRecord]| Piece {
            node: NodeId(Uuid::from_u128(1)),
            segment: SegmentId(Uuid::from_u128(half)),
            from: number as u64,
            to: number as u64 + 1,
            records: records.to_vec(),
        };
        let done = store.append(&[piece(2, second), piece(1, first)]).await.unwrap();
        assert_eq!(done, Appended::Done);
    }
}

pub(super) type HourRow = (Uuid, Time, String, String, i64, Time, Time, i64);

pub(super) async fn hours(store: &Store) -> Vec<HourRow> {
    let mut reader = store.read().await.unwrap();
    let sql = "SELECT credential_id, hour, endpoint_group, code, decisions, first_at, last_at, latency_7 \
               FROM usage_hourly ORDER BY credential_id, hour, endpoint_group, code";
    on!(reader.conn(), |c| sqlx::query_as::<DB, HourRow>(sql).fetch_all(c)).unwrap()
}

pub(super) fn expected_hours(records: &[DecisionRecord]) -> Vec<HourRow> {
    type Key<'a> = (Uuid, i64, String, &'a str);
    let mut sums: BTreeMap<Key<'_>, (i64, Timestamp, Timestamp, i64)> = BTreeMap::new();
    for record in records {
        let count = i64::from(record.occurrences);
        let slow = if latency_class(record.latency_micros) == 7 { count } else { 0 };
        let group = endpoint_group(record.endpoint.as_deref().unwrap_or("")).into_owned();
        let hour = record.occurred_at.as_micros() / HOUR * HOUR;
        for credential in [record.credential_id.map_or(UNKNOWN, |id| id.0), ALL] {
            let key = (credential, hour, group.clone(), record.code.as_str());
            let sum = sums.entry(key).or_insert((0, record.occurred_at, record.occurred_at, 0));
            sum.0 += count;
            sum.1 = sum.1.min(record.occurred_at);
            sum.2 = sum.2.max(record.occurred_at);
            sum.3 += slow;
        }
    }
    let row = |((credential, hour, group, code), (count, first, last, slow)): ((_, _, _, &str), _)| {
        let hour = Time(Timestamp::from_micros(hour));
        (credential, hour, group, code.to_owned(), count, Time(first), Time(last), slow)
    };
    sums.into_iter().map(row).collect()
}

pub(super) async fn sum(store: &TestStore, sql: &'static str) -> i64 {
    let mut reader = store.read().await.unwrap();
    on!(reader.conn(), |c| sqlx::query_scalar::<DB, i64>(sql).fetch_one(c)).unwrap()
}

#[tokio::test]
async fn roll_ups_equal_the_rows_in_however_many_batches_they_came() {
    let records: Vec<_> = (0..500).map(record).collect();
    let total: i64 = records.iter().map(|record| i64::from(record.occurrences)).sum();
    for batch in [500, 90, 7] {
        for store in test_stores().await {
            store_all(&store, records.clone(), batch).await;
            assert_eq!(hours(&store).await, expected_hours(&records), "{:?}", store.engine());
            for (sql, wanted) in [
                ("SELECT CAST(SUM(occurrences) AS BIGINT) FROM authentication_events", total),
                ("SELECT CAST(SUM(decisions) AS BIGINT) FROM usage_daily", 2 * total),
                ("SELECT CAST(SUM(decisions) AS BIGINT) FROM usage_hourly", 2 * total),
                // Three agents on two days: each credential's own, and all of no credential and of all.
                (
                    "SELECT COUNT(*) FROM usage_sources WHERE label LIKE 'agent\u{FFFD}/_'",
                    3 * 2 + 3 * 2 + 3 * 2,
                ),
            ] {
                assert_eq!(sum(&store, sql).await, wanted, "{sql} in {batch} on {:?}", store.engine());
            }
        }
    }
}

#[tokio::test]
async fn successes_kept_as_sums_only_leave_the_failures_whole_and_the_sums_the_same() {
    let records: Vec<_> = (0..300).map(record).collect();
    for store in test_stores().await {
        let options = StoreOptions { success_events: SuccessEvents::Rollup, ..store.options().clone() };
        let thrifty = Store::connect(&options).await.unwrap();
        store_all(&thrifty, records.clone(), 100).await;
        let failures = records.iter().filter(|record| !record.success()).count();
        let rows = sum(&store, "SELECT COUNT(*) FROM authentication_events WHERE NOT success").await;
        assert_eq!(rows, i64::try_from(failures).unwrap(), "{:?}", store.engine());
        assert_eq!(sum(&store, "SELECT COUNT(*) FROM authentication_events").await, rows);
        assert_eq!(hours(&store).await, expected_hours(&records));
        thrifty.close().await;
    }
}

#[tokio::test]
async fn endpoints_and_sources_beyond_their_bound_are_counted_together() {
    let letters = |number: u64| -> String {
        let digits = [number / 676, number / 26 % 26, number % 26];
        digits.into_iter().map(|digit| char::from(b'a' + u8::try_from(digit).unwrap())).collect()
    };
    let odd = |number: u64| DecisionRecord {
        occurred_at: NOW,
        endpoint: Some(format!("/{}", letters(number)).into()),
        user_agent: Some(letters(number).into()),
        credential_id: Some(credential_id(1)),
        code: RecordCode::Valid,
        occurrences: 1,
        ..record(number)
    };
    let records: Vec<_> = (0..700).map(odd).collect();
    for store in test_stores().await {
        store_all(&store, records[..150].to_vec(), 150).await;
        // Another process over the same store, which remembers nothing.
        let another = store.another().await;
        for (number, records) in records[150..].chunks(200).enumerate() {
            let piece = Piece {
                node: NodeId(Uuid::from_u128(1)),
                segment: SegmentId(Uuid::from_u128(9)),
                from: number as u64,
                to: number as u64 + 1,
                records: records.to_vec(),
            };
            another.append(&[piece]).await.unwrap();
        }
        let groups: BTreeSet<String> = hours(&store)
            .await
            .into_iter()
            .filter(|row| row.0 == credential_id(1).0)
            .map(|row| row.2)
            .collect();
        assert_eq!(groups.len(), MAX_ENDPOINT_GROUPS + 1, "{:?}", store.engine());
        assert!(groups.contains(OTHER));
        let others = i64::try_from(700 - MAX_ENDPOINT_GROUPS).unwrap();
        for (sql, wanted) in [
            ("SELECT CAST(SUM(decisions) AS BIGINT) FROM usage_hourly", 2 * 700),
            (
                "SELECT CAST(SUM(decisions) AS BIGINT) FROM usage_hourly WHERE endpoint_group = 'other'",
                2 * others,
            ),
            ("SELECT COUNT(*) FROM endpoint_groups", 2 * i64::try_from(MAX_ENDPOINT_GROUPS).unwrap()),
            (
                "SELECT COUNT(*) FROM usage_sources WHERE kind = 'user_agent'",
                2 * (i64::try_from(MAX_SOURCES).unwrap() + 1),
            ),
            ("SELECT CAST(SUM(decisions) AS BIGINT) FROM usage_sources WHERE kind = 'user_agent'", 2 * 700),
        ] {
            assert_eq!(sum(&store, sql).await, wanted, "{sql} on {:?}", store.engine());
        }
        another.close().await;
    }
}

/// Two nodes that count the same credentials at once wait for each other in no circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_count_the_same_at_once_lose_nothing() {
    let records: Vec<_> = (0..2_000).map(record).collect();
    let total: i64 = records.iter().map(|record| i64::from(record.occurrences)).sum();
    for store in test_stores().await {
        let mut nodes = Vec::new();
        for (number, records) in records.chunks(500).enumerate() {
            let (store, records) = (store.another().await, records.to_vec());
            nodes.push(tokio::spawn(async move {
                for (step, records) in records.chunks(50).enumerate() {
                    let piece = Piece {
                        node: NodeId(Uuid::from_u128(number as u128)),
                        segment: SegmentId(Uuid::from_u128(number as u128)),
                        from: step as u64,
                        to: step as u64 + 1,
                        records: records.to_vec(),
                    };
                    store.append(&[piece]).await.unwrap();
                }
                store.close().await;
            }));
        }
        for node in nodes {
            node.await.unwrap();
        }
        assert_eq!(hours(&store).await, expected_hours(&records), "{:?}", store.engine());
        assert_eq!(sum(&store, "SELECT CAST(SUM(decisions) AS BIGINT) FROM usage_daily").await, 2 * total);
    }
}

#[tokio::test]
async fn places_of_addresses_stand_in_events_and_sums_and_are_told_by_credential() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("places.mmdb");
    let networks =
        [("192.0.2.0/24", serde_json::json!({"country_code": "IS", "asn": 64_496, "as_name": "Example"}))];
    std::fs::write(&path, database(1_790_000_000, &networks)).unwrap();
    let from = |number: u64, address: &str| DecisionRecord {
        occurred_at: NOW.plus_micros(i64::try_from(number).unwrap() * HOUR),
        credential_id: Some(credential_id(1)),
        ip_address: Some(address.parse().unwrap()),
        code: if number == 2 { RecordCode::RateLimited } else { RecordCode::Valid },
        occurrences: 1,
        ..record(number)
    };
    let records =
        vec![from(1, "192.0.2.1"), from(2, "192.0.2.2"), from(3, "10.0.0.1"), from(4, "198.51.100.1")];
    for store in test_stores().await {
        let options = StoreOptions { places: Places::open(&path), ..store.options().clone() };
        let placed = Store::connect(&options).await.unwrap();
        store_all(&placed, records.clone(), 4).await;
        let mut reader = placed.read().await.unwrap();
        let events = "SELECT COALESCE(country, '-') FROM authentication_events ORDER BY occurred_at";
        let countries =
            on!(reader.conn(), |c| sqlx::query_scalar::<DB, String>(events).fetch_all(c)).unwrap();
        assert_eq!(countries, ["IS", "IS", "private", "-"], "{:?}", store.engine());
        let hours = "SELECT country FROM usage_hourly WHERE credential_id = $1 ORDER BY hour";
        let countries = on!(reader.conn(), |c| sqlx::query_scalar::<DB, String>(hours)
            .bind(credential_id(1).0)
            .fetch_all(c));
        assert_eq!(countries.unwrap(), ["IS", "IS", "private", ""]);
        let all = usage::places(reader.conn(), credential_id(1), Timestamp::EPOCH, usage::COUNTRY, 10)
            .await
            .unwrap();
        let seen = |number: usize| records[number].occurred_at;
        let place = |label: &str, decisions, failures, first_at, last_at| usage::PlaceCount {
            label: label.to_owned(),
            decisions,
            failures,
            first_at,
            last_at,
        };
        assert_eq!(all, [place("IS", 2, 1, seen(0), seen(1)), place("private", 1, 0, seen(2), seen(2))]);
        let networks = usage::places(reader.conn(), credential_id(1), Timestamp::EPOCH, usage::NETWORK, 1)
            .await
            .unwrap();
        assert_eq!(networks, [place("AS64496 Example", 2, 1, seen(0), seen(1))]);
        let none = usage::places(reader.conn(), credential_id(2), Timestamp::EPOCH, usage::COUNTRY, 10).await;
        assert_eq!(none.unwrap(), []);
        drop(reader);
        placed.close().await;
    }
}
