//! Misses that wait for the store are asked for in one question.

use keywright_verify::{Freshness, VerifierOptions};
use tokio::task::JoinHandle;

use crate::store::{Mode, Node, Questions, away, network, options, settle};

/// One load at a time, each about at most so many.
fn narrow(at_once: usize) -> Node {
    Node::over(at_once, Freshness::alone(), &VerifierOptions { max_loads: 1, ..options() })
}

/// A question under way, and those who wait behind it.
async fn queue(node: &Node, waiting: impl IntoIterator<Item = u32>) -> (Questions, Vec<JoinHandle<String>>) {
    let questions = node.hold();
    let mut callers = vec![node.asking(0).await];
    for n in waiting {
        callers.push(node.asking(n).await);
    }
    (questions, callers)
}

async fn told(callers: Vec<JoinHandle<String>>) -> Vec<String> {
    let mut told = Vec::new();
    for caller in callers {
        told.push(caller.await.unwrap());
    }
    told
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_asked_for_in_one_question_and_each_is_told_their_own() {
    let node = narrow(10);
    let (mut questions, callers) = queue(&node, [1, 2, 99, 3]).await;
    assert_eq!(node.queries(), 1);
    node.revoke_row(2);
    questions.next().await.release();
    settle().await;
    questions.next().await.release();
    assert_eq!(told(callers).await, ["valid", "valid", "revoked", "not_found", "valid"]);
    assert_eq!(node.queries(), 2);
    for (n, code) in [(1, "valid"), (2, "revoked"), (99, "not_found"), (3, "valid")] {
        assert_eq!(node.cached(n).as_deref(), Some(code), "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_is_about_as_many_as_it_may_be_and_networks_take_turns_in_it() {
    let node = narrow(2);
    let questions = node.hold();
    let mut callers = vec![node.asking(0).await];
    for (n, from) in [(1, 1), (2, 1), (3, 1), (4, 2)] {
        callers.push(node.asking_from(n, network(from)).await);
    }
    let mut questions = questions;
    questions.next().await.release();
    settle().await;
    questions.next().await.release();
    settle().await;
    assert!(node.cached(1).is_some() && node.cached(4).is_some(), "one of each network");
    assert!(node.cached(2).is_none() && node.cached(3).is_none());
    questions.next().await.release();
    assert_eq!(told(callers).await, ["valid"; 5]);
    assert_eq!(node.queries(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_revoked_while_a_question_about_many_is_under_way_is_not_told_as_valid() {
    let node = narrow(10);
    let (mut questions, callers) = queue(&node, [1, 2]).await;
    questions.next().await.release();
    settle().await;
    let held = questions.next().await;
    node.revoke(1);
    held.release();
    settle().await;
    assert_eq!(node.cached(2).as_deref(), Some("valid"), "the other one is not asked for again");
    questions.next().await.release();
    assert_eq!(told(callers).await, ["valid", "revoked", "valid"]);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_fails_fails_all_whom_it_was_about_and_nobody_else() {
    let node = narrow(2);
    let (mut questions, callers) = queue(&node, [1, 2, 3]).await;
    questions.next().await.release();
    settle().await;
    node.behave(Mode::Fail(away()));
    questions.next().await.fail();
    let told = told(callers).await;
    assert_eq!(told[..3], ["valid", "unavailable", "unavailable"]);
    assert_eq!(told[3], "unavailable", "the store is away for all");
    node.behave(Mode::Answer);
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    node.clock.advance(1_000_000);
    assert_eq!(node.ask(3).await, "valid");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_dies_of_a_question_keeps_nobody_else_waiting() {
    let node = narrow(2);
    let (mut questions, callers) = queue(&node, [1, 2, 3]).await;
    node.behave(Mode::Panic);
    questions.next().await.release();
    assert_eq!(told(callers).await, ["valid", "unavailable", "unavailable", "unavailable"]);
    node.behave(Mode::Answer);
    assert_eq!(node.ask(1).await, "valid");
    assert_eq!(node.verifier.statistics().waiting, 0);
}
