//! What is cached is right up to the last heartbeat, and nobody assumes more.

use keywright_verify::freshness::MAX_UNCONFIRMED_MICROS;

use crate::store::{Node, SECOND};

impl Node {
    /// A heartbeat that is sent and comes back at this moment.
    pub(crate) fn heartbeat(&self) {
        self.verifier.freshness().confirm(self.clock.boot_micros());
    }
}

#[tokio::test(start_paused = true)]
async fn a_confirmed_grant_is_not_asked_for_again() {
    let node = Node::among_nodes();
    for _ in 0..100 {
        assert_eq!(node.ask(1).await, "valid");
        node.clock.advance(SECOND / 2);
        node.heartbeat();
    }
    assert_eq!(node.queries(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unconfirmed_grant_is_asked_for_again() {
    let node = Node::among_nodes();
    assert_eq!(node.ask(1).await, "valid");
    node.clock.advance(SECOND);
    node.heartbeat();
    node.clock.advance(MAX_UNCONFIRMED_MICROS);
    assert_eq!(node.ask(1).await, "valid");
    assert_eq!(node.queries(), 1);
    // The notification of this never came.
    node.revoke_row(1);
    node.clock.advance(1);
    assert_eq!(node.ask(1).await, "revoked");
    assert_eq!(node.queries(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_asks_when_it_wakes() {
    let node = Node::among_nodes();
    assert_eq!(node.ask(1).await, "valid");
    node.heartbeat();
    let sent_before_the_sleep = node.clock.boot_micros();
    node.revoke_row(1);
    node.clock.advance(3_600 * SECOND);
    node.verifier.freshness().confirm(sent_before_the_sleep);
    assert_eq!(node.ask(1).await, "revoked");
}

#[tokio::test(start_paused = true)]
async fn after_a_gap_the_new_heartbeats_confirm_what_is_loaded_since() {
    let node = Node::among_nodes();
    assert_eq!(node.ask(1).await, "valid");
    node.heartbeat();
    node.revoke_row(1);
    node.verifier.freshness().gap();
    assert_eq!(node.ask(2).await, "valid");
    for _ in 0..4 {
        node.clock.advance(SECOND / 2);
        node.heartbeat();
    }
    assert_eq!((node.ask(1).await, node.ask(2).await), ("revoked".into(), "valid".into()));
    assert_eq!(node.queries(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_began_before_a_gap_belongs_to_what_was_before() {
    let node = Node::among_nodes();
    let mut questions = node.hold();
    let caller = node.asking(1).await;
    let question = questions.next().await;
    node.revoke_row(1);
    node.verifier.freshness().gap();
    question.release();
    assert_eq!(caller.await.unwrap(), "valid", "it is no older than its question");
    node.clock.advance(MAX_UNCONFIRMED_MICROS + 1);
    node.heartbeat();
    let next = node.asking(1).await;
    questions.next().await.release();
    assert_eq!(next.await.unwrap(), "revoked");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_took_too_long_to_be_fresh_is_asked_for_again() {
    let node = Node::among_nodes();
    let mut questions = node.hold();
    let caller = node.asking(1).await;
    let old = questions.next().await;
    node.revoke_row(1);
    // The machine was paused while the answer was under way.
    node.clock.advance(MAX_UNCONFIRMED_MICROS + 1);
    old.release();
    questions.next().await.release();
    assert_eq!(caller.await.unwrap(), "revoked");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_alone_with_its_store_needs_no_heartbeat() {
    let node = Node::alone();
    assert_eq!(node.ask(1).await, "valid");
    node.clock.advance(3_600 * SECOND);
    assert_eq!(node.ask(1).await, "valid");
    assert_eq!(node.queries(), 1);
}
