//! The store away, silent, slow or faulty: known credentials answer for their grace, nothing is told
//! as unknown that is not, and nobody waits long. Time stands still here until somebody waits for it.

use std::time::Duration;

use keywright_core::Epochs;
use keywright_verify::freshness::MAX_UNCONFIRMED_MICROS;
use keywright_verify::{Freshness, VerifierOptions};
use tokio::task::JoinHandle;

use crate::store::{GRACE_MICROS, Mode, Node, SECOND, away, faulty, grant, id, key, options, settle};

/// The longest that anybody waits for an answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// A node that knows credentials 1 to 5, whose last heartbeat is too old, and whose store went away.
async fn cut_off(mode: Mode) -> Node {
    let node = Node::among_nodes();
    for n in 1..=5 {
        assert_eq!(node.ask(n).await, "valid");
    }
    node.heartbeat();
    node.behave(mode);
    node.clock.advance(MAX_UNCONFIRMED_MICROS + 1);
    node
}

async fn in_time(answer: JoinHandle<String>) -> String {
    tokio::time::timeout(PATIENCE, answer).await.expect("there is an answer in time").unwrap()
}

#[tokio::test(start_paused = true)]
async fn known_credentials_answer_for_the_grace_and_no_longer() {
    for mode in [Mode::Fail(away()), Mode::Silent] {
        let node = cut_off(mode).await;
        assert_eq!(in_time(node.asking(1).await).await, "stale valid");
        assert_eq!(in_time(node.asking(77).await).await, "unavailable");
        node.clock.advance(GRACE_MICROS - MAX_UNCONFIRMED_MICROS - 1);
        assert_eq!(in_time(node.asking(1).await).await, "stale valid");
        node.clock.advance(1);
        assert_eq!(in_time(node.asking(1).await).await, "unavailable");
        let statistics = node.verifier.statistics();
        assert_eq!((statistics.stale, statistics.unavailable), (2, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn the_grace_of_what_an_earlier_era_confirmed_counts_from_there() {
    let node = cut_off(Mode::Fail(away())).await;
    let since_confirmed = MAX_UNCONFIRMED_MICROS + 1;
    node.verifier.freshness().gap();
    node.clock.advance(GRACE_MICROS - since_confirmed);
    node.heartbeat();
    assert_eq!(node.ask(1).await, "stale valid");
    node.clock.advance(1);
    assert_eq!(node.ask(1).await, "unavailable");
}

#[tokio::test(start_paused = true)]
async fn no_grace_at_all_makes_every_answer_strict() {
    let strict = VerifierOptions { stale_grace_micros: 0, ..options() };
    let node = Node::with(Freshness::among_nodes(), &strict);
    assert_eq!(node.ask(1).await, "valid");
    node.behave(Mode::Fail(away()));
    node.clock.advance(MAX_UNCONFIRMED_MICROS);
    assert_eq!(node.ask(1).await, "valid", "it is fresh");
    node.clock.advance(1);
    assert_eq!(node.ask(1).await, "unavailable");
}

#[tokio::test(start_paused = true)]
async fn what_is_known_to_have_changed_has_no_grace() {
    let node = cut_off(Mode::Fail(away())).await;
    // A commit whose outcome is unknown.
    node.verifier.invalidate([id(1).0]);
    assert_eq!((node.ask(1).await, node.ask(2).await), ("unavailable".into(), "stale valid".into()));
    node.verifier.raise_epochs(Epochs { service: 2, ..Epochs::default() });
    assert_eq!(node.ask(2).await, "stale revoked");
}

#[tokio::test(start_paused = true)]
async fn one_finds_out_and_nobody_else_waits() {
    let node = cut_off(Mode::Silent).await;
    assert_eq!(in_time(node.asking(1).await).await, "stale valid");
    assert!(node.verifier.store_is_away());
    let before = node.queries();
    let probe = node.asking(1).await;
    // No time passes for these: they have their answers while the probe has not.
    for n in [1, 2, 3, 4, 5, 77] {
        let told = node.asking(n).await;
        assert!(told.is_finished());
        assert_eq!(told.await.unwrap(), if n == 77 { "unavailable" } else { "stale valid" });
    }
    assert!(!probe.is_finished());
    assert_eq!(node.queries() - before, 1);
    assert_eq!(in_time(probe).await, "stale valid");
    // The next one may find out after a pause.
    assert!(node.asking(1).await.is_finished());
    node.clock.advance(SECOND / 10);
    assert!(!node.asking(1).await.is_finished());
    assert_eq!(node.queries() - before, 2);
}

#[tokio::test(start_paused = true)]
async fn it_heals_with_the_first_answer() {
    let node = cut_off(Mode::Fail(away())).await;
    assert_eq!((node.ask(1).await, node.ask(1).await), ("stale valid".into(), "stale valid".into()));
    node.revoke_row(2);
    node.behave(Mode::Answer);
    node.clock.advance(SECOND / 10);
    assert_eq!((node.ask(1).await, node.ask(2).await), ("valid".into(), "revoked".into()));
    assert!(!node.verifier.store_is_away());
    assert_eq!(node.ask(78).await, "not_found");
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_heals_too() {
    let node = cut_off(Mode::Fail(away())).await;
    assert_eq!(node.ask(1).await, "stale valid");
    node.behave(Mode::Answer);
    node.heartbeat();
    node.verifier.store_answered();
    assert_eq!((node.ask(1).await, node.ask(10).await), ("valid".into(), "valid".into()));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_dies_does_not_keep_the_others_from_finding_out() {
    let node = cut_off(Mode::Fail(away())).await;
    assert_eq!(node.ask(1).await, "stale valid");
    node.behave(Mode::Panic);
    assert_eq!(node.ask(1).await, "stale valid");
    node.behave(Mode::Answer);
    node.clock.advance(SECOND / 10);
    assert_eq!(node.ask(1).await, "valid");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_never_reads_as_an_unknown_credential() {
    let node = cut_off(Mode::Fail(faulty())).await;
    assert_eq!(node.ask(10).await, "unavailable");
    assert_eq!(node.ask(1).await, "unavailable", "a store that can be reached gives no grace");
    assert!(!node.verifier.store_is_away());
    node.behave(Mode::Answer);
    assert_eq!((node.ask(10).await, node.ask(1).await), ("valid".into(), "valid".into()));
}

#[tokio::test(start_paused = true)]
async fn one_lost_connection_is_not_a_store_that_is_away() {
    let node = Node::alone();
    node.behave(Mode::Fail(away()));
    assert_eq!(node.ask(1).await, "unavailable");
    node.behave(Mode::Answer);
    assert_eq!((node.ask(1).await, node.ask(2).await), ("valid".into(), "valid".into()));
}

#[tokio::test(start_paused = true)]
async fn one_slow_load_is_not_a_store_that_is_away() {
    let node = cut_off(Mode::Answer).await;
    let mut questions = node.hold();
    let slow = node.asking(1).await;
    let _never_answered = questions.next().await;
    node.behave(Mode::Answer);
    node.clock.advance(1);
    assert_eq!(node.ask(2).await, "valid");
    // The store answers others, so that old answers would outlive what this node owes to them.
    assert_eq!(in_time(slow).await, "unavailable");
    assert!(!node.verifier.store_is_away());
    assert_eq!(node.ask(3).await, "valid");
}

#[tokio::test(start_paused = true)]
async fn those_who_queue_while_the_store_goes_away_do_not_ask_one_after_the_other() {
    let narrow = VerifierOptions { max_loads: 1, ..options() };
    let node = Node::with(Freshness::alone(), &narrow);
    let mut questions = node.hold();
    let mut callers = Vec::new();
    for n in 0..10 {
        callers.push(node.asking(n).await);
    }
    questions.next().await.fail();
    for caller in callers {
        assert_eq!(in_time(caller).await, "unavailable");
    }
    assert_eq!(node.queries(), 1);
    node.behave(Mode::Answer);
    assert_eq!(node.ask(15).await, "valid", "the door is free");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_waits_for_any_more_is_not_asked() {
    let narrow = VerifierOptions { max_loads: 1, ..options() };
    let node = Node::with(Freshness::alone(), &narrow);
    let mut questions = node.hold();
    // Each load takes 0.3 s: the third in the queue comes too late for the one who asked.
    let callers = [node.asking(1).await, node.asking(2).await, node.asking(3).await];
    for _ in 0..2 {
        let question = questions.next().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        node.clock.advance(300_000);
        question.release();
        settle().await;
    }
    settle().await;
    assert!(questions.is_empty(), "the third was not asked");
    let [first, second, third] = callers;
    assert_eq!(first.await.unwrap(), "valid");
    assert_eq!(in_time(second).await, "unavailable");
    assert_eq!(in_time(third).await, "unavailable");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_remembered_of_an_outage() {
    let node = Node::alone();
    node.behave(Mode::Silent);
    assert_eq!(in_time(node.asking(77).await).await, "unavailable");
    node.behave(Mode::Answer);
    node.store.rows.lock().insert(key(77), grant(77, 1));
    node.clock.advance(SECOND / 10);
    assert_eq!(node.ask(77).await, "valid");
}
