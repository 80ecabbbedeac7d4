//! Rate limits that all nodes count together, in a Redis or Valkey of their own.

use futures::future::join_all;
use keywright_verify::limiter::testing::RedisServer;
use serde_json::{Value, json};

use crate::harness::{Engine, Minted, TestApp, eventually};

async fn limited(app: &TestApp, name: &str, per_hour: u32) -> Minted {
    let token = app.mint(name, &["a"]).await;
    let mut database = app.database().await;
    let id = database.uuid(token.id.parse().unwrap());
    let sql = format!("UPDATE service_tokens SET rate_per_hour = {per_hour} WHERE id = {id}");
    assert_eq!(database.execute(&sql).await, 1);
    token
}

fn settings(url: &str) -> [(&'static str, &str); 2] {
    [("rate_limit.backend", "redis"), ("rate_limit.redis_url", url)]
}

async fn status(app: &TestApp) -> Value {
    app.admin().get("/system/status").await.expect(200)["rate_limits"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_share_a_server_let_no_more_through_together() {
    let Some(server) = RedisServer::start().await else { return };
    let url = server.url();
    let Some(one) = TestApp::start_with(Engine::Postgres, &settings(&url)).await else { return };
    let other = one.another(None, &settings(&url)).await;
    let nodes = [&one, &other];
    let failures = || nodes.map(|node| node.app().limiter().status().failures);
    let mut tries = 0;
    let token = loop {
        tries += 1;
        let token = limited(&one, &format!("shared {tries}"), 100).await;
        let before = failures();
        let answers = join_all((0..500).map(|number| nodes[number % 2].verify(&token.secret))).await;
        let count = |code: &str| answers.iter().filter(|answer| answer.json()["code"] == code).count();
        // On a starved machine an answer may come too late, and then a node counts by itself: once more.
        if failures() == before {
            assert_eq!((count("valid"), count("rate_limited")), (100, 400));
            break token;
        }
        assert!(tries < 10, "the server is never in time");
        eventually("both reach it", async || nodes.iter().all(|node| !node.app().limiter().status().away))
            .await;
    };
    let state = other.admin().get(&format!("{}/limit-state", token.path())).await.expect(200);
    assert_eq!((&state["shared"], &state["rate_limit"]["limit"]), (&json!(true), &json!(100)));
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_the_server_is_away_nodes_answer_and_count_by_themselves() {
    let Some(mut server) = RedisServer::start().await else { return };
    let url = server.url();
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(app) = TestApp::start_with(engine, &settings(&url)).await else { continue };
        let token = limited(&app, "bridged", 1_000).await;
        let away = async |away: bool| {
            eventually("it is told", async || status(&app).await["away"] == json!(away)).await;
        };
        away(false).await;
        app.verify(&token.secret).await.decided("valid");
        server.pause();
        away(true).await;
        let decision = app.verify(&token.secret).await.decided("valid");
        assert!(
            decision["rate_limit"]["remaining"].as_u64().unwrap() < 1_000,
            "what passed here counts: {decision}"
        );
        assert!(app.admin().get("/metrics").await.text().contains("keywright_rate_limit_away 1"));
        server.resume();
        away(false).await;
        server.end();
        away(true).await;
        app.verify(&token.secret).await.decided("valid");
        server.restart().await;
        away(false).await;
        app.verify(&token.secret).await.decided("valid");
        app.stop().await;
    }
}
