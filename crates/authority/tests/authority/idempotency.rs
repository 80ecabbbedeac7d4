//! Idempotency keys: what is repeated is not done twice.

use keywright_authority::idempotency::Minted;
use keywright_authority::service_tokens::{self, Rotate, Target, Update};
use keywright_authority::{Authority, Call, Fault, Idempotency, jobs};
use keywright_store::{Engine, service_tokens as rows};
use keywright_verify::Clock;

use crate::rotation::rotation;
use crate::world::{
    World, at_once, authority, by, denial, hex, keys, made, name, noon, operator, wanted, worlds,
};

const KEY: &str = "0123456789abcdef-canary-key";

fn keyed(call: Call, key: &str, operation: &str, body: &str) -> Call {
    Call { idempotency: Some(Idempotency::new(key, operation, body.as_bytes()).unwrap()), ..call }
}

fn first() -> Call {
    keyed(operator(), KEY, "create", "body")
}

async fn create(authority: &Authority, call: Call, name: &str) -> Result<Minted, Fault> {
    service_tokens::create(authority, call, wanted(name, &["a"])).await
}

async fn tokens(world: &World) -> i64 {
    world.raw().await.number("SELECT COUNT(*) FROM service_tokens").await
}

#[tokio::test]
async fn the_first_answer_is_given_again_and_its_secret_for_ten_minutes() {
    for world in worlds().await {
        let minted = create(&world.authority, first(), "ci").await.unwrap();
        assert!(!minted.repeated);
        let secret = minted.secret.unwrap();
        // What has become of it since is no part of the first answer.
        let rename = Update { token_name: Some(name("renamed")), ..Update::default() };
        service_tokens::update(&world.authority, operator(), minted.token.id, rename).await.unwrap();
        for (seconds, told) in [(0, true), (599, true), (1, false), (86_399 - 600, false)] {
            world.advance_seconds(seconds);
            let again = create(&world.authority, first(), "ci").await.unwrap();
            assert!(again.repeated);
            assert_eq!(again.token, minted.token, "{:?} +{seconds}", world.engine());
            let shown = again.secret.map(|secret| secret.reveal().to_owned());
            assert_eq!(shown.as_deref(), told.then_some(secret.reveal()), "{:?} +{seconds}", world.engine());
        }
        assert_eq!(tokens(&world).await, 1);
        world.advance_seconds(1);
        let new = create(&world.authority, first(), "ci").await.unwrap();
        assert!(!new.repeated && new.token.id != minted.token.id, "a day later it is a new request");
        let again = create(&world.authority, first(), "ci").await.unwrap();
        assert_eq!((again.repeated, again.token.id), (true, new.token.id));
    }
}

#[tokio::test]
async fn a_rotation_is_repeated_and_not_done_again() {
    for world in worlds().await {
        let old = world.token("ci", &["tokens:rotate_self"]).await;
        let rotate = async || {
            let call = keyed(by(&old), KEY, "rotate self", "");
            service_tokens::rotate(&world.authority, call, Target::Myself, rotation()).await.unwrap()
        };
        let (one, two) = (rotate().await, rotate().await);
        assert_eq!((one.repeated, two.repeated), (false, true));
        assert_eq!(one.token, two.token);
        assert_eq!(one.secret.unwrap().reveal(), two.secret.unwrap().reveal());
        assert_eq!(tokens(&world).await, 2);
    }
}

#[tokio::test]
async fn a_key_is_for_one_request_of_one_caller() {
    for world in worlds().await {
        let one = world.token("one", &["tokens:admin", "a"]).await;
        let two = world.token("two", &["tokens:admin", "a"]).await;
        let minted = create(&world.authority, keyed(by(&one), KEY, "create", "body"), "ci").await.unwrap();
        for (operation, body) in [("create", "another body"), ("rotate", "body"), ("createb", "ody")] {
            let other = create(&world.authority, keyed(by(&one), KEY, operation, body), "other").await;
            assert!(matches!(other, Err(Fault::IdempotencyMismatch)), "{operation}: {other:?}");
        }
        for (call, name) in [(by(&two), "of two"), (operator(), "of the operator")] {
            let own = create(&world.authority, keyed(call, KEY, "create", "body"), name).await.unwrap();
            assert!(!own.repeated && own.token.id != minted.token.id);
        }
        assert_eq!(tokens(&world).await, 5);
    }
}

#[tokio::test]
async fn a_key_is_free_once_its_request_is_answered() {
    for world in worlds().await {
        let other = || keyed(operator(), KEY, "create", "another body");
        for _ in 0..20 {
            assert!(create(&world.authority, first(), "ci").await.is_ok());
            let mismatch = create(&world.authority, other(), "ci").await;
            assert!(matches!(mismatch, Err(Fault::IdempotencyMismatch)), "{mismatch:?}");
        }
    }
}

#[tokio::test]
async fn a_failed_first_try_leaves_nothing() {
    for world in worlds().await {
        world.token("ci", &["a"]).await;
        let taken = create(&world.authority, first(), "ci").await;
        assert!(matches!(taken, Err(Fault::NameTaken)));
        let mut raw = world.raw().await;
        assert_eq!(raw.number("SELECT COUNT(*) FROM idempotency_records").await, 0);
        let other = keyed(operator(), KEY, "create", "corrected body");
        assert!(!create(&world.authority, other, "ci 2").await.unwrap().repeated);
    }
}

#[tokio::test]
async fn whoever_was_revoked_gets_no_answer_again() {
    for world in worlds().await {
        let admin = world.token("admin", &["tokens:admin", "a"]).await;
        let call = || keyed(by(&admin), KEY, "create", "body");
        create(&world.authority, call(), "ci").await.unwrap();
        world.revoke(&admin).await;
        assert_eq!(denial(&create(&world.authority, call(), "ci").await), "revoked");
        // Nor one who replaced himself without grace.
        let own = world.token("own", &["tokens:rotate_self"]).await;
        let at_once = Rotate { grace_seconds: Some(0), ..rotation() };
        let rotate = async || {
            let call = keyed(by(&own), KEY, "rotate self", "");
            service_tokens::rotate(&world.authority, call, Target::Myself, at_once.clone()).await
        };
        rotate().await.unwrap();
        assert_eq!(denial(&rotate().await), "expired");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_twins_at_once_one_is_carried_out() {
    for world in worlds().await {
        let other = authority(&world.store.another().await, Clock::manual(noon()), keys(&[1]));
        let outcomes = at_once(20, |number| {
            let authority = if number % 2 == 0 { world.authority.clone() } else { other.clone() };
            async move { create(&authority, first(), "ci").await }
        })
        .await;
        let mut ids = Vec::new();
        for outcome in outcomes {
            match outcome {
                Ok(minted) => ids.push((minted.token.id, minted.secret.unwrap().reveal().to_owned())),
                Err(Fault::IdempotencyInProgress) => {}
                Err(fault) => panic!("{:?}: {fault:?}", world.engine()),
            }
        }
        ids.dedup();
        assert_eq!((ids.len(), tokens(&world).await), (1, 1), "{:?}", world.engine());
    }
}

/// The first is held up between taking its key and its commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_twin_that_comes_meanwhile_is_told_so_on_every_node() {
    for world in worlds().await {
        let here = world.authority.clone();
        let elsewhere = authority(&world.store.another().await, Clock::manual(noon()), keys(&[1]));
        let bearer = world.token("held", &["a"]).await;
        let mut holder = world.store.begin().await.unwrap();
        // Whoever wants the name has to wait for how this ends.
        assert!(rows::revoke(holder.conn(), bearer.row.id, noon(), None).await.unwrap());
        let held_up = tokio::spawn({
            let here = here.clone();
            async move { create(&here, first(), "held").await }
        });
        let waits = async || {
            let waiting = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted";
            world.engine() == Engine::Sqlite || world.raw().await.number(waiting).await > 0
        };
        crate::world::until("the first one waits", waits).await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let twin = create(&here, first(), "held").await;
        assert!(matches!(twin, Err(Fault::IdempotencyInProgress)), "{:?}: {twin:?}", world.engine());
        if world.engine() == Engine::Postgres {
            let twin = create(&elsewhere, first(), "held").await;
            assert!(matches!(twin, Err(Fault::IdempotencyInProgress)), "{twin:?}");
        }
        holder.commit().await.unwrap();
        let minted = held_up.await.unwrap().unwrap();
        let repeated = create(&elsewhere, first(), "held").await.unwrap();
        assert_eq!((repeated.repeated, repeated.token.id), (true, minted.token.id));
    }
}

#[tokio::test]
async fn neither_the_secret_nor_the_key_can_be_read_in_the_store() {
    for world in worlds().await {
        let minted = made(create(&world.authority, first(), "ci").await);
        let secret = minted.secret.reveal();
        let dump = world.raw().await.dump(&[]).await;
        assert!(dump.contains("ci"), "the dump shows what is there");
        for canary in [secret, &secret[3..], KEY, &hex(secret.as_bytes()), &hex(KEY.as_bytes())] {
            assert!(!dump.contains(canary), "{:?}", world.engine());
        }
    }
}

#[tokio::test]
async fn another_master_key_gives_the_answer_without_its_secret() {
    for world in worlds().await {
        let minted = made(create(&world.authority, first(), "ci").await);
        for (seeds, opens) in [(&[2, 1][..], true), (&[2][..], false)] {
            let other = authority(&world.store.another().await, Clock::manual(noon()), keys(seeds));
            let again = create(&other, first(), "ci").await.unwrap();
            assert_eq!((again.repeated, again.token), (true, minted.row.clone()));
            assert_eq!(again.secret.is_some(), opens, "{seeds:?}");
        }
    }
}

#[tokio::test]
async fn secrets_and_answers_are_swept_away_in_time() {
    for world in worlds().await {
        let mut raw = world.raw().await;
        create(&world.authority, first(), "ci").await.unwrap();
        let sealed = "SELECT COUNT(*) FROM idempotency_records WHERE sealed_secret IS NOT NULL";
        let all = "SELECT COUNT(*) FROM idempotency_records";
        for (seconds, swept, left) in [(600, 0, (1, 1)), (1, 1, (0, 1)), (85_799, 0, (0, 1)), (1, 1, (0, 0))]
        {
            world.advance_seconds(seconds);
            assert_eq!(jobs::sweep(&world.authority).await.unwrap(), swept, "{:?}", world.engine());
            assert_eq!((raw.number(sealed).await, raw.number(all).await), left, "{:?}", world.engine());
        }
    }
}

/// More than the sweeper takes in one transaction.
#[tokio::test]
async fn a_busy_mint_does_not_outrun_the_sweeper() {
    for world in worlds().await {
        let mut raw = world.raw().await;
        create(&world.authority, first(), "ci").await.unwrap();
        let (numbers, hash) = match world.engine() {
            Engine::Sqlite => (
                "(WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 4999) SELECT n FROM g)",
                "randomblob(32)",
            ),
            Engine::Postgres => {
                ("(SELECT n FROM generate_series(1, 4999) AS n)", "sha256(convert_to(n::text, 'UTF8'))")
            }
        };
        raw.run(format!(
            "INSERT INTO idempotency_records (key_hash, body_hash, answer, sealed_secret, created_at) \
             SELECT {hash}, body_hash, answer, sealed_secret, created_at FROM idempotency_records, {numbers} AS g"
        ))
        .await;
        world.advance_seconds(601);
        assert_eq!(jobs::sweep(&world.authority).await.unwrap(), 5_000);
        world.advance_seconds(86_400);
        assert_eq!(jobs::sweep(&world.authority).await.unwrap(), 5_000);
        assert_eq!(raw.number("SELECT COUNT(*) FROM idempotency_records").await, 0);
    }
}
