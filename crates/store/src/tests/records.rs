//! Idempotency records.

use uuid::Uuid;

use super::{NOW, change, read};
use crate::idempotency::{self, IdempotencyRow};
use crate::testing::test_stores;
use crate::{Engine, StoreError};

fn record(number: u8) -> IdempotencyRow {
    IdempotencyRow {
        key_hash: vec![number; 32],
        body_hash: vec![9; 32],
        actor_id: Some(Uuid::from_u128(5)),
        answer: "{ \"b\": 1, \"a\": 2 }".to_owned(),
        sealed_secret: Some(vec![1, 2, 3]),
        created_at: NOW.plus_seconds(i64::from(number)),
    }
}

#[tokio::test]
async fn a_first_answer_is_kept_as_it_was_and_there_is_no_second() {
    for store in test_stores().await {
        let bare = IdempotencyRow { actor_id: None, sealed_secret: None, ..record(2) };
        for record in [record(1), bare] {
            change(&store, async |c| idempotency::insert(c, &record).await).await;
            let found = read(&store, async |c| idempotency::find(c, &record.key_hash).await).await;
            assert_eq!(found, Some(record));
        }
        assert_eq!(read(&store, async |c| idempotency::find(c, &[7; 32]).await).await, None);
        let mut tx = store.begin().await.unwrap();
        let twin = idempotency::insert(tx.conn(), &record(1)).await;
        assert!(matches!(twin, Err(StoreError::Duplicate(_))), "{twin:?}");
    }
}

#[tokio::test]
async fn secrets_go_before_answers_and_both_in_time() {
    for store in test_stores().await {
        for number in 0..10 {
            change(&store, async |c| idempotency::insert(c, &record(number)).await).await;
        }
        let at = |seconds| NOW.plus_seconds(seconds);
        let erase =
            async |limit| change(&store, async |c| idempotency::erase_secrets(c, at(4), limit).await).await;
        assert_eq!((erase(3).await, erase(3).await, erase(3).await), (3, 1, 0));
        for (number, kept) in [(3, false), (4, true)] {
            let found = read(&store, async |c| idempotency::find(c, &[number; 32]).await).await.unwrap();
            assert_eq!(found.sealed_secret.is_some(), kept);
            assert_eq!(found.answer, record(number).answer);
        }
        let delete =
            async |limit| change(&store, async |c| idempotency::delete_older(c, at(7), limit).await).await;
        assert_eq!((delete(5).await, delete(5).await, delete(5).await), (5, 2, 0));
        let forget =
            async |number| change(&store, async |c| idempotency::forget(c, &[number; 32]).await).await;
        assert!(!forget(6).await && forget(7).await && !forget(7).await);
    }
}

#[tokio::test]
async fn a_key_is_held_by_one_until_its_transaction_ends() {
    for store in test_stores().await {
        let mut one = store.begin().await.unwrap();
        assert!(idempotency::try_lock(one.conn(), &[1; 32]).await.unwrap());
        if store.engine() == Engine::Postgres {
            let mut two = store.begin().await.unwrap();
            assert!(!idempotency::try_lock(two.conn(), &[1; 32]).await.unwrap());
            assert!(idempotency::try_lock(two.conn(), &[2; 32]).await.unwrap());
            drop(two);
        }
        one.rollback().await;
        let mut three = store.begin().await.unwrap();
        assert!(idempotency::try_lock(three.conn(), &[1; 32]).await.unwrap(), "{:?}", store.engine());
    }
}

#[test]
fn a_record_prints_no_secret() {
    let printed = format!("{:?}", record(1));
    assert!(!printed.contains("[1, 2, 3]") && printed.contains("redacted"), "{printed}");
}
