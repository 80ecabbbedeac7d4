//! Servers as processes: killed, stopped under load, started again; nothing that was answered is lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::child::Server;
use crate::harness::{Caller, Database, Engine, Raw, TestApp, eventually};

/// Clients at once.
pub(crate) const CLIENTS: usize = 8;

/// Clients that verify without rest, each request under an id of its own.
struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Vec<String>>,
}

impl Load {
    fn start(server: &Server, credential: &str, prefix: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let caller = server.nobody().bearing(credential);
            clients.spawn(verify_until(Arc::clone(&stop), caller, format!("{prefix}-{client}")));
        }
        Self { stop, clients }
    }

    /// Stops the clients: the ids of all that was answered.
    async fn answered(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await.into_iter().flatten().collect()
    }
}

async fn verify_until(stop: Arc<AtomicBool>, caller: Caller, prefix: String) -> Vec<String> {
    let mut answered = Vec::new();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let id = format!("{prefix}-{number}");
        number += 1;
        match caller.with("x-request-id", &id).try_send("POST", "/auth/verify", Vec::new()).await {
            Ok(answer) if answer.status == 200 => answered.push(id),
            // Not answered with a decision, or not at all: the server is leaving, or gone.
            _ => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    }
    answered
}

/// How many events each request has.
pub(crate) async fn recorded(database: &mut Database, prefix: &str) -> HashMap<String, usize> {
    let sql = format!("SELECT request_id FROM authentication_events WHERE request_id LIKE '{prefix}-%'");
    let mut counts = HashMap::new();
    for id in database.texts(&sql).await {
        *counts.entry(id).or_default() += 1;
    }
    counts
}

/// How many of them used the credential: a server that starts, or is overloaded, may have told some to come later.
async fn used(database: &mut Database, prefix: &str) -> usize {
    let sql = format!(
        "SELECT request_id FROM authentication_events WHERE request_id LIKE '{prefix}%-%' AND code = 'valid'"
    );
    database.texts(&sql).await.len()
}

/// That each answered request has one event, and that there are few others: those in flight at the end.
pub(crate) fn held_against(answered: &[String], counts: &HashMap<String, usize>) {
    for id in answered {
        assert_eq!(counts.get(id), Some(&1), "{id}");
    }
    let others = counts.len() - answered.len();
    assert!(others <= CLIENTS, "{others} events without an answer");
    assert!(counts.values().all(|count| *count == 1));
}

async fn stopped_under_load(engine: Engine) {
    let Some(store) = keywright_store::testing::store_on(engine).await else { return };
    let (url, home) = (store.options().url.clone(), tempfile::tempdir().unwrap());
    for round in 0..2 {
        let environment = [("KEYWRIGHT_SERVER__WORKERS", "2")];
        let server = Server::start_with(home.path(), &url, &environment).await;
        let credential = if round == 0 { Some(server.first_token().await) } else { None };
        let credential =
            credential.unwrap_or_else(|| std::fs::read_to_string(home.path().join("token")).unwrap());
        std::fs::write(home.path().join("token"), &credential).unwrap();
        let prefix = format!("stopped{round}");
        let load = Load::start(&server, &credential, &prefix);
        let mut database = Database::connect(&url).await;
        eventually("the load is on", async || recorded(&mut database, &prefix).await.len() > 200).await;
        server.signal(Signal::TERM);
        let (status, log) = server.ended().await;
        let answered = load.answered().await;
        assert!(status.success(), "{log}");
        assert!(!log.contains("\"ERROR\""), "{log}");
        held_against(&answered, &recorded(&mut database, &prefix).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_under_load_has_recorded_all_it_answered_on_sqlite() {
    stopped_under_load(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_under_load_has_recorded_all_it_answered_on_postgres() {
    stopped_under_load(Engine::Postgres).await;
}

/// A token. A server that just started, or is overloaded, may say that it cannot know at the moment; nothing else.
async fn mint(admin: &Caller, name: &str) -> serde_json::Value {
    let mut tries = 0;
    loop {
        // What became of one that was not answered is not known: another name.
        let body = json!({"token_name": format!("{name}, {tries}"), "permissions": ["a"]});
        let answer = admin.post("/auth/tokens", body).await;
        if answer.status != 503 {
            return answer.expect(201);
        }
        tries += 1;
        assert!(tries < 100, "the server never answers");
    }
}

async fn killed_under_load(engine: Engine) {
    let Some(store) = keywright_store::testing::store_on(engine).await else { return };
    let (url, home) = (store.options().url.clone(), tempfile::tempdir().unwrap());
    let server = Server::start(home.path(), &url).await;
    let credential = server.first_token().await;
    server.kill().await;
    let (mut answered, mut made) = (Vec::new(), Vec::new());
    for round in 0..3 {
        let server = Server::start(home.path(), &url).await;
        let admin = server.nobody().bearing(&credential);
        let load = Load::start(&server, &credential, &format!("killed{round}"));
        for number in 0..20 {
            made.push(mint(&admin, &format!("round {round}, {number}")).await);
        }
        server.kill().await;
        answered.push(load.answered().await);
    }
    // What was in the journals is moved by whoever starts next.
    let server = Server::start(home.path(), &url).await;
    server.nobody().get("/healthz/ready").await.expect(200);
    let admin = server.nobody().bearing(&credential);
    for token in &made {
        let secret = token["token"].as_str().unwrap();
        server.nobody().bearing(secret).send("POST", "/auth/verify", None).await.decided("valid");
        admin.get(&format!("/auth/tokens/{}", token["id"].as_str().unwrap())).await.expect(200);
    }
    let mut database = Database::connect(&url).await;
    for (round, answered) in answered.iter().enumerate() {
        let prefix = format!("killed{round}");
        eventually("all that was answered is moved", async || {
            let counts = recorded(&mut database, &prefix).await;
            answered.iter().all(|id| counts.contains_key(id))
        })
        .await;
        let counts = recorded(&mut database, &prefix).await;
        held_against(answered, &counts);
    }
    let me = admin.get("/auth/me").await.expect(200);
    let me = format!("/auth/tokens/{}", me["credential"]["id"].as_str().unwrap());
    eventually("the counter is the rows", async || {
        let counted = admin.get(&me).await.expect(200)["usage_count"].clone();
        counted == used(&mut database, "killed").await
    })
    .await;
    let chain = async || admin.get("/audit/security-events/verify").await.expect(200);
    eventually("the chain is whole", async || chain().await["unsealed"] == 0).await;
    assert_eq!(chain().await["holds"], true);
    server.signal(Signal::TERM);
    assert!(server.ended().await.0.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_under_load_loses_nothing_it_answered_on_sqlite() {
    killed_under_load(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_under_load_loses_nothing_it_answered_on_postgres() {
    killed_under_load(Engine::Postgres).await;
}

async fn a_change_in_flight(engine: Engine) {
    let Some(app) = TestApp::start(engine).await else { return };
    let token = app.mint("in flight", &["a"]).await;
    let mut another = app.database().await;
    another.begin().await;
    another.execute("UPDATE service_tokens SET version = version WHERE token_name = 'in flight'").await;
    let hits = || app.authority().verifier().statistics().hits;
    let before = hits();
    let (admin, path, address) = (app.admin(), token.path(), app.address());
    let asked = tokio::spawn(async move { admin.delete(&path).await });
    eventually("the door lets the caller in", async || hits() > before).await;
    let stopping = tokio::spawn(app.stop());
    eventually("nobody is let in any more", async || tokio::net::TcpStream::connect(address).await.is_err())
        .await;
    another.execute("COMMIT").await;
    asked.await.unwrap().expect(204);
    let rest = stopping.await.unwrap();
    let revoked =
        "SELECT COUNT(*) FROM service_tokens WHERE token_name = 'in flight' AND revoked_at IS NOT NULL";
    assert_eq!(rest.database().await.number(revoked).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_in_flight_is_answered_before_a_server_leaves_on_sqlite() {
    a_change_in_flight(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_in_flight_is_answered_before_a_server_leaves_on_postgres() {
    a_change_in_flight(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_finishes_keeps_no_server_from_leaving() {
    let Some(store) = keywright_store::testing::store_on(Engine::Sqlite).await else { return };
    let (url, home) = (store.options().url.clone(), tempfile::tempdir().unwrap());
    let server = Server::start(home.path(), &url).await;
    let mut slow = Vec::new();
    for request in
        ["", "GET /api", "POST /api/v1/auth/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"]
    {
        let mut raw = Raw::connect(server.address()).await;
        raw.send(request).await;
        slow.push(raw);
    }
    server.signal(Signal::TERM);
    let (status, log) = server.ended().await;
    assert!(status.success(), "{log}");
}
