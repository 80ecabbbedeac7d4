//! What a lost node's journal holds is missed, shown and brought in; each decision once.

use std::path::Path;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::child::{Printed, Server, keywright, run};
use crate::harness::{Database, Engine, eventually};

const REQUESTS: usize = 20;

/// A server on a journal of its own, which is not synced, so that nothing is moved, unless it is asked.
async fn serve(home: &Path, url: &str, journal: &Path, interval_ms: &str) -> Server {
    let environment = [
        ("KEYWRIGHT_JOURNAL__DIR", journal.to_str().unwrap()),
        ("KEYWRIGHT_JOURNAL__SYNC_INTERVAL_MS", interval_ms),
    ];
    Server::start_with(home, url, &environment).await
}

/// A server that answered some requests and was lost with them; the token that they bore.
async fn lose_one(home: &Path, url: &str, journal: &Path) -> String {
    let server = serve(home, url, journal, "60000").await;
    let credential = server.first_token().await;
    for number in 0..REQUESTS {
        let caller = server.nobody().bearing(&credential).with("x-request-id", &format!("lost-{number}"));
        caller.send("POST", "/auth/verify", None).await.decided("valid");
    }
    server.kill().await;
    credential
}

async fn journal(home: &Path, url: &str, verb: &str, dir: &Path) -> Printed {
    run(keywright(home, url, &["journal", verb, dir.to_str().unwrap(), "--json"])).await
}

async fn recorded(database: &mut Database) -> usize {
    let ids =
        database.texts("SELECT request_id FROM authentication_events WHERE request_id LIKE 'lost-%'").await;
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "a decision was stored twice");
    ids.len()
}

async fn a_lost_node(engine: Engine) {
    let Some(store) = keywright_store::testing::store_on(engine).await else { return };
    let (url, folder) = (store.options().url.clone(), tempfile::tempdir().unwrap());
    let (home, lost, here) = (folder.path(), folder.path().join("lost"), folder.path().join("here"));
    let credential = lose_one(home, &url, &lost).await;
    let server = serve(home, &url, &here, "50").await;
    let admin = server.nobody().bearing(&credential);
    let mut database = Database::connect(&url).await;
    // As if the node had been silent for a minute.
    database.execute("UPDATE journals SET gap_at = last_beat_at WHERE dir LIKE '%lost'").await;
    let gaps = async || admin.get("/system/status").await.expect(200)["journals"]["gaps"].clone();
    let told = gaps().await;
    assert_eq!((told.as_array().unwrap().len(), &told[0]["dir"]), (1, &json!(lost)));
    assert!(told[0]["what_to_do"].as_str().unwrap().contains("keywright journal replay"));

    let shown = journal(home, &url, "inspect", &lost).await.json();
    assert!(shown["records"].as_u64().unwrap() >= REQUESTS as u64, "{shown}");
    assert!(shown["codes"]["valid"].as_u64().unwrap() >= REQUESTS as u64, "{shown}");
    for (dir, reason) in [(&here, "in use by another process"), (&home.to_owned(), "not the directory")] {
        let refused = journal(home, &url, "replay", dir).await;
        assert!(refused.code == 1 && refused.stderr.contains(reason), "{refused:?}");
    }
    assert_eq!(recorded(&mut database).await, 0);
    if engine == Engine::Sqlite {
        let refused = journal(home, &url, "replay", &lost).await;
        assert!(refused.code == 1 && refused.stderr.contains("stop the server"), "{refused:?}");
        server.signal(Signal::TERM);
        assert!(server.ended().await.0.success());
    } else {
        assert_eq!(shown["segments"][0]["moved_bytes"], 0);
        server.signal(Signal::TERM);
        assert!(server.ended().await.0.success());
    }
    let replayed = journal(home, &url, "replay", &lost).await;
    assert_eq!(replayed.code, 0, "{replayed:?}");
    assert!(replayed.json()["records"].as_u64().unwrap() >= REQUESTS as u64, "{replayed:?}");
    assert_eq!(recorded(&mut database).await, REQUESTS);
    assert_eq!(journal(home, &url, "replay", &lost).await.json()["records"], 0);
    assert_eq!(journal(home, &url, "inspect", &lost).await.json()["segments"], json!([]));
    // The one was replayed, the other left in order.
    assert_eq!(database.number("SELECT COUNT(*) FROM journals WHERE closed_at IS NULL").await, 0);
    assert_eq!(database.number("SELECT COUNT(*) FROM journals").await, 2);
    let recovered = "SELECT COUNT(*) FROM security_events WHERE type = 'journal.recovered'";
    assert_eq!(database.number(recovered).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_of_a_lost_node_is_told_and_brought_in_once_on_sqlite() {
    a_lost_node(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_of_a_lost_node_is_told_and_brought_in_once_on_postgres() {
    a_lost_node(Engine::Postgres).await;
}

async fn a_killed_command(engine: Engine) {
    let Some(store) = keywright_store::testing::store_on(engine).await else { return };
    let (url, folder) = (store.options().url.clone(), tempfile::tempdir().unwrap());
    let (home, dir) = (folder.path(), folder.path().join("journal"));
    // What a command of the local operator leaves that is killed: a directory beside the journal's.
    let left = folder.path().join("journal-operator-0");
    lose_one(home, &url, &left).await;
    std::fs::create_dir(folder.path().join("journal-operator-empty")).unwrap();
    let server = serve(home, &url, &dir, "50").await;
    let mut database = Database::connect(&url).await;
    eventually("it is brought in", async || recorded(&mut database).await == REQUESTS).await;
    eventually("nothing is left of it", async || !left.exists()).await;
    assert!(folder.path().join("journal-operator-empty").exists(), "a command may be about to use it");
    server.signal(Signal::TERM);
    assert!(server.ended().await.0.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_local_command_left_is_brought_in_by_the_next_server_on_sqlite() {
    a_killed_command(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_local_command_left_is_brought_in_by_the_next_server_on_postgres() {
    a_killed_command(Engine::Postgres).await;
}
