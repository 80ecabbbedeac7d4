//! Months of events on PostgreSQL: made ahead by whomever, and nothing is lost on the way.

use keywright_core::Timestamp;
use keywright_core::id::SegmentId;
use keywright_verify::{Appended, EventSink, Piece};
use sqlx::{AssertSqlSafe, Postgres};
use uuid::Uuid;

use super::sink::{NODE, full};
use super::{change, read};
use crate::authentication_events::{
    self, EventTable, Slice, SliceDone, delete_slice, drop_partition, tables,
};
use crate::conn::call;
use crate::testing::{TestStore, postgres_store, store_on, test_stores};
use crate::{Conn, Engine, Store, StoreError};

/// A month that no clock of a test run comes near.
fn may() -> Timestamp {
    "2042-05-17T12:00:00Z".parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Stores an event for each moment.
pub(super) async fn store_events(store: &Store, moments: &[Timestamp]) {
    let records = moments.iter().zip(1..).map(|(moment, number)| {
        let mut record = full(number);
        record.occurred_at = *moment;
        record
    });
    let segment = SegmentId(Uuid::from_u128(u128::from(moments[0].as_micros().unsigned_abs())));
    let piece = Piece { node: NODE, segment, from: 0, to: 1, records: records.collect() };
    assert_eq!(store.append(&[piece]).await.unwrap(), Appended::Done);
}

async fn known(store: &Store) -> Vec<EventTable> {
    read(store, async |conn| tables(conn).await).await
}

async fn names(store: &Store, of_year: &str) -> Vec<String> {
    known(store)
        .await
        .iter()
        .map(|table| table.name().to_owned())
        .filter(|name| name.contains(of_year))
        .collect()
}

async fn run(store: &Store, sql: &'static str) {
    change(store, async |conn| {
        let Conn::Postgres(link) = conn else { unreachable!("a test of PostgreSQL") };
        call!(link, |c| sqlx::raw_sql(sql).execute(c)).map(drop)
    })
    .await;
}

async fn rows_in(store: &Store, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table}");
    read(store, async |conn| {
        let Conn::Postgres(link) = conn else { unreachable!("a test of PostgreSQL") };
        call!(link, |c| sqlx::query_scalar::<Postgres, i64>(AssertSqlSafe(sql)).fetch_one(c))
    })
    .await
}

#[tokio::test]
async fn a_migrated_store_has_the_partitions_of_its_first_months() {
    let Some(store) = postgres_store().await else { return };
    let now = store.now().await.unwrap().unwrap();
    let covers = |tables: &[EventTable], moment: Timestamp| {
        tables.iter().any(|table| {
            table.since.is_some_and(|since| since <= moment)
                && table.until.is_some_and(|until| moment < until)
        })
    };
    let tables = known(&store).await;
    for later in 0..3 {
        assert!(covers(&tables, now.start_of_month(later)), "{later}: {tables:?}");
    }
    assert_eq!(tables.last().unwrap().until, None, "{tables:?}");
}

#[tokio::test]
async fn months_are_made_ahead_and_once() {
    let Some(store) = postgres_store().await else { return };
    let made = store.make_partitions(may()).await.unwrap();
    assert_eq!((made.made, made.left), (3, 0));
    let months =
        ["authentication_events_2042_05", "authentication_events_2042_06", "authentication_events_2042_07"];
    assert_eq!(names(&store, "2042").await, months);
    assert_eq!(store.make_partitions(may()).await.unwrap().made, 0);
    // The year turns within the months made ahead.
    assert_eq!(store.make_partitions(at("2042-12-31T23:59:59Z")).await.unwrap().made, 3);
    assert_eq!(
        names(&store, "2043").await,
        ["authentication_events_2043_01", "authentication_events_2043_02"]
    );
    let january = known(&store).await.into_iter().find(|table| table.name().ends_with("2043_01")).unwrap();
    let bounds = (january.since.unwrap(), january.until.unwrap());
    assert_eq!(bounds, (at("2043-01-01T00:00:00Z"), at("2043-02-01T00:00:00Z")));
}

#[tokio::test]
async fn each_event_lies_in_the_month_in_which_it_happened() {
    let Some(store) = postgres_store().await else { return };
    store.make_partitions(may()).await.unwrap();
    let moments = [
        "2042-05-01T00:00:00Z",
        "2042-05-31T23:59:59.999999Z",
        "2042-06-01T00:00:00Z",
        "2042-04-30T23:59:59.999999Z",
    ];
    store_events(&store, &moments.map(at)).await;
    assert_eq!(rows_in(&store, "authentication_events_2042_05").await, 2);
    assert_eq!(rows_in(&store, "authentication_events_2042_06").await, 1);
    assert_eq!(rows_in(&store, "authentication_events_default").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn any_number_of_nodes_may_make_them_at_once() {
    let Some(store) = postgres_store().await else { return };
    // The more there is to move, the longer they meet.
    let moments: Vec<_> = (0..5_000).map(|second| may().plus_seconds(second)).collect();
    store_events(&store, &moments).await;
    let mut nodes = Vec::new();
    for _ in 0..8 {
        let node = store.another().await;
        nodes.push(tokio::spawn(async move { node.make_partitions(may()).await }));
    }
    let mut made = 0;
    for node in nodes {
        made += node.await.unwrap().unwrap().made;
    }
    assert_eq!(made, 3);
    assert_eq!(rows_in(&store, "authentication_events_2042_05").await, 5_000);
    assert_eq!(rows_in(&store, "authentication_events_default").await, 0);
}

#[tokio::test]
async fn what_lies_in_the_default_partition_moves_with_its_month() {
    let Some(store) = postgres_store().await else { return };
    let moments =
        [may(), at("2042-05-01T00:00:00Z"), at("2042-06-01T00:00:00Z"), at("2042-04-30T23:59:59.999999Z")];
    store_events(&store, &moments).await;
    let all = authentication_events::AuthenticationEventFilter { limit: 100, ..Default::default() };
    let list = async || read(&store, async |conn| authentication_events::list(conn, &all).await).await;
    let before = list().await;
    assert_eq!(store.make_partitions(may()).await.unwrap().made, 3);
    assert_eq!(rows_in(&store, "authentication_events_2042_05").await, 2);
    assert_eq!(rows_in(&store, "authentication_events_2042_06").await, 1);
    assert_eq!(rows_in(&store, "authentication_events_default").await, 1);
    assert_eq!(list().await, before);
}

#[tokio::test]
async fn a_month_with_too_many_events_in_the_default_partition_stays_there() {
    let Some(store) = postgres_store().await else { return };
    store_events(&store, &[may()]).await;
    let many = "INSERT INTO authentication_events (occurred_at, id, event_type, success, code, occurrences, \
         request_id, latency_micros, stale, node_id) \
         SELECT occurred_at + n * INTERVAL '1 microsecond', gen_random_uuid(), event_type, success, code, 1, \
         request_id, 1, FALSE, node_id FROM authentication_events, generate_series(1, 100000) n";
    run(&store, many).await;
    let done = store.make_partitions(may()).await.unwrap();
    assert_eq!((done.made, done.left), (2, 1));
    assert_eq!(rows_in(&store, "authentication_events_default").await, 100_001);
}

#[tokio::test]
async fn who_holds_events_locked_makes_it_give_up_and_lose_nothing() {
    let Some(store) = postgres_store().await else { return };
    store_events(&store, &[may()]).await;
    let mut holder = store.begin().await.unwrap();
    let Conn::Postgres(link) = holder.conn() else { unreachable!() };
    call!(link, |c| sqlx::raw_sql("LOCK TABLE authentication_events_default IN ACCESS SHARE MODE")
        .execute(c))
    .unwrap();
    let refused = store.make_partitions(may()).await;
    assert!(matches!(refused, Err(StoreError::Contention(_))), "{refused:?}");
    assert_eq!(names(&store, "2042").await, [""; 0]);
    // Events are stored while it waits and after.
    holder.rollback().await;
    assert_eq!(store.make_partitions(may()).await.unwrap().made, 3);
    assert_eq!(rows_in(&store, "authentication_events_2042_05").await, 1);
}

#[tokio::test]
async fn sqlite_needs_no_months() {
    let Some(store) = store_on(Engine::Sqlite).await else { return };
    assert_eq!(store.make_partitions(may()).await.unwrap(), authentication_events::MadePartitions::default());
    let tables = known(&store).await;
    assert_eq!((tables.len(), tables[0].name(), tables[0].until), (1, "authentication_events", None));
}

async fn drop_all_before(store: &Store, bound: Timestamp) -> Vec<String> {
    let mut dropped = Vec::new();
    for table in known(store).await {
        if change(store, async |conn| drop_partition(conn, &table, bound).await).await {
            dropped.push(table.name().to_owned());
        }
    }
    dropped
}

#[tokio::test]
async fn a_partition_goes_once_it_lies_wholly_before_the_bound() {
    let Some(store) = postgres_store().await else { return };
    store.make_partitions(at("1990-05-17T12:00:00Z")).await.unwrap();
    let moments = ["1990-05-31T23:59:59.999999Z", "1990-06-01T00:00:00Z"].map(at);
    store_events(&store, &moments).await;
    assert_eq!(drop_all_before(&store, at("1990-05-31T23:59:59.999999Z")).await, [""; 0]);
    assert_eq!(rows_in(&store, "authentication_events").await, 2);
    assert_eq!(drop_all_before(&store, at("1990-06-01T00:00:00Z")).await, ["authentication_events_1990_05"]);
    assert_eq!(rows_in(&store, "authentication_events").await, 1);
    assert_eq!(drop_all_before(&store, at("1990-06-30T23:59:59Z")).await, [""; 0]);
}

/// Deletes as the job does, slice by slice.
async fn delete_all(store: &TestStore, before: Timestamp, limit: u32, successes_only: bool) -> Vec<u64> {
    let table = known(store).await.pop().unwrap();
    let mut slice = Slice::first(Timestamp::EPOCH, before, limit, successes_only);
    let mut deleted = Vec::new();
    loop {
        let done: SliceDone = change(store, async |conn| delete_slice(conn, &table, &slice).await).await;
        deleted.push(done.deleted);
        match done.last {
            Some(last) => slice.after = last,
            None => return deleted,
        }
    }
}

#[tokio::test]
async fn slices_are_bounded_and_end_exactly_at_the_bound() {
    for store in test_stores().await {
        let moments: Vec<_> = (0..25).map(|second| may().plus_seconds(second)).collect();
        store_events(&store, &moments).await;
        assert_eq!(delete_all(&store, moments[0], 10, false).await, [0], "{:?}", store.engine());
        assert_eq!(delete_all(&store, moments[23], 10, false).await, [10, 10, 3], "{:?}", store.engine());
        let left = authentication_events::AuthenticationEventFilter { limit: 100, ..Default::default() };
        let left = read(&store, async |conn| authentication_events::list(conn, &left).await).await;
        let left: Vec<_> = left.into_iter().map(|event| event.occurred_at).collect();
        assert_eq!(left, [moments[24], moments[23]]);
    }
}

#[tokio::test]
async fn failures_stay_where_only_successes_are_deleted() {
    for store in test_stores().await {
        let moments: Vec<_> = (0..30).map(|second| may().plus_seconds(second)).collect();
        store_events(&store, &moments).await;
        let filter = authentication_events::AuthenticationEventFilter { limit: 100, ..Default::default() };
        let list = async || read(&store, async |conn| authentication_events::list(conn, &filter).await).await;
        let failures: Vec<_> = list().await.into_iter().filter(|event| !event.success).collect();
        assert_eq!(failures.len(), 10);
        let deleted = delete_all(&store, moments[29].plus_seconds(1), 7, true).await;
        assert_eq!((deleted.len(), deleted.iter().sum::<u64>()), (5, 20), "{:?}", store.engine());
        assert_eq!(list().await, failures);
    }
}
