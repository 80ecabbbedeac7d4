//! How long events and sums of usage are kept.

use std::time::Duration;

use keywright_authority::jobs::keep_events;
use keywright_authority::{Authority, Settings, entropy};
use keywright_core::id::SegmentId;
use keywright_core::{CredentialId, EventId, NodeId, Timestamp};
use keywright_store::{Engine, leases};
use keywright_verify::{Appended, Clock, DecisionRecord, EventKind, EventSink, Freshness, Piece, RecordCode};
use uuid::Uuid;

use crate::world::{World, keys, settings, verifier, worlds};

/// When these tests play: no clock of a test run, and so no partition of a migration, comes near.
fn today() -> Timestamp {
    "2052-03-01T12:00:00Z".parse().unwrap()
}

/// Before this moment successes go, and failures where they are kept as long.
fn bound() -> Timestamp {
    today().plus_days(-400)
}

/// A node that keeps failures for so many days.
fn keeper(world: &World, failure_retention_days: u32) -> Authority {
    let verifier = verifier(&world.store, Clock::manual(today()), Freshness::alone());
    let node = NodeId::generate(today(), entropy::id());
    let settings = Settings { failure_retention_days, ..settings() };
    Authority::new(Clone::clone(&*world.store), verifier, keys(&[1]), node, settings)
}

pub(crate) fn record(occurred_at: Timestamp, code: RecordCode, endpoint: &str) -> DecisionRecord {
    let id = EventId::generate(occurred_at, entropy::id());
    DecisionRecord {
        credential_id: Some(CredentialId(Uuid::from_u128(7))),
        ip_address: Some("192.0.2.7".parse().unwrap()),
        endpoint: Some(endpoint.into()),
        request_id: "r".into(),
        latency_micros: 7,
        ..DecisionRecord::bare(id, occurred_at, EventKind::Verify, code)
    }
}

pub(crate) async fn store(world: &World, records: Vec<DecisionRecord>) {
    let segment = SegmentId(records[0].id.0);
    let node = NodeId(Uuid::from_u128(1));
    let piece = Piece { node, segment, from: 0, to: 1, records };
    assert_eq!(world.store.append(&[piece]).await.unwrap(), Appended::Done);
}

/// A success and a failure at each moment.
async fn store_at(world: &World, moments: &[Timestamp]) {
    let both = |moment: &Timestamp| {
        [RecordCode::Valid, RecordCode::Expired].map(|code| record(*moment, code, "/works"))
    };
    store(world, moments.iter().flat_map(both).collect()).await;
}

/// Successes and failures that are left.
async fn left(world: &World) -> (i64, i64) {
    let mut raw = world.raw().await;
    let count = "SELECT COUNT(*) FROM authentication_events WHERE";
    (raw.number(format!("{count} success")).await, raw.number(format!("{count} NOT success")).await)
}

/// The months of 2051 that have a partition.
async fn months(world: &World) -> Vec<String> {
    let sql = "SELECT SUBSTRING(relname FROM '2051_..') FROM pg_class \
               WHERE relispartition AND relkind = 'r' AND relname LIKE '%_2051_%' ORDER BY 1";
    world.raw().await.texts(sql).await
}

#[tokio::test]
async fn events_go_when_their_time_is_over_and_not_a_moment_earlier() {
    for world in worlds().await {
        store_at(&world, &[bound().plus_micros(-1), bound(), today()]).await;
        keep_events(&keeper(&world, 400)).await.unwrap();
        assert_eq!(left(&world).await, (2, 2), "{:?}", world.engine());
        let mut raw = world.raw().await;
        raw.run("DELETE FROM authentication_events WHERE success").await;
        keep_events(&keeper(&world, 400)).await.unwrap();
        assert_eq!(left(&world).await, (0, 2), "{:?}", world.engine());
    }
}

#[tokio::test]
async fn failures_may_be_kept_longer_than_the_rest() {
    for world in worlds().await {
        let older = today().plus_days(-900);
        store_at(&world, &[older.plus_micros(-1), older, bound().plus_micros(-1), bound()]).await;
        let keeper = keeper(&world, 900);
        keep_events(&keeper).await.unwrap();
        assert_eq!(left(&world).await, (1, 3), "{:?}", world.engine());
        // What comes later is found by the same process too.
        store_at(&world, &[bound().plus_seconds(1)]).await;
        keeper.clock().advance(401 * 86_400_000_000);
        keep_events(&keeper).await.unwrap();
        assert_eq!(left(&world).await, (0, 3), "{:?}", world.engine());
    }
}

#[tokio::test]
async fn more_than_a_slice_goes_in_one_run() {
    for world in worlds().await {
        let moments: Vec<_> = (1..=2_500).map(|second| bound().plus_seconds(-second)).collect();
        store_at(&world, &moments).await;
        store_at(&world, &[bound()]).await;
        let done = keep_events(&keeper(&world, 400)).await.unwrap();
        assert!(done >= 5_000, "{done}");
        assert_eq!(left(&world).await, (1, 1), "{:?}", world.engine());
    }
}

#[tokio::test]
async fn a_run_that_was_killed_half_way_is_finished_by_another_node() {
    for world in worlds().await {
        let moments: Vec<_> = (1..=6_000).map(|second| bound().plus_seconds(-second)).collect();
        store_at(&world, &moments).await;
        let killed = keeper(&world, 400);
        let task = tokio::spawn({
            let killed = killed.clone();
            async move { keep_events(&killed).await }
        });
        while left(&world).await == (6_000, 6_000) && !task.is_finished() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        task.abort();
        let _ = task.await;
        let heir = keeper(&world, 400);
        // The lease of the one that was killed runs out.
        heir.clock().advance(180_000_000);
        keep_events(&heir).await.unwrap();
        assert_eq!(left(&world).await, (0, 0), "{:?}", world.engine());
    }
}

#[tokio::test]
async fn one_node_does_it_at_a_time() {
    for world in worlds().await {
        store_at(&world, &[bound().plus_micros(-1)]).await;
        let other = NodeId(Uuid::from_u128(5));
        let mut tx = world.store.begin().await.unwrap();
        let ttl = Duration::from_mins(2);
        leases::acquire(tx.conn(), "event keeper", other, today(), ttl).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        let keeper = keeper(&world, 400);
        assert_eq!(keep_events(&keeper).await.unwrap(), 0);
        assert_eq!(left(&world).await, (1, 1));
        keeper.clock().advance(120_000_000);
        keep_events(&keeper).await.unwrap();
        assert_eq!(left(&world).await, (0, 0), "{:?}", world.engine());
    }
}

#[tokio::test]
async fn security_events_stay() {
    for world in worlds().await {
        world.token("made long ago", &["a"]).await;
        let mut raw = world.raw().await;
        let count = "SELECT COUNT(*) FROM security_events";
        let before = raw.number(count).await;
        assert!(before > 0);
        keep_events(&keeper(&world, 400)).await.unwrap();
        assert_eq!(raw.number(count).await, before, "{:?}", world.engine());
    }
}

#[tokio::test]
async fn sums_go_with_their_hours_and_days_and_groups_with_their_last_use() {
    for world in worlds().await {
        let (hour, day) = (bound().start_of_hour(), bound().start_of_day());
        let old = |moment, endpoint| record(moment, RecordCode::Valid, endpoint);
        store(
            &world,
            vec![
                old(hour.plus_seconds(-1), "/gone"),
                old(hour.plus_seconds(-1), "/kept"),
                old(hour, "/kept"),
                old(day.plus_seconds(-1), "/gone"),
            ],
        )
        .await;
        keep_events(&keeper(&world, 400)).await.unwrap();
        let mut raw = world.raw().await;
        for (sql, rows) in [
            // Of the credential, and of all together.
            ("SELECT COUNT(*) FROM usage_hourly", 2),
            ("SELECT COUNT(*) FROM usage_daily", 2),
            ("SELECT COUNT(*) FROM usage_sources", 2),
            ("SELECT SUM(decisions) FROM usage_daily", 6),
            ("SELECT COUNT(*) FROM endpoint_groups WHERE endpoint_group = '/gone'", 0),
            ("SELECT COUNT(*) FROM endpoint_groups WHERE endpoint_group = '/kept'", 2),
        ] {
            let sql = sql.replace("SUM(decisions)", "CAST(SUM(decisions) AS BIGINT)");
            assert_eq!(raw.number(&sql).await, rows, "{sql} on {:?}", world.engine());
        }
    }
}

/// 2051-01-25T12:00 is the bound: what was stored in January 2051 is partly younger.
#[tokio::test]
async fn a_partition_goes_whole_and_only_when_nothing_in_it_is_young() {
    for world in worlds().await.into_iter().filter(|world| world.engine() == Engine::Postgres) {
        world.store.make_partitions("2050-12-01T00:00:00Z".parse().unwrap()).await.unwrap();
        let december = "2050-12-31T23:59:59Z".parse().unwrap();
        store_at(&world, &[december, bound().plus_seconds(-1), bound().plus_seconds(1)]).await;
        let keeper = keeper(&world, 400);
        keep_events(&keeper).await.unwrap();
        assert_eq!(left(&world).await, (2, 2));
        assert_eq!(months(&world).await, ["2051_01", "2051_02"]);
        keeper.clock().advance(7 * 86_400_000_000 - 43_200_000_000);
        keep_events(&keeper).await.unwrap();
        assert_eq!((left(&world).await, months(&world).await), ((0, 0), vec!["2051_02".to_owned()]));
        // The months to come were made.
        let ahead = "SELECT COUNT(*) FROM pg_class WHERE relispartition AND relname LIKE 'authentication_events_2052___' AND relkind = 'r'";
        assert_eq!(world.raw().await.number(ahead).await, 3);
    }
}

#[tokio::test]
async fn a_partition_whose_failures_are_kept_loses_its_successes() {
    for world in worlds().await.into_iter().filter(|world| world.engine() == Engine::Postgres) {
        world.store.make_partitions("2050-12-01T00:00:00Z".parse().unwrap()).await.unwrap();
        let december = "2050-12-31T23:59:59Z".parse().unwrap();
        store_at(&world, &[december, bound().plus_seconds(-1), today()]).await;
        let keeper = keeper(&world, 430);
        keep_events(&keeper).await.unwrap();
        // January is not over at the bound: it stays as it is.
        assert_eq!((left(&world).await, months(&world).await.len()), ((2, 3), 2));
        keeper.clock().advance(30 * 86_400_000_000);
        keep_events(&keeper).await.unwrap();
        assert_eq!((left(&world).await, months(&world).await.len()), ((1, 2), 2));
    }
}
