//! Everything is bounded, and a flood waits for itself.

use keywright_verify::{Freshness, VerifierOptions};

use crate::store::{Node, network, options, settle};

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_no_answer_while_others_are_served() {
    let narrow = VerifierOptions { max_loads: 1, max_waiting: 2, ..options() };
    let node = Node::with(Freshness::alone(), &narrow);
    assert_eq!(node.ask(0).await, "valid");
    let mut questions = node.hold();
    let flood = [
        node.asking_from(1, network(1)).await,
        node.asking_from(2, network(1)).await,
        node.asking_from(3, network(1)).await,
    ];
    assert_eq!(node.ask_from(4, network(1)).await, "unavailable", "there is no room for more of its network");
    assert_eq!(node.ask_from(0, network(1)).await, "valid", "a hit needs no room");
    let other = node.asking_from(5, network(2)).await;
    let [asked, waits, made_room] = flood;
    assert_eq!(
        made_room.await.unwrap(),
        "unavailable",
        "the newest of the flood made room for another network"
    );
    for _ in 0..3 {
        questions.next().await.release();
        settle().await;
    }
    for caller in [asked, waits, other] {
        assert_eq!(caller.await.unwrap(), "valid");
    }
    assert!(!node.verifier.store_is_away(), "an overflow says nothing of the store");
}

#[tokio::test(start_paused = true)]
async fn one_who_joined_a_load_is_not_refused_for_the_network_of_another() {
    let narrow = VerifierOptions { max_loads: 1, max_waiting: 3, ..options() };
    let node = Node::with(Freshness::alone(), &narrow);
    let mut questions = node.hold();
    let mut flood = Vec::new();
    for n in 1..5 {
        flood.push(node.asking_from(n, network(1)).await);
    }
    let joined = node.asking_from(4, network(2)).await;
    let other = node.asking_from(5, network(3)).await;
    settle().await;
    for _ in 0..4 {
        questions.next().await.release();
        settle().await;
    }
    assert_eq!((joined.await.unwrap(), other.await.unwrap()), ("valid".into(), "valid".into()));
    let mut told = Vec::new();
    for caller in flood {
        told.push(caller.await.unwrap());
    }
    assert_eq!(told, ["valid", "valid", "unavailable", "unavailable"]);
}

#[tokio::test(start_paused = true)]
async fn the_cache_holds_what_it_may_hold_and_no_more() {
    let small = VerifierOptions { cache_capacity: 8, unknown_capacity: 8, ..options() };
    let node = Node::with(Freshness::alone(), &small);
    for n in 0..1_000 {
        assert_eq!(node.ask(n).await, if n < 20 { "valid" } else { "not_found" });
    }
    assert!((1..=8).contains(&node.verifier.statistics().entries));
    let before = node.queries();
    for n in 0..1_000 {
        node.ask(n).await;
    }
    assert!(node.queries() - before >= 1_000 - 16, "{}", node.queries() - before);
}
