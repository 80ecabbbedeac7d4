//! Pages of imported events that are written at once, each stored before the one after it.

use std::sync::Arc;
use std::time::Duration;

use keywright_core::{NodeId, Timestamp};
use keywright_verify::{DecisionRecord, EventKind, RecordCode};
use uuid::Uuid;

use super::{NOW, event_id, read};
use crate::engine::{Engine, StoreOptions};
use crate::error::StoreError;
use crate::imports::{self, EventsToTake, Memory, Progress, Turn, Turns};
use crate::testing::{postgres_store, test_stores};
use crate::{Store, usage};

const EVENTS: u64 = 30;

/// The page of this number: events of its own, all of one hour.
fn page(number: u64) -> EventsToTake {
    let event = |n: u64| {
        let moment = NOW.plus_seconds(i64::try_from(number).unwrap());
        DecisionRecord {
            user_agent: Some("old/1".into()),
            ..DecisionRecord::bare(event_id(number * 1_000 + n), moment, EventKind::Verify, RecordCode::Valid)
        }
    };
    let last = Some((i64::try_from(number).unwrap(), Uuid::from_u128(u128::from(number))));
    let progress = Progress { last, ..Progress::none("a source") };
    EventsToTake::new(NodeId(Uuid::from_u128(1)), (0..EVENTS).map(event).collect(), 0, progress)
}

fn memory() -> Memory {
    Memory::of_days(Timestamp::EPOCH, NOW.plus_days(-1))
}

async fn take(store: &Store, number: u64, mut turn: Turn, memory: &Memory) -> Result<u64, StoreError> {
    let taken = store.take_events(&page(number), &mut turn, memory, NOW).await?;
    turn.pass();
    Ok(taken)
}

/// What the roll-ups count, and the last page that is said to be stored.
async fn stored(store: &Store) -> (u64, Option<i64>) {
    let days = read(store, async |c| usage::days(c, NOW.plus_days(-1)).await).await;
    let progress = read(store, async |c| imports::all(c).await).await;
    let last = progress.first().and_then(|progress| progress.last).map(|(at, _)| at);
    (days.iter().map(|day| day.decisions).sum(), last)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_written_at_once_are_stored_in_their_order() {
    for own in test_stores().await {
        stored_in_order(&own).await;
    }
    // With one connection nobody keeps it from those before.
    let Some(own) = postgres_store().await else { return };
    let options = StoreOptions { pool_size: 1, max_overflow: 0, ..own.options().clone() };
    stored_in_order(&Store::connect(&options).await.unwrap()).await;
}

async fn stored_in_order(store: &Store) {
    let (mut turns, memory) = (Turns::default(), Arc::new(memory()));
    let pages: Vec<(u64, Turn)> = (1..=6).map(|number| (number, turns.hand_out())).collect();
    // The last one begins first.
    let mut writing = tokio::task::JoinSet::new();
    for (number, turn) in pages.into_iter().rev() {
        let (store, memory) = (store.clone(), Arc::clone(&memory));
        writing.spawn(async move { take(&store, number, turn, &memory).await.map(|taken| (number, taken)) });
    }
    let mut ended = Vec::new();
    while let Some(page) = writing.join_next().await {
        ended.push(page.unwrap().unwrap());
    }
    ended.sort_unstable();
    let expected: Vec<_> = (1..=6).map(|number| (number, EVENTS)).collect();
    assert_eq!(ended, expected, "{:?}", store.engine());
    assert_eq!(stored(store).await, (6 * EVENTS, Some(6)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_not_stored_before_the_one_before_it() {
    for own in test_stores().await {
        let options = StoreOptions { statement_timeout: Duration::from_secs(2), ..own.options().clone() };
        let store = match own.engine() {
            Engine::Postgres => Store::connect(&options).await.unwrap(),
            Engine::Sqlite => Store::clone(&own),
        };
        let (mut turns, memory) = (Turns::default(), Arc::new(memory()));
        let (first, second) = (turns.hand_out(), turns.hand_out());
        let waiting = {
            let (store, memory) = (store.clone(), Arc::clone(&memory));
            tokio::spawn(async move { take(&store, 2, second, &memory).await })
        };
        if store.engine() == Engine::Postgres {
            // Longer than a transaction may otherwise lie idle.
            tokio::time::sleep(Duration::from_millis(1_300)).await;
        }
        assert!(!waiting.is_finished());
        assert_eq!(stored(&store).await, (0, None));
        take(&store, 1, first, &memory).await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), EVENTS);
        assert_eq!(stored(&store).await, (2 * EVENTS, Some(2)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_page_that_failed_none_is_stored() {
    for store in test_stores().await {
        let (mut turns, memory) = (Turns::default(), memory());
        let (first, second, third) = (turns.hand_out(), turns.hand_out(), turns.hand_out());
        drop(first);
        for (number, turn) in [(2, second), (3, third)] {
            let error = take(&store, number, turn, &memory).await.unwrap_err();
            assert!(matches!(error, StoreError::Other(_)), "{error}");
        }
        assert_eq!(stored(&store).await, (0, None));
    }
}

#[tokio::test]
async fn a_page_whose_outcome_is_unknown_is_taken_once() {
    for store in test_stores().await {
        let (mut turns, memory) = (Turns::default(), memory());
        let (mut turn, mut wanted) = (turns.hand_out(), page(1));
        assert_eq!(store.take_events(&wanted, &mut turn, &memory, NOW).await.unwrap(), EVENTS);
        wanted.doubt();
        assert_eq!(store.take_events(&wanted, &mut turn, &memory, NOW).await.unwrap(), 0);
        assert_eq!(stored(&store).await, (EVENTS, Some(1)));
    }
}
