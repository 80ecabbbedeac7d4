//! The log of a running server: one line for each request, with what an operator looks for.

use serde_json::{Value, json};

use crate::harness::child::Server;
use crate::harness::{Engine, Raw, eventually};

/// The lines about requests, once that with this id is among them.
async fn answered(server: &Server, last: &str) -> Vec<Value> {
    let lines = || -> Vec<Value> {
        let log = server.log();
        let all = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line:?}")));
        all.filter(|line| line["message"] == "answered").collect()
    };
    eventually("the last request is logged", async || lines().iter().any(|line| line["request_id"] == last))
        .await;
    lines()
}

async fn every_request_has_a_line(engine: Engine) {
    let Some(store) = keywright_store::testing::store_on(engine).await else { return };
    let home = tempfile::tempdir().unwrap();
    let environment = [("KEYWRIGHT_LOG__LEVEL", "debug")];
    let server = Server::start_with(home.path(), &store.options().url, &environment).await;
    let admin = server.nobody().bearing(&server.first_token().await);
    let made = admin
        .with("x-request-id", "made")
        .post("/auth/tokens", json!({"token_name": "a", "permissions": []}))
        .await;
    let id = made.expect(201)["id"].as_str().unwrap().to_owned();
    admin.with("x-request-id", "read").get(&format!("/auth/tokens/{id}")).await.expect(200);
    admin.with("x-request-id", "nowhere").get("/no/such/%0a%0dplace").await.refused(404, "not_found");
    admin.with("x-request-id", "verified").send("POST", "/auth/verify", None).await.decided("valid");
    server.nobody().with("x-request-id", "probed").get("/healthz/live").await.expect(200);
    let mut raw = Raw::connect(server.address()).await;
    raw.send(
        "GET /x\u{85}\u{2028}y HTTP/1.1\r\nHost: x\r\nUser-Agent: a\tb\u{85}\r\nX-Request-Id: odd\r\n\r\n",
    )
    .await;
    raw.half_close().await;
    raw.answer().await;
    server.nobody().with("x-request-id", "refused").get("/auth/me").await.refused(401, "missing_credential");
    let lines = answered(&server, "refused").await;
    for (id, level, method, route, status) in [
        ("made", "INFO", "POST", "/api/v1/auth/tokens", 201),
        ("read", "INFO", "GET", "/api/v1/auth/tokens/{id}", 200),
        ("nowhere", "INFO", "GET", "unmatched", 404),
        ("verified", "DEBUG", "POST", "/api/v1/auth/verify", 200),
        ("probed", "DEBUG", "GET", "/healthz/live", 200),
        ("refused", "INFO", "GET", "/api/v1/auth/me", 401),
    ] {
        let of: Vec<_> = lines.iter().filter(|line| line["request_id"] == id).collect();
        assert_eq!(of.len(), 1, "{id}: {lines:?}");
        let line = of[0];
        assert_eq!(
            (&line["level"], &line["method"], &line["route"], &line["status"]),
            (&json!(level), &json!(method), &json!(route), &json!(status)),
        );
        assert!(line["micros"].as_i64().unwrap() >= 0 && line["timestamp"].is_string(), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_has_a_line_on_sqlite() {
    every_request_has_a_line(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_has_a_line_on_postgres() {
    every_request_has_a_line(Engine::Postgres).await;
}
