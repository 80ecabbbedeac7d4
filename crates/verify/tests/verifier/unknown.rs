//! Unknown credentials are remembered for a moment.

use crate::store::{Mode, Node, SECOND, grant, key};

#[tokio::test(start_paused = true)]
async fn an_unknown_credential_is_asked_for_once_in_two_seconds() {
    let node = Node::among_nodes();
    for _ in 0..3 {
        assert_eq!(node.ask(77).await, "not_found");
    }
    node.clock.advance(2 * SECOND - 1);
    assert_eq!(node.ask(77).await, "not_found");
    assert_eq!(node.queries(), 1);
    // Made on another node meanwhile, which tells nobody.
    node.store.rows.lock().insert(key(77), grant(77, 1));
    node.clock.advance(1);
    assert_eq!(node.ask(77).await, "valid");
    assert_eq!(node.queries(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_two_seconds_begin_with_the_question() {
    let node = Node::among_nodes();
    let mut questions = node.hold();
    let caller = node.asking(77).await;
    let question = questions.next().await;
    node.store.rows.lock().insert(key(77), grant(77, 1));
    node.clock.advance(2 * SECOND - SECOND / 10);
    question.release();
    assert_eq!(caller.await.unwrap(), "not_found");
    node.behave(Mode::Answer);
    node.clock.advance(SECOND / 10);
    assert_eq!(node.ask(77).await, "valid");
}

#[tokio::test(start_paused = true)]
async fn what_is_made_here_is_known_here_at_once() {
    let node = Node::alone();
    assert_eq!(node.ask(77).await, "not_found");
    node.store.rows.lock().insert(key(77), grant(77, 1));
    node.verifier.forget_unknown(key(77));
    assert_eq!(node.ask(77).await, "valid");
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_is_gone_is_unknown() {
    let node = Node::alone();
    assert_eq!(node.ask(1).await, "valid");
    node.store.rows.lock().remove(&key(1));
    node.verifier.invalidate([crate::store::id(1).0]);
    assert_eq!(node.ask(1).await, "not_found");
    assert_eq!(node.verifier.statistics().entries, 0);
}
