//! Many changes at once.

use std::sync::Arc;

use keywright_core::Wanted;

use super::{NOW, by_id, credential_id, hash, insert, name, new_token};
use crate::conn::call;
use crate::service_tokens::{self, Changes};
use crate::testing::{TestStore, postgres_store, test_stores};
use crate::{CommitError, Conn, Engine, Store, StoreError, grants, platform};

async fn at_once<T: Send + 'static, F>(
    store: &Arc<TestStore>,
    count: u64,
    task: fn(Arc<TestStore>, u64) -> F,
) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|number| tokio::spawn(task(Arc::clone(store), number))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

/// The transactions that fail as locked when they begin DEFERRED: those of two processes, as within
/// one they queue for its writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn forty_that_read_and_then_write_all_succeed_and_none_is_lost() {
    async fn read_then_write(store: Store) {
        let mut tx = store.begin().await.unwrap();
        let row = service_tokens::lock_for_change(tx.conn(), None, credential_id(1)).await.unwrap().unwrap();
        tokio::task::yield_now().await;
        let done = service_tokens::update(tx.conn(), row.id, row.version, &Changes::none(NOW)).await;
        assert_eq!(done, Ok(true));
        tx.commit().await.unwrap();
    }
    for store in test_stores().await {
        insert(&store, &new_token(1)).await;
        let mut tasks = Vec::new();
        for _ in 0..4 {
            let process = store.another().await;
            tasks.extend((0..10).map(|_| tokio::spawn(read_then_write(process.clone()))));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(by_id(&store, 1).await.unwrap().version, 41, "{:?}", store.engine());
    }
}

/// Each rotates the token that calls, as `/auth/tokens/self/rotate` does.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_rotations_at_once_one_wins() {
    async fn rotate(store: Arc<TestStore>, number: u64) -> bool {
        let old = credential_id(0);
        let mut tx = store.begin().await.unwrap();
        service_tokens::lock_for_change(tx.conn(), None, old).await.unwrap().unwrap();
        let actor = grants::load(tx.conn(), &Wanted::token(hash(0))).await.unwrap().unwrap().grant;
        let renamed = name(&format!("{}~old", actor.name));
        let new = service_tokens::NewServiceToken { token_name: name("token-0"), ..new_token(number + 1) };
        let won = service_tokens::supersede(tx.conn(), old, new.id, &renamed, NOW, NOW).await.unwrap();
        if won {
            service_tokens::insert(tx.conn(), &new).await.unwrap();
            tx.commit().await.unwrap();
        }
        won
    }
    for store in test_stores().await {
        let store = Arc::new(store);
        insert(&store, &new_token(0)).await;
        let won = at_once(&store, 50, rotate).await;
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{:?}", store.engine());
        let old = by_id(&store, 0).await.unwrap();
        let new =
            service_tokens::live_by_name(store.read().await.unwrap().conn(), None, "token-0").await.unwrap();
        assert_eq!(old.superseded_by_id, new.map(|row| row.id));
    }
}

/// A token that is being minted at the moment of an emergency does not survive it.
#[tokio::test]
async fn a_mint_and_an_emergency_wait_for_each_other() {
    for store in test_stores().await {
        let mut mint = store.begin_change(&[], &[]).await.unwrap();
        let epochs = platform::epochs(mint.conn()).await.unwrap();
        let emergency = {
            let store = store.another().await;
            tokio::spawn(async move {
                let mut tx = store.begin().await.unwrap();
                let raised = crate::testing::raise_service_epoch(tx.conn()).await.unwrap();
                tx.commit().await.unwrap();
                raised
            })
        };
        // It waits for the mint, which holds the epochs.
        let early = tokio::time::timeout(std::time::Duration::from_millis(200), async {
            while !emergency.is_finished() {
                tokio::task::yield_now().await;
            }
        });
        assert!(early.await.is_err(), "{:?}", store.engine());
        let new = service_tokens::NewServiceToken { epoch: epochs.counter, ..new_token(1) };
        service_tokens::insert(mint.conn(), &new).await.unwrap();
        mint.commit().await.unwrap();
        assert_eq!(emergency.await.unwrap(), 2);
        let now = platform::epochs(store.read().await.unwrap().conn()).await.unwrap();
        assert!(by_id(&store, 1).await.unwrap().epoch < now.service);
    }
}

/// How many wait for a lock in this database.
async fn waiting(store: &Store) -> i64 {
    let mut reader = store.read().await.unwrap();
    let Conn::Postgres(link) = reader.conn() else { return 0 };
    let query = "SELECT COUNT(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    call!(link, |c| sqlx::query_scalar(query).fetch_one(c)).unwrap()
}

/// Also when others hold the actor at every moment: they queue.
#[tokio::test]
async fn a_revoked_actor_is_seen_by_the_change_that_began_before() {
    for store in test_stores().await {
        insert(&store, &new_token(1)).await;
        let actor = credential_id(1);
        let mut revoking = store.begin_change(&[], &[actor.0]).await.unwrap();
        service_tokens::revoke(revoking.conn(), actor, NOW, None).await.unwrap();
        let late = tokio::spawn({
            let store = store.another().await;
            async move {
                let mut late = store.begin_change(&[actor.0], &[]).await.unwrap();
                grants::load(late.conn(), &Wanted::token(hash(1)))
                    .await
                    .map(|loaded| loaded.map(|loaded| loaded.grant))
            }
        });
        while store.engine() == Engine::Postgres && !late.is_finished() && waiting(&store).await == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!late.is_finished(), "{:?}", store.engine());
        revoking.commit().await.unwrap();
        let grant = late.await.unwrap().unwrap().unwrap();
        assert!(grant.revoked);
    }
}

#[tokio::test]
async fn changes_share_what_they_read_and_queue_for_what_they_change() {
    let Some(store) = postgres_store().await else { return };
    let [one, two] = [credential_id(1).0, credential_id(2).0];
    let first = store.begin_change(&[one], &[]).await.unwrap();
    let second = store.begin_change(&[one], &[two]).await.unwrap();
    let changing = tokio::spawn({
        let store = store.another().await;
        async move { store.begin_change(&[], &[one]).await.map(drop) }
    });
    while waiting(&store).await == 0 {
        tokio::task::yield_now().await;
    }
    // Whoever comes to share it now waits behind the one who wants to change it.
    let third = tokio::spawn({
        let store = store.another().await;
        async move { store.begin_change(&[one], &[]).await.map(drop) }
    });
    while waiting(&store).await < 2 {
        tokio::task::yield_now().await;
    }
    first.rollback().await;
    second.rollback().await;
    changing.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_dropped_transaction_changes_nothing_and_holds_nothing() {
    for store in test_stores().await {
        insert(&store, &new_token(1)).await;
        for _ in 0..50 {
            let mut tx = store.begin().await.unwrap();
            let found = service_tokens::revoke(tx.conn(), credential_id(1), NOW, None).await.unwrap();
            assert!(found, "{:?}", store.engine());
            drop(tx);
        }
        assert_eq!(by_id(&store, 1).await.unwrap().revoked_at, None);
    }
}

#[tokio::test]
async fn a_transaction_with_a_failed_statement_does_not_pretend_to_commit() {
    for store in test_stores().await {
        insert(&store, &new_token(1)).await;
        let mut tx = store.begin().await.unwrap();
        service_tokens::insert(tx.conn(), &new_token(2)).await.unwrap();
        let twin = service_tokens::NewServiceToken { token_name: name("token-1"), ..new_token(3) };
        assert_eq!(service_tokens::insert(tx.conn(), &twin).await, Err(StoreError::NameTaken));
        let refused = tx.commit().await;
        assert!(matches!(refused, Err(CommitError::NotCommitted(_))), "{refused:?}");
        assert_eq!(by_id(&store, 2).await, None, "{:?}", store.engine());
    }
}

#[tokio::test]
async fn a_reader_cannot_write_on_sqlite() {
    for store in test_stores().await {
        if store.engine() == Engine::Sqlite {
            let mut reader = store.read().await.unwrap();
            let refused = service_tokens::insert(reader.conn(), &new_token(1)).await;
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        }
    }
}

/// Two that lock each other out: one is undone whole, and says so.
#[tokio::test]
async fn a_deadlock_is_contention_and_not_a_fault() {
    let Some(store) = postgres_store().await else { return };
    for number in [1, 2] {
        insert(&store, &new_token(number)).await;
    }
    let (mut one, mut two) = (store.begin().await.unwrap(), store.begin().await.unwrap());
    service_tokens::lock_for_change(one.conn(), None, credential_id(1)).await.unwrap();
    service_tokens::lock_for_change(two.conn(), None, credential_id(2)).await.unwrap();
    let second = async {
        let result = service_tokens::lock_for_change(two.conn(), None, credential_id(1)).await;
        drop(two);
        result
    };
    let first = async {
        let result = service_tokens::lock_for_change(one.conn(), None, credential_id(2)).await;
        drop(one);
        result
    };
    let (first, second) = tokio::join!(first, second);
    let failed = [first, second].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert!(matches!(failed.as_slice(), [StoreError::Contention(_)]), "{failed:?}");
    assert!(failed[0].is_unavailable());
}
