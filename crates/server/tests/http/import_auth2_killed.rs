//! An import that is killed, or stopped, anywhere goes on where it was: nothing twice, nothing missing.

use std::process::Stdio;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::moving::{Move, must_add_up};
use crate::harness::{Database, Engine, eventually};

const TOKENS: usize = 120;
const EVENTS: usize = 900;

/// That all of it is there once.
async fn must_be_whole(place: &Move) {
    let mut new = place.target().await;
    let count =
        async |new: &mut Database, what: &str| new.number(&format!("SELECT COUNT(*) FROM {what}")).await;
    let (tokens, events) = (i64::try_from(TOKENS).unwrap(), i64::try_from(EVENTS).unwrap());
    assert_eq!(count(&mut new, "imported_tokens").await, tokens);
    assert_eq!(count(&mut new, "service_tokens WHERE token_name LIKE 'token-%'").await, tokens);
    assert_eq!(count(&mut new, "authentication_events WHERE request_id LIKE 'auth2-%'").await, events);
    assert_eq!(count(&mut new, "(SELECT DISTINCT request_id FROM authentication_events) r").await, events);
    assert_eq!(count(&mut new, "security_events WHERE type = 'token.imported'").await, tokens);
    let unattributed = "authentication_events e WHERE NOT EXISTS (SELECT 1 FROM service_tokens t \
                        WHERE t.id = e.credential_id AND t.token_name = e.token_name)";
    assert_eq!(count(&mut new, unattributed).await, 0);
    let used = new.number("SELECT CAST(SUM(usage_count) AS BIGINT) FROM credential_usage").await;
    assert_eq!(used, tokens * (tokens + 1) / 2);
    must_add_up(&mut new).await;
}

async fn killed_between_pages(engine: Engine) {
    let Some(place) = Move::begin(engine).await else { return };
    place.fill(TOKENS, EVENTS).await;
    let mut new = place.target().await;
    // Within the tokens, within the events, and once more.
    for (table, count) in
        [("imported_tokens", 40), ("authentication_events", 200), ("authentication_events", 500)]
    {
        let mut command = place.command(&["--batch-size", "20"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let count_of = format!("SELECT COUNT(*) FROM {table}");
        eventually("some pages are taken", async || {
            new.number(&count_of).await >= count || child.try_wait().unwrap().is_some()
        })
        .await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    place.imported(&["--batch-size", "50"]).await;
    must_be_whole(&place).await;
    let again = place.imported(&[]).await;
    assert_eq!((&again["tokens"]["taken"], &again["events"]["taken"]), (&json!(0), &json!(0)), "{again}");
    must_be_whole(&place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_killed_between_pages_goes_on_on_sqlite() {
    killed_between_pages(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_killed_between_pages_goes_on_on_postgres() {
    killed_between_pages(Engine::Postgres).await;
}

/// Somebody holds a table, so that a page has been written in part when its process is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_was_not_committed_is_taken_whole_the_next_time() {
    let Some(place) = Move::begin(Engine::Postgres).await else { return };
    place.fill(TOKENS, EVENTS).await;
    let (mut new, mut seen) = (place.target().await, place.target().await);
    for table in ["imported_tokens", "security_events", "imports", "usage_hourly"] {
        new.execute("BEGIN").await;
        // Readers go on; whoever wants to write waits.
        new.execute(&format!("LOCK TABLE {table} IN EXCLUSIVE MODE")).await;
        let mut command = place.command(&["--batch-size", "100"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let waits = format!(
            "SELECT COUNT(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
             JOIN pg_database d ON d.oid = l.database AND d.datname = current_database() \
             WHERE c.relname = '{table}' AND NOT l.granted"
        );
        eventually("it waits in the middle of a page", async || seen.number(&waits).await > 0).await;
        child.kill().unwrap();
        child.wait().unwrap();
        new.execute("ROLLBACK").await;
    }
    place.imported(&["--batch-size", "100"]).await;
    must_be_whole(&place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_import_says_how_to_go_on() {
    let Some(place) = Move::begin(Engine::Postgres).await else { return };
    place.fill(TOKENS, EVENTS).await;
    let mut seen = place.target().await;
    let mut command = place.command(&["--batch-size", "1"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("it has begun", async || seen.number("SELECT COUNT(*) FROM imported_tokens").await > 3).await;
    let id = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(id, Signal::INT).unwrap();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("run the same command again"), "{told}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["complete"], false);
    place.imported(&[]).await;
    must_be_whole(&place).await;
}
