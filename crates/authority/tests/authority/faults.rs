//! A commit of which nobody knows whether it happened (PostgreSQL; SQLite runs in this process).

use keywright_authority::emergency;
use keywright_authority::service_tokens::{self, Target};
use keywright_authority::{Authority, Call, Fault, Idempotency};
use keywright_core::Wanted;
use keywright_store::testing::postgres_store;
use keywright_verify::{Clock, GrantSource, SourceError};

use crate::emergency::all;
use crate::proxy::{Line, Proxy};
use crate::world::{World, authority, cached_verdict, keys, made, noon, operator, until, verdict, wanted};

/// A world, and a node that reaches it over a line.
async fn remote() -> Option<(World, Proxy, Authority)> {
    let world = World::over(postgres_store().await?);
    let proxy = Proxy::to(&world.store).await;
    let node = authority(&proxy.store().await, Clock::manual(noon()), keys(&[1]));
    Some((world, proxy, node))
}

/// The verdict once the line is there again.
async fn settled(node: &Authority, hash: keywright_core::TokenHash) -> &'static str {
    until("the store answers again", async || {
        // What no cache knows: else what is cached would answer in the store's stead.
        keywright_authority::status::store_answers(node).await && verdict(node, hash).await != "unavailable"
    })
    .await;
    verdict(node, hash).await
}

fn in_doubt<T: std::fmt::Debug>(outcome: &Result<T, Fault>) {
    assert!(matches!(outcome, Err(Fault::OutcomeUnknown(_))), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_in_doubt_is_asked_for_again() {
    let Some((world, proxy, node)) = remote().await else { return };
    for (line, told) in [(Line::LosesTheAnswer, "revoked"), (Line::LosesTheCommit, "valid")] {
        let token = world.token(told, &["a"]).await;
        let hash = token.secret.hash();
        assert_eq!(verdict(&node, hash).await, "valid");
        proxy.set(line);
        in_doubt(&service_tokens::revoke(&node, operator(), Target::Id(token.row.id), None).await);
        assert_eq!(cached_verdict(&node, hash), None, "{line:?}: what was cached is not relied on");
        assert_eq!(settled(&node, hash).await, told, "{line:?}");
    }
}

/// An epoch that was never raised must not refuse everybody on this node for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emergency_in_doubt_is_asked_for_again() {
    let Some((world, proxy, node)) = remote().await else { return };
    for (line, told) in [(Line::LosesTheCommit, "valid"), (Line::LosesTheAnswer, "revoked")] {
        let token = world.token(told, &["a"]).await;
        let hash = token.secret.hash();
        assert_eq!(verdict(&node, hash).await, "valid");
        proxy.set(line);
        in_doubt(&emergency::revoke(&node, operator(), all(false)).await);
        assert_eq!(cached_verdict(&node, hash), None, "{line:?}: what was cached is not relied on");
        assert_eq!(settled(&node, hash).await, told, "{line:?}");
        let later =
            made(service_tokens::create(&node, operator(), wanted(&format!("after {told}"), &["a"])).await);
        assert_eq!(verdict(&node, later.secret.hash()).await, "valid", "{line:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeating_with_the_key_resolves_a_mint_in_doubt() {
    let Some((world, proxy, node)) = remote().await else { return };
    for (number, line) in [Line::LosesTheAnswer, Line::LosesTheCommit].into_iter().enumerate() {
        let create = async || {
            let key = Idempotency::new(&format!("0123456789abcdef{number}"), "create", b"").unwrap();
            let call = Call { idempotency: Some(key), ..operator() };
            service_tokens::create(&node, call, wanted(&format!("ci {number}"), &["a"])).await
        };
        proxy.set(line);
        in_doubt(&create().await);
        // Until the server has noticed that the other end is gone, the first one may still be running.
        let again = loop {
            match create().await {
                Err(Fault::IdempotencyInProgress) => tokio::task::yield_now().await,
                outcome => break outcome.unwrap(),
            }
        };
        assert_eq!(again.repeated, line == Line::LosesTheAnswer);
        assert_eq!(verdict(&node, again.secret.unwrap().hash()).await, "valid");
        let count = world.raw().await.number("SELECT COUNT(*) FROM service_tokens").await;
        assert_eq!(count, i64::try_from(number).unwrap() + 1, "{line:?}");
    }
}

/// What cannot even begin changes nothing and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_store_nothing_changes_and_nothing_is_in_doubt() {
    let Some((world, proxy, node)) = remote().await else { return };
    let token = world.token("ci", &["a"]).await;
    assert_eq!(verdict(&node, token.secret.hash()).await, "valid");
    proxy.set(Line::Cut);
    let revoked = service_tokens::revoke(&node, operator(), Target::Id(token.row.id), None).await;
    assert!(matches!(revoked, Err(Fault::Unavailable(_))), "{revoked:?}");
    assert_eq!(verdict(&node, token.secret.hash()).await, "valid", "nothing has changed");
    assert_eq!(world.row(&token).await.version, 1);
    proxy.set(Line::Open);
    until("the store answers again", async || {
        service_tokens::revoke(&node, operator(), Target::Id(token.row.id), None).await.is_ok()
    })
    .await;
    assert_eq!(verdict(&node, token.secret.hash()).await, "revoked");
}

/// Something accepts the connection and closes it: a proxy without anybody behind it.
#[tokio::test]
async fn a_line_on_which_nobody_answers_is_a_store_that_is_away() {
    let Some((world, proxy, node)) = remote().await else { return };
    let token = world.token("ci", &["a"]).await;
    proxy.set(Line::Cut);
    for _ in 0..5 {
        let loaded = node.store().load(&Wanted::token(token.secret.hash())).await;
        assert!(matches!(loaded, Err(SourceError::Unavailable(_))), "{loaded:?}");
        let made = service_tokens::create(&node, operator(), wanted("new", &["a"])).await;
        assert!(matches!(made, Err(Fault::Unavailable(_))), "{made:?}");
    }
}
