//! Embedded nodes among others: several over one store, without their store, killed, and beside the command line.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keywright_client::{Decide, Requirements, Undecided, Verdict};
use keywright_embedded::{Embedded, EmbeddedError, EmbeddedOptions};
use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinSet;

use super::processes::{CLIENTS, held_against, recorded};
use super::rust_client::{arriving, served, service};
use crate::harness::child::{Server, keywright, run};
use crate::harness::embedded::{Home, embedded_on_both_engines, gate, options, question, wanting};
use crate::harness::proxy::{Mode, Proxy};
use crate::harness::{Database, Engine, TestApp, eventually};

embedded_on_both_engines![
    while_the_journal_is_full_nothing_passes,
    one_that_could_not_be_opened_holds_nothing_back,
    an_example_that_is_killed_or_stopped_loses_nothing_it_answered,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_with_mistakes_is_told_whole_and_without_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("service.toml");
    std::fs::write(&file, "[database]\nurl = 'postgres://app:canary@db/kw'\n[verify]\nstale_grace = 1\n")
        .unwrap();
    let options =
        EmbeddedOptions::new().file(&file).set("database.pool_size", "many").set("keys.master_key", "canary");
    let error = Embedded::open(&options).await.unwrap_err();
    let EmbeddedError::Configuration(mistakes) = &error else { panic!("{error}") };
    for wrong in ["verify.stale_grace", "database.pool_size", "keys.master_key"] {
        assert!(mistakes.contains(wrong), "{wrong}: {mistakes}");
    }
    assert!(!format!("{error} {error:?} {options:?}").contains("canary"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_without_a_schema_is_refused_unless_it_may_be_made() {
    if !runs_on_sqlite() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("keywright.db").display());
    let error = Embedded::open(&options(&url, &folder)).await.unwrap_err();
    assert!(error.to_string().contains("keywright migrate"), "{error}");
    let embedded = Embedded::open(&options(&url, &folder).migrate()).await.unwrap();
    let verdict = embedded.decide(question("nonsense", &Requirements::none())).await.unwrap();
    assert!(matches!(verdict, Verdict::Denied(_)));
    embedded.close().await.unwrap();
    // What is left of the one before ends with its last clone.
    drop(embedded);
    eventually("it opens as it is", async || Embedded::open(&options(&url, &folder)).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_revokes_the_other_embedded_nodes_refuse() {
    let Some(app) = TestApp::start(Engine::Postgres).await else { return };
    let one = Home::over(app.url(), app.admin_token(), |options| options.named("one")).await;
    let other = Home::over(app.url(), app.admin_token(), |options| options.named("other")).await;
    for (round, by) in [app.admin(), one.admin(), other.admin(), app.admin(), one.admin()].iter().enumerate()
    {
        let token = app.mint(&format!("round {round}"), &["works:read"]).await;
        for home in [&one, &other] {
            assert_eq!(home.ask("/works", &token.secret).await.status, 200);
        }
        by.delete(&token.path()).await.expect(204);
        for home in [&one, &other] {
            eventually("it is refused", async || home.ask("/works", &token.secret).await.status == 401).await;
            assert_eq!(home.ask("/works", &token.secret).await.code(), "revoked", "and never accepted again");
        }
    }
    let live = async || {
        let status = app.admin().get("/system/status").await.expect(200);
        let nodes = status["nodes"].as_array().unwrap().clone();
        let live = nodes.iter().filter(|node| node["live"] == true);
        live.map(|node| node["address"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for name in ["one", "other"] {
        assert!(live().await.contains(&name.to_owned()), "{:?}", live().await);
    }
    let body = json!({"reason": "breach", "scope": {"all": true}, "keep_caller": true});
    let revoked = app.admin().post("/auth/emergency-revoke", body).await.expect(200);
    assert_eq!(revoked["nodes"]["confirmed"].as_array().unwrap().len(), 3, "{revoked}");
    one.close().await;
    assert!(!live().await.contains(&"one".to_owned()), "it has left");
    other.close().await;
    app.stop().await;
}

/// A service whose way to the store can be cut.
async fn cut_off(grace_seconds: &str) -> Option<(TestApp, Proxy, Home)> {
    let app = TestApp::start(Engine::Postgres).await?;
    let proxy = Proxy::before(app.url()).await;
    let home = Home::over(proxy.url(), app.admin_token(), |options| {
        options.set("verify.stale_grace_seconds", grace_seconds)
    })
    .await;
    Some((app, proxy, home))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_is_away_known_credentials_pass_for_their_grace_and_others_are_503() {
    for mode in [Mode::Refuse, Mode::Stall] {
        let Some((app, proxy, home)) = cut_off("3600").await else { return };
        let (known, unseen) =
            (app.mint("known", &["works:read"]).await, app.mint("unseen", &["works:read"]).await);
        eventually("it is known", async || home.ask("/works", &known.secret).await.status == 200).await;
        proxy.set(mode);
        eventually("answers come from what was known", async || {
            assert_eq!(home.ask("/works", &known.secret).await.status, 200);
            home.embedded.statistics().stale > 0
        })
        .await;
        let refused = home.ask("/works", &unseen.secret).await;
        assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"));
        assert_eq!(home.ask("/both", &known.secret).await.code(), "insufficient_scope");
        proxy.set(Mode::Pass);
        eventually("it heals", async || home.ask("/works", &unseen.secret).await.status == 200).await;
        home.close().await;
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_grace_nothing_passes_while_the_store_is_away() {
    let Some((app, proxy, home)) = cut_off("0").await else { return };
    let token = app.mint("known", &["works:read"]).await;
    eventually("it is known", async || home.ask("/works", &token.secret).await.status == 200).await;
    proxy.set(Mode::Stall);
    eventually("nothing is known any more", async || {
        let status = home.ask("/works", &token.secret).await.status;
        assert!(matches!(status, 200 | 503), "{status}");
        status == 503
    })
    .await;
    app.admin().delete(&token.path()).await.expect(204);
    proxy.set(Mode::Pass);
    eventually("it is refused", async || {
        let status = home.ask("/works", &token.secret).await.status;
        assert_ne!(status, 200, "what was revoked meanwhile is never accepted again");
        status == 401
    })
    .await;
    home.close().await;
    app.stop().await;
}

async fn while_the_journal_is_full_nothing_passes(app: TestApp) {
    let token = app.mint("known", &["works:read"]).await;
    let rest = app.stop().await;
    let small = |options: EmbeddedOptions| options.set("journal.max_bytes", "8MiB");
    let home = Home::over(rest.url(), rest.admin_token(), small).await;
    let mut database = rest.database().await;
    database.begin().await;
    if rest.url().starts_with("postgres") {
        database.execute("LOCK TABLE authentication_events IN EXCLUSIVE MODE").await;
    }
    let wanted = wanting("works:read");
    let (mut decided, mut full) = (0, None);
    for _ in 0..200_000 {
        match home.embedded.decide(question(&token.secret, &wanted)).await {
            Ok(Verdict::Valid(..)) => decided += 1,
            Err(fault @ Undecided::Unrecorded(_)) => {
                full = Some(fault);
                break;
            }
            // A heartbeat was late.
            Err(Undecided::Unavailable) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(full.is_some(), "eight megabytes hold no 200,000 records");
    let refused = home.ask("/works", &token.secret).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "journal_unavailable"));
    database.execute("ROLLBACK").await;
    eventually("it heals", async || home.ask("/works", &token.secret).await.status == 200).await;
    let rows =
        "SELECT COUNT(*) FROM authentication_events WHERE request_id = 'by-the-service' AND code = 'valid'";
    eventually("all that was decided is on record, once", async || {
        let rows = database.number(rows).await;
        assert!(rows <= decided, "{rows} rows of {decided} decisions");
        rows == decided
    })
    .await;
    home.close().await;
}

async fn one_that_could_not_be_opened_holds_nothing_back(app: TestApp) {
    let rest = app.stop().await;
    let folder = tempfile::tempdir().unwrap();
    let well = options(rest.url(), &folder);
    // Found out when much of it runs already.
    let wrong =
        well.clone().set("rate_limit.backend", "redis").set("rate_limit.redis_url", "redis://127.0.0.1/none");
    let error = Embedded::open(&wrong).await.unwrap_err();
    assert!(error.to_string().contains("rate_limit.redis_url"), "{error}");
    let mut opened = None;
    eventually("store and journal are free", async || {
        opened = Embedded::open(&well).await.ok();
        opened.is_some()
    })
    .await;
    opened.unwrap().close().await.unwrap();
}

fn runs_on_sqlite() -> bool {
    keywright_store::testing::engines().contains(&Engine::Sqlite)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_has_one_server_embedded_or_not() {
    if !runs_on_sqlite() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("keywright.db").display());
    let server = Server::start(folder.path(), &url).await;
    let error = Embedded::open(&options(&url, &folder)).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::InUse(_)), "{error:?}");
    assert!(error.to_string().contains(&format!("process {}", server.id())), "{error}");
    server.signal(Signal::TERM);
    server.ended().await;
    let embedded = Embedded::open(&options(&url, &folder)).await.unwrap();
    let second = run(keywright(folder.path(), &url, &["serve", "--dev", "--listen", "127.0.0.1:0"])).await;
    assert_eq!(second.code, 1, "{second:?}");
    let holder = format!("process {}", std::process::id());
    assert!(second.stderr.contains("in use") && second.stderr.contains(&holder), "{second:?}");
    embedded.close().await.unwrap();
    // Left in order, it has the database no more, whoever still has a clone.
    let server = Server::start(folder.path(), &url).await;
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_s_commands_beside_it_are_in_force_when_they_return() {
    if !runs_on_sqlite() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("keywright.db").display());
    let embedded = Embedded::open(&options(&url, &folder).migrate()).await.unwrap();
    let service = service(&gate(&embedded));
    let command = async |arguments: &[&str]| {
        let printed = run(keywright(folder.path(), &url, arguments)).await;
        assert_eq!(printed.code, 0, "{printed:?}");
        printed
    };
    for round in 0..3 {
        let name = format!("token-{round}");
        let made =
            command(&["token", "create", "--name", &name, "--permissions", "works:read", "--json"]).await;
        let secret = made.json()["token"].as_str().unwrap().to_owned();
        let ask = || served(&service, arriving("/works", &secret, "192.0.2.1"));
        assert_eq!(ask().await.text, format!("{name} 1"));
        command(&["token", "revoke", "--identifier", &name, "--reason", "leak"]).await;
        assert_eq!(ask().await.code(), "revoked");
    }
    embedded.close().await.unwrap();
    assert!(!folder.path().join("keywright.db.sock").exists());
}

/// Asks a service for its works without rest, each request under an id of its own; the ids of all that was let pass.
async fn ask_until(stop: Arc<AtomicBool>, url: String, credential: String, prefix: String) -> Vec<String> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut answered = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("{prefix}-{number}");
        let request = client.get(&url).bearer_auth(&credential).header("x-request-id", &id);
        match request.send().await {
            Ok(answer) if answer.status() == 200 => answered.push(id),
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    answered
}

/// Loads an example that runs, and ends it by a signal; what it had answered by then.
async fn ended_under_load(
    example: Server,
    credential: &str,
    prefix: &str,
    database: &mut Database,
    signal: Signal,
) -> Vec<String> {
    let stop = Arc::new(AtomicBool::new(false));
    let url = format!("http://{}/works", example.address());
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let prefix = format!("{prefix}-{client}");
        clients.spawn(ask_until(Arc::clone(&stop), url.clone(), credential.to_owned(), prefix));
    }
    eventually("the load is on", async || recorded(database, prefix).await.len() > 200).await;
    example.signal(signal);
    let (status, log) = example.ended().await;
    assert_eq!(status.success(), signal == Signal::TERM, "{log}");
    stop.store(true, Ordering::Relaxed);
    clients.join_all().await.into_iter().flatten().collect()
}

async fn an_example_that_is_killed_or_stopped_loses_nothing_it_answered(app: TestApp) {
    let token = app.mint("caller", &["works:read"]).await;
    let rest = app.stop().await;
    let home = tempfile::tempdir().unwrap();
    let mut database = rest.database().await;
    let mut ledger = Vec::new();
    for (round, signal) in [Signal::KILL, Signal::KILL, Signal::TERM].into_iter().enumerate() {
        let example = Server::start_example(home.path(), rest.url()).await;
        let prefix = format!("example{round}");
        let answered = ended_under_load(example, &token.secret, &prefix, &mut database, signal).await;
        ledger.push((prefix, answered));
    }
    // The last one has brought in what was left, and left nothing itself.
    for (prefix, answered) in &ledger {
        held_against(answered, &recorded(&mut database, prefix).await);
    }
    let used =
        "SELECT COUNT(*) FROM authentication_events WHERE request_id LIKE 'example%' AND code = 'valid'";
    let rows = database.number(used).await;
    let again = Home::over(rest.url(), rest.admin_token(), |options| options).await;
    let counted = again.admin().get(&token.path()).await.expect(200)["usage_count"].clone();
    assert_eq!(counted, rows, "the counter is the rows");
    again.close().await;
}
