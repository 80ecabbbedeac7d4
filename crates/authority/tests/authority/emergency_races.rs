//! Emergencies in the middle of everything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use keywright_authority::Fault;
use keywright_authority::emergency;
use keywright_authority::service_tokens::{self, Target};
use keywright_store::{Engine, Store, StoreOptions};

use crate::emergency::{all, emergency, epoch};
use crate::rotation::rotation;
use crate::world::{Made, World, at_once, by, denial, made, operator, until, wanted, worlds};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_at_once_by_the_operator_are_both_carried_out() {
    for world in worlds().await {
        let token = world.token("ci", &["a"]).await;
        let before = epoch(&world.store).await;
        let outcomes = at_once(8, |_| {
            let authority = world.authority.clone();
            async move { emergency::revoke(&authority, operator(), all(false)).await }
        })
        .await;
        let reached: u64 = outcomes.into_iter().map(|outcome| outcome.unwrap().service).sum();
        assert_eq!((reached, epoch(&world.store).await), (1, before + 8), "{:?}", world.engine());
        assert_eq!(world.verdict(&token).await, "revoked");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_callers_at_once_that_spare_themselves_one_survives() {
    for world in worlds().await {
        for round in 0..5 {
            let one = world.token(&format!("one {round}"), &["emergency:revoke"]).await;
            let two = world.token(&format!("two {round}"), &["emergency:revoke"]).await;
            let outcomes = at_once(2, |number| {
                let (authority, call) = (world.authority.clone(), by([&one, &two][number]));
                async move { emergency::revoke(&authority, call, all(true)).await }
            })
            .await;
            let refused: Vec<_> = outcomes.iter().filter(|outcome| outcome.is_err()).collect();
            assert_eq!(refused.len(), 1, "{:?}: {outcomes:?}", world.engine());
            assert_eq!(denial(refused[0]), "revoked");
            let mut verdicts = [world.verdict(&one).await, world.verdict(&two).await];
            verdicts.sort_unstable();
            assert_eq!(verdicts, ["revoked", "valid"]);
        }
    }
}

/// Mints and rotates until it is told to stop; gives what it made, and before how many emergencies it
/// had been made for certain.
async fn keep_minting(
    world: Arc<World>,
    worker: usize,
    stop: Arc<AtomicBool>,
    begun: Arc<AtomicU64>,
) -> Vec<(Made, u64)> {
    let mut minted = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let name = format!("{worker}-{number}");
        let outcome = service_tokens::create(&world.authority, operator(), wanted(&name, &["a"])).await;
        let token = made(outcome);
        let id = token.row.id;
        minted.push((token, begun.load(Ordering::SeqCst)));
        if number % 3 == 0 {
            // A successor of one that an emergency reached in between is not made.
            match service_tokens::rotate(&world.authority, operator(), Target::Id(id), rotation()).await {
                Err(Fault::NotRotatable) => {}
                outcome => minted.push((made(outcome), begun.load(Ordering::SeqCst))),
            }
        }
    }
    minted
}

async fn minted_at_that_moment(minters: usize, pause: Duration) {
    for world in worlds().await {
        // Making connections is not what is tried.
        world.store.warm(minters + 2).await;
        let (world, stop) = (Arc::new(world), Arc::new(AtomicBool::new(false)));
        let begun = Arc::new(AtomicU64::new(0));
        let workers: Vec<_> = (0..minters)
            .map(|worker| {
                tokio::spawn(keep_minting(Arc::clone(&world), worker, Arc::clone(&stop), Arc::clone(&begun)))
            })
            .collect();
        let mut raised = Vec::new();
        for _ in 0..3 {
            tokio::time::sleep(pause).await;
            begun.fetch_add(1, Ordering::SeqCst);
            // It is not kept out, however busy the mint is.
            emergency(&world, operator(), false).await.unwrap();
            raised.push(epoch(&world.store).await);
        }
        tokio::time::sleep(pause).await;
        stop.store(true, Ordering::SeqCst);
        let (mut dead, mut alive) = (0, 0);
        for worker in workers {
            for (token, emergencies_begun) in worker.await.unwrap() {
                let stored = world.row(&token).await.epoch;
                let survives = stored >= raised[2];
                assert_eq!(world.verdict(&token).await == "valid", survives, "{:?}", world.engine());
                assert!(!survives || emergencies_begun == 3, "it was there before the last one began");
                if survives { alive += 1 } else { dead += 1 }
            }
        }
        assert!(dead > 0 && alive > 0, "{:?}: nothing was minted at that moment", world.engine());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_token_being_minted_at_that_moment_does_not_survive() {
    minted_at_that_moment(4, Duration::from_millis(100)).await;
}

/// With so many that some mint holds the epochs at every moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_busy_mint_does_not_keep_an_emergency_out() {
    minted_at_that_moment(24, Duration::from_millis(300)).await;
}

/// A node that was paused, or cut off, in the middle of a change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_frozen_elsewhere_does_not_keep_an_emergency_out() {
    for world in worlds().await {
        if world.engine() == Engine::Sqlite {
            continue; // There is no elsewhere.
        }
        let token = world.token("ci", &["a"]).await;
        let options =
            StoreOptions { statement_timeout: Duration::from_secs(2), ..world.store.options().clone() };
        let elsewhere = Store::connect(&options).await.unwrap();
        let mut frozen = elsewhere.begin_change(&[], &[token.row.id.0]).await.unwrap();
        keywright_store::service_tokens::lock_for_change(frozen.conn(), None, token.row.id)
            .await
            .unwrap()
            .unwrap();
        emergency(&world, operator(), false).await.unwrap();
        assert_eq!(world.verdict(&token).await, "revoked");
        assert!(frozen.commit().await.is_err(), "what was frozen is undone");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_hangs_up_does_not_stop_it() {
    for world in worlds().await {
        let token = world.token("ci", &["a"]).await;
        assert_eq!(world.verdict(&token).await, "valid");
        {
            let mut call = std::pin::pin!(emergency(&world, operator(), false));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(call.as_mut().poll(&mut context).is_pending());
        }
        until("it is in force", async || world.verdict(&token).await == "revoked").await;
    }
}
