//! Loads never outlive a change: the race between them, forced.

use crate::store::{Node, grant, id, key, settle};

#[tokio::test(start_paused = true)]
async fn a_load_overtaken_by_a_revocation_is_served_to_nobody() {
    let node = Node::alone();
    let mut questions = node.hold();
    let mut callers = vec![node.asking(1).await, node.asking(1).await, node.asking(1).await];
    let old = questions.next().await;
    node.revoke(1);
    callers.push(node.asking(1).await);
    old.release();
    let new = questions.next().await;
    assert_eq!(node.cached(1), None);
    new.release();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "revoked");
    }
    assert_eq!(node.ask(1).await, "revoked");
    assert_eq!(node.queries(), 2, "all of them shared the second load");
}

#[tokio::test(start_paused = true)]
async fn an_overtaken_load_that_nobody_waits_for_is_not_served_later() {
    let node = Node::alone();
    let mut questions = node.hold();
    let caller = node.asking(1).await;
    let old = questions.next().await;
    caller.abort();
    node.revoke(1);
    old.release();
    settle().await;
    assert_eq!(node.cached(1), None);
    let next = node.asking(1).await;
    questions.next().await.release();
    assert_eq!(next.await.unwrap(), "revoked");
}

#[tokio::test(start_paused = true)]
async fn one_who_joins_after_the_change_gets_the_new_state() {
    let node = Node::alone();
    let mut questions = node.hold();
    let before = node.asking(1).await;
    let old = questions.next().await;
    before.abort();
    node.revoke(1);
    let after = node.asking(1).await;
    old.release();
    questions.next().await.release();
    assert_eq!(after.await.unwrap(), "revoked");
}

#[tokio::test(start_paused = true)]
async fn a_cached_grant_is_asked_for_again_after_its_change_and_no_other() {
    let node = Node::alone();
    assert_eq!((node.ask(1).await, node.ask(2).await), ("valid".into(), "valid".into()));
    node.revoke(1);
    assert_eq!((node.ask(1).await, node.ask(2).await), ("revoked".into(), "valid".into()));
    assert_eq!(node.queries(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_anything_is_a_change_of_each() {
    for everything in [true, false] {
        let node = Node::alone();
        assert_eq!((node.ask(1).await, node.ask(2).await), ("valid".into(), "valid".into()));
        (1..=2).for_each(|n| node.revoke_row(n));
        if everything {
            node.verifier.invalidate_everything();
        } else {
            node.verifier.invalidate_platform();
        }
        assert_eq!((node.ask(1).await, node.ask(2).await), ("revoked".into(), "revoked".into()));
    }
}

#[tokio::test(start_paused = true)]
async fn changes_that_overtake_every_load_end_in_no_answer_rather_than_a_wrong_one() {
    let node = Node::alone();
    let mut questions = node.hold();
    let mut caller = node.asking(1).await;
    let mut loads = 0;
    let answer = loop {
        tokio::select! {
            biased;
            answer = &mut caller => break answer.unwrap(),
            question = questions.next() => {
                loads += 1;
                node.verifier.invalidate([id(1).0]);
                question.release();
            }
        }
    };
    assert_eq!(answer, "unavailable");
    assert!((2..20).contains(&loads), "{loads}");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_found_nobody_is_overtaken_by_the_mint() {
    let node = Node::alone();
    let mut questions = node.hold();
    let caller = node.asking(77).await;
    let old = questions.next().await;
    node.store.rows.lock().insert(key(77), grant(77, 1));
    node.verifier.forget_unknown(key(77));
    let after = node.asking(77).await;
    old.release();
    questions.next().await.release();
    assert_eq!((caller.await.unwrap(), after.await.unwrap()), ("valid".into(), "valid".into()));
}
