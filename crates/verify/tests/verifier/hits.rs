//! A hit asks nobody; however many miss at once, one asks.

use crate::store::{Mode, Node, settle};

#[tokio::test(start_paused = true)]
async fn a_hit_asks_the_store_nothing() {
    let node = Node::alone();
    assert_eq!(node.ask(1).await, "valid");
    node.behave(Mode::Panic);
    for _ in 0..10 {
        assert_eq!(node.ask(1).await, "valid");
    }
    let statistics = node.verifier.statistics();
    assert_eq!((node.queries(), statistics.loads, statistics.hits, statistics.entries), (1, 1, 10, 1));
}

#[tokio::test(start_paused = true)]
async fn misses_of_one_credential_at_one_moment_are_one_query() {
    let node = Node::alone();
    let mut questions = node.hold();
    let mut callers = Vec::new();
    for _ in 0..100 {
        callers.push(node.asking(1).await);
    }
    questions.next().await.release();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "valid");
    }
    assert_eq!(node.queries(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_lands_when_the_caller_who_began_it_is_gone() {
    let node = Node::alone();
    let mut questions = node.hold();
    let leader = node.asking(1).await;
    let follower = node.asking(1).await;
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    questions.next().await.release();
    assert_eq!(follower.await.unwrap(), "valid");
    assert_eq!(node.ask(1).await, "valid");
    assert_eq!(node.queries(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_nobody_waits_for_any_more_is_kept() {
    let node = Node::alone();
    let mut questions = node.hold();
    let caller = node.asking(1).await;
    caller.abort();
    let _ = caller.await;
    questions.next().await.release();
    settle().await;
    assert_eq!(node.cached(1).as_deref(), Some("valid"));
}

#[tokio::test(start_paused = true)]
async fn a_load_that_dies_leaves_nobody_waiting_and_nothing_behind() {
    let node = Node::alone();
    node.behave(Mode::Panic);
    let (leader, follower) = (node.asking(1).await, node.asking(1).await);
    assert_eq!(
        (leader.await.unwrap(), follower.await.unwrap()),
        ("unavailable".into(), "unavailable".into())
    );
    node.behave(Mode::Answer);
    assert_eq!(node.ask(1).await, "valid");
}

#[tokio::test(start_paused = true)]
async fn a_decision_is_made_anew_for_each_question() {
    let node = Node::alone();
    let end = node.clock.now().plus_seconds(10);
    node.store.rows.lock().entry(crate::store::key(1)).and_modify(|grant| grant.expires_at = Some(end));
    assert_eq!(node.ask(1).await, "valid");
    node.clock.advance(10_000_000 - 1);
    assert_eq!(node.ask(1).await, "valid");
    node.clock.advance(1);
    assert_eq!(node.ask(1).await, "expired");
    assert_eq!(node.queries(), 1);
}
