//! Two nodes over one PostgreSQL database.

use serde_json::{Value, json};

use crate::harness::{Engine, TestApp, eventually};

async fn two() -> Option<(TestApp, TestApp)> {
    let one = TestApp::start(Engine::Postgres).await?;
    assert_eq!(one.engine(), Engine::Postgres);
    let other = one.another(None, &[]).await;
    Some((one, other))
}

async fn leave((one, other): (TestApp, TestApp)) {
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_on_one_node_reaches_what_the_other_has_cached() {
    let Some((one, other)) = two().await else { return };
    for round in 0..10 {
        let token = one.mint(&format!("token {round}"), &["a"]).await;
        other.verify(&token.secret).await.decided("valid");
        one.admin().delete(&token.path()).await.expect(204);
        eventually("the other node denies", async || {
            other.verify(&token.secret).await.json()["code"] == "revoked"
        })
        .await;
    }
    leave((one, other)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_on_one_node_becomes_valid_on_one_that_knew_it_as_unknown() {
    let Some((one, other)) = two().await else { return };
    let unknown = format!("sk_{}", "0".repeat(64));
    other.verify(&unknown).await.decided("not_found");
    let token = one.mint("new", &["a"]).await;
    eventually("the other node knows it", async || {
        other.verify(&token.secret).await.json()["code"] == "valid"
    })
    .await;
    leave((one, other)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emergency_is_in_force_on_every_node_that_it_names_as_confirmed() {
    let Some((one, other)) = two().await else { return };
    let token = one.mint("cached on both", &["a"]).await;
    for node in [&one, &other] {
        node.verify(&token.secret).await.decided("valid");
    }
    // The second node is asked to confirm once it is known to listen.
    eventually("the other node hears this one", async || {
        let freshness = other.authority().verifier().freshness();
        freshness.lag_micros(keywright_verify::clock::boot_micros()).is_some()
    })
    .await;
    let body = json!({"reason": "breach", "scope": {"all": true}, "keep_caller": true});
    let answer = one.admin().post("/auth/emergency-revoke", body).await.expect(200);
    let confirmed: Vec<Value> = answer["nodes"]["confirmed"].as_array().unwrap().clone();
    for node in [&one, &other] {
        assert!(confirmed.contains(&json!(node.authority().node())), "{answer}");
        node.verify(&token.secret).await.decided("revoked");
        node.verify(one.admin_token()).await.decided("valid");
    }
    leave((one, other)).await;
}
