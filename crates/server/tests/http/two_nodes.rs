//! Two nodes over one PostgreSQL database.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Engine, Minted, TestApp, eventually, sha256};

/// Two nodes; none when the tests are not to run on PostgreSQL.
async fn two_nodes() -> Option<(TestApp, TestApp)> {
    let one = TestApp::start(Engine::Postgres).await?;
    let other = one.another(None, &[]).await;
    Some((one, other))
}

async fn code(app: &TestApp, secret: &str) -> Value {
    app.verify(secret).await.expect(200)["code"].clone()
}

fn nodes(apps: &[&TestApp]) -> BTreeSet<String> {
    apps.iter().map(|app| app.authority().node().to_string()).collect()
}

fn ids(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_revokes_the_other_denies() {
    let Some((one, other)) = two_nodes().await else { return };
    for round in 0..10 {
        let token = one.mint(&format!("round {round}"), &["a"]).await;
        assert_eq!(code(&other, &token.secret).await, "valid");
        one.admin().delete(&token.path()).await.expect(204);
        eventually("the other node denies", async || code(&other, &token.secret).await == "revoked").await;
    }
    let token = one.mint("changed", &["a"]).await;
    assert_eq!(code(&other, &token.secret).await, "valid");
    one.admin().patch(&token.path(), json!({"is_active": false})).await.expect(200);
    eventually("the other node denies", async || code(&other, &token.secret).await == "inactive").await;
    let token = one.mint("rotated", &["a"]).await;
    assert_eq!(code(&other, &token.secret).await, "valid");
    let rotation = json!({"reason": "leak", "grace_seconds": 0});
    one.admin().post(&format!("{}/rotate", token.path()), rotation).await.expect(200);
    eventually("the other node denies", async || code(&other, &token.secret).await == "expired").await;
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_confirmed_an_emergency_denies_before_the_call_returns() {
    let Some((one, other)) = two_nodes().await else { return };
    let body = || json!({"reason": "breach", "scope": {"all": true}, "keep_caller": true});
    for round in 0..5 {
        let tokens =
            [one.mint(&format!("{round} a"), &["a"]).await, other.mint(&format!("{round} b"), &["a"]).await];
        for token in &tokens {
            assert_eq!(code(&one, &token.secret).await, "valid");
            assert_eq!(code(&other, &token.secret).await, "valid");
        }
        let revoked = one.admin().post("/auth/emergency-revoke", body()).await.expect(200);
        let confirmed = ids(&revoked["nodes"]["confirmed"]);
        for token in &tokens {
            assert_eq!(code(&one, &token.secret).await, "revoked");
            if confirmed.contains(&other.authority().node().to_string()) {
                assert_eq!(code(&other, &token.secret).await, "revoked");
            }
        }
        assert_eq!(confirmed, nodes(&[&one, &other]), "both nodes are well: {revoked}");
        assert_eq!(revoked["nodes"]["pending"], json!([]));
        // Whoever was spared is spared on both.
        assert_eq!(code(&other, one.admin_token()).await, "valid");
    }
    // A node that left in order is waited for no more.
    let gone = other.authority().node().to_string();
    other.stop().await;
    let revoked = one.admin().post("/auth/emergency-revoke", body()).await.expect(200);
    assert_eq!(ids(&revoked["nodes"]["confirmed"]), nodes(&[&one]), "without {gone}");
    assert_eq!(revoked["nodes"]["pending"], json!([]));
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_makes_the_other_knows_though_it_knew_it_as_unknown() {
    let Some((one, other)) = two_nodes().await else { return };
    let token = one.mint("hidden", &["a"]).await;
    let mut database = one.database().await;
    let (hash, hidden) = (database.bytes(&sha256(&token.secret)), database.bytes(&[7; 32]));
    let set =
        |hash: &str| format!("UPDATE service_tokens SET token_hash = {hash} WHERE token_name = 'hidden'");
    database.execute(&set(&hidden)).await;
    assert_eq!(code(&other, &token.secret).await, "not_found");
    database.execute(&set(&hash)).await;
    eventually("the other node knows it", async || code(&other, &token.secret).await == "valid").await;
    for round in 0..20 {
        let token = one.mint(&format!("round {round}"), &["a"]).await;
        assert_eq!(code(&other, &token.secret).await, "valid");
    }
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_rotations_on_two_nodes_one_wins() {
    let Some((one, other)) = two_nodes().await else { return };
    let old = one.mint("contended", &["a"]).await;
    let (path, callers) = (format!("{}/rotate", old.path()), [one.admin(), other.admin()]);
    let asked = (0..50).map(|number: usize| callers[number % 2].post(&path, json!({"reason": "race"})));
    let answers = futures::future::join_all(asked).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.refused(409, "rotation_in_progress");
    }
    let winner = Minted::of(won[0]);
    for app in [&one, &other] {
        assert_eq!(code(app, &winner.secret).await, "valid");
    }
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotency_key_counts_on_both_nodes() {
    let Some((one, other)) = two_nodes().await else { return };
    let callers = [&one, &other].map(|app| app.admin().with("idempotency-key", "0123456789abcdef"));
    let body = || json!({"token_name": "once", "permissions": ["a"]});
    let asked = (0..20).map(|number: usize| callers[number % 2].post("/auth/tokens", body()));
    let answers = futures::future::join_all(asked).await;
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.refused(409, "idempotency_in_progress");
    }
    let first = callers[0].post("/auth/tokens", body()).await;
    let again = callers[1].post("/auth/tokens", body()).await;
    assert_eq!(again.expect(201), first.expect(201));
    let made = answers.iter().filter(|answer| answer.status == 201);
    assert!(made.into_iter().all(|answer| answer.json() == first.json()), "{answers:?}");
    let list = one.admin().get("/auth/tokens?name=once").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_nodes_write_one_trail_and_one_count() {
    let Some((one, other)) = two_nodes().await else { return };
    let token = one.mint("used on both", &["a"]).await;
    for number in 0..10 {
        one.mint(&format!("one {number}"), &["a"]).await;
        other.mint(&format!("other {number}"), &["a"]).await;
        one.verify(&token.secret).await.decided("valid");
        other.verify(&token.secret).await.decided("valid");
    }
    one.recorded().await;
    other.recorded().await;
    let seen = other.admin().get(&token.path()).await.expect(200);
    assert_eq!(seen["usage_count"], 20);
    let verify = async || one.admin().get("/audit/security-events/verify").await.expect(200);
    eventually("all is sealed", async || verify().await["unsealed"] == 0).await;
    let chain = verify().await;
    // 21 tokens here, the first one, and the first signing key.
    assert_eq!((&chain["holds"], &chain["checked"]), (&json!(true), &json!(23)));
    let status = one.admin().get("/system/status").await.expect(200);
    let live: BTreeSet<_> = status["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|node| node["live"] == true)
        .map(|node| node["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(live, nodes(&[&one, &other]));
    other.stop().await;
    let status = one.admin().get("/system/status").await.expect(200);
    let live = status["nodes"].as_array().unwrap().iter().filter(|node| node["live"] == true).count();
    assert_eq!(live, 1, "{status}");
    one.stop().await;
}
