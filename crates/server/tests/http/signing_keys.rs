//! `/signing-keys` and `GET /.well-known/jwks.json` over time: the keys that are made, replaced and let go by
//! schedule and by command. By a clock that stands still until it is moved.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keywright_core::BuiltInRole::PlatformAdmin;
use serde_json::{Value, json};

use crate::harness::logins::{Person, Session};
use crate::harness::{Caller, Engine, TestApp, eventually, standing_still};

standing_still![
    a_key_is_published_ahead_signs_is_replaced_and_goes,
    of_many_that_keep_the_keys_at_once_one_makes_the_next,
    a_rotation_by_command_waits_until_everybody_can_know_the_key,
    a_rotation_that_revokes_is_in_force_at_once,
    a_rotation_is_made_once_for_its_idempotency_key,
];

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// The ids of the keys that are published.
async fn published(app: &TestApp) -> Vec<String> {
    let keys = app.nobody().get("/.well-known/jwks.json").await.expect(200);
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// An administrator whose token outlives the keys.
async fn lasting(app: &TestApp) -> Caller {
    let body = json!({"token_name": "lasting", "permissions": ["*"], "expires_at": null});
    app.bearing(&app.mint_as(body).await.secret)
}

/// All keys that are kept, oldest first, each with its state.
async fn kept(admin: &Caller) -> Vec<(String, String)> {
    let keys = admin.get("/signing-keys").await.expect(200);
    let text = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
    let mut keys: Vec<_> =
        keys["items"].as_array().unwrap().iter().map(|key| (text(key, "id"), text(key, "status"))).collect();
    keys.reverse();
    keys
}

async fn keep(app: &TestApp) {
    keywright_authority::signing_keys::keep(app.authority()).await.unwrap();
}

/// The key that signed an access token.
fn kid(session: &Session) -> String {
    let header = session.access.split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

async fn ada(app: &TestApp) -> Person {
    app.person("ada@example.com", Some(PlatformAdmin)).await
}

async fn code(app: &TestApp, session: &Session) -> Value {
    app.verify(&session.access).await.expect(200)["code"].clone()
}

async fn a_key_is_published_ahead_signs_is_replaced_and_goes(app: &TestApp) {
    let admin = lasting(app).await;
    let ada = ada(app).await;
    let first = published(app).await.remove(0);
    assert_eq!(kept(&admin).await, [(first.clone(), "active".to_owned())]);
    // Until a day before the ninety are over there is nothing to do.
    app.advance(89 * DAY - 1);
    keep(app).await;
    assert_eq!(published(app).await, std::slice::from_ref(&first));
    // Then the next one is published, and does not sign yet.
    app.advance(1);
    keep(app).await;
    let both = published(app).await;
    assert_eq!((both.len(), &both[0]), (2, &first));
    let second = both[1].clone();
    assert_eq!(kept(&admin).await[1], (second.clone(), "next".to_owned()));
    app.advance(DAY - 1);
    let old = app.login(&ada).await;
    assert_eq!(kid(&old), first);
    // From its time on it signs, whether or not the job has run; the old one's tokens are good to their end.
    app.advance(1);
    let new = app.login(&ada).await;
    assert_eq!(kid(&new), second);
    for session in [&old, &new] {
        assert_eq!(code(app, session).await, "valid");
    }
    keep(app).await;
    let states = kept(&admin).await;
    assert_eq!((&*states[0].1, &*states[1].1), ("retired", "active"));
    assert_eq!(published(app).await, both);
    let sealed = "SELECT COUNT(*) FROM signing_keys WHERE sealed_key IS NOT NULL";
    assert_eq!(app.database().await.number(sealed).await, 1, "what is never to sign again cannot");
    // Fifteen minutes, and half a minute for clocks that differ.
    app.advance(15 * 60 - 1 + 29);
    assert_eq!(code(app, &old).await, "valid");
    app.advance(1);
    assert_eq!(code(app, &old).await, "expired");
    // It stays published as long as the longest life that a token may have, an hour, and a minute.
    app.advance(HOUR + 60 - (15 * 60 + 29) - 1);
    keep(app).await;
    assert_eq!(kept(&admin).await[0], (first.clone(), "retired".to_owned()));
    assert_eq!(published(app).await, both);
    app.advance(1);
    assert_eq!(kept(&admin).await[0], (first.clone(), "over".to_owned()));
    let session = Session::of(&app.refresh(&new.refresh).await);
    assert_eq!(code(app, &session).await, "valid");
    // A month later nothing is left of it but its events.
    app.advance(30 * DAY - 1);
    keep(app).await;
    assert_eq!(kept(&admin).await.len(), 2);
    app.advance(1);
    keep(app).await;
    assert_eq!(published(app).await, std::slice::from_ref(&second));
    assert_eq!(kept(&admin).await, [(second, "active".to_owned())]);
    let events = admin.get("/audit/security-events?limit=200").await.expect(200);
    let events =
        events["items"].as_array().unwrap().iter().filter(|event| event["subject"]["id"] == json!(first));
    let kinds: Vec<_> = events.map(|event| event["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["signing_key.retired", "signing_key.created"]);
}

async fn of_many_that_keep_the_keys_at_once_one_makes_the_next(app: &TestApp) {
    let admin = lasting(app).await;
    app.advance(89 * DAY);
    futures::future::join_all((0..8).map(|_| keep(app))).await;
    assert_eq!(published(app).await.len(), 2);
    app.advance(DAY);
    futures::future::join_all((0..8).map(|_| keep(app))).await;
    let states: Vec<_> = kept(&admin).await.into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["retired", "active"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_make_one_key_and_both_sign_by_it_and_verify_what_the_old_one_signed() {
    let Some(one) = TestApp::start_still(Engine::Postgres, &[]).await else { return };
    let other = one.another_still().await;
    let (ada, admin) = (ada(&one).await, lasting(&one).await);
    let nodes = [&one, &other];
    let forward = |seconds: i64| nodes.iter().for_each(|node| node.advance(seconds));
    forward(89 * DAY);
    futures::future::join_all((0..8).map(|number| keep(nodes[number % 2]))).await;
    let both = published(&one).await;
    assert_eq!(both.len(), 2);
    eventually("the other node publishes it too", async || published(&other).await == both).await;
    forward(DAY - 1);
    let old = [one.login(&ada).await, other.login(&ada).await];
    forward(1);
    futures::future::join_all((0..8).map(|number| keep(nodes[number % 2]))).await;
    let new = [one.login(&ada).await, other.login(&ada).await];
    for (old, new) in old.iter().zip(&new) {
        assert_eq!([kid(old), kid(new)], [both[0].clone(), both[1].clone()]);
        for node in nodes {
            assert_eq!(code(node, old).await, "valid");
            assert_eq!(code(node, new).await, "valid");
        }
    }
    let body = json!({"reason": "leaked", "revoke": true});
    let rotated = admin.post("/signing-keys/rotate", body).await.expect(200);
    for session in old.iter().chain(&new) {
        assert_eq!(code(&one, session).await, "not_found");
        eventually("the other node denies", async || code(&other, session).await == "not_found").await;
    }
    let again = other.login(&ada).await;
    assert_eq!(json!(kid(&again)), rotated["key"]["id"]);
    assert_eq!(code(&one, &again).await, "valid");
    other.stop().await;
    one.stop().await;
}

async fn a_rotation_by_command_waits_until_everybody_can_know_the_key(app: &TestApp) {
    let admin = lasting(app).await;
    let ada = ada(app).await;
    let first = published(app).await.remove(0);
    let body = json!({"reason": "drill"});
    let rotated = admin.post("/signing-keys/rotate", body).await.expect(200);
    assert_eq!((&rotated["key"]["status"], &rotated["revoked"]), (&json!("next"), &json!([])));
    assert_eq!(published(app).await.len(), 2);
    // Others may keep the published keys for five minutes.
    app.advance(299);
    let old = app.login(&ada).await;
    assert_eq!(kid(&old), first);
    app.advance(1);
    let new = app.login(&ada).await;
    assert_eq!(json!(kid(&new)), rotated["key"]["id"]);
    assert_eq!(code(app, &old).await, "valid");
    keep(app).await;
    assert_eq!(kept(&admin).await.len(), 2, "the schedule counts from the newest key");
    assert_eq!(code(app, &old).await, "valid");
}

async fn a_rotation_that_revokes_is_in_force_at_once(app: &TestApp) {
    let admin = lasting(app).await;
    let ada = ada(app).await;
    let old = app.login(&ada).await;
    assert_eq!(code(app, &old).await, "valid");
    let loads = app.loads();
    assert_eq!(code(app, &old).await, "valid");
    assert_eq!(app.loads(), loads, "it is answered from the cache");
    let body = json!({"reason": "leaked", "revoke": true});
    let rotated = admin.post("/signing-keys/rotate", body).await.expect(200);
    assert_eq!(code(app, &old).await, "not_found");
    app.bearing(&old.access).get("/auth/me").await.refused(401, "not_found");
    assert_eq!(rotated["revoked"], json!([kid(&old)]));
    assert_eq!(json!(published(app).await), json!([rotated["key"]["id"]]));
    // The session goes on: nobody has to log in again.
    let new = Session::of(&app.refresh(&old.refresh).await);
    assert_eq!(json!(kid(&new)), rotated["key"]["id"]);
    assert_eq!(code(app, &new).await, "valid");
}

async fn a_rotation_is_made_once_for_its_idempotency_key(app: &TestApp) {
    let admin = lasting(app).await;
    let keyed = admin.with("idempotency-key", "0123456789abcdef");
    for (number, revoke) in [(1, false), (2, true)] {
        let keyed = if revoke { admin.with("idempotency-key", "fedcba9876543210") } else { keyed.clone() };
        let rotate = async |reason: &str| {
            keyed.post("/signing-keys/rotate", json!({"reason": reason, "revoke": revoke})).await
        };
        let first = rotate("drill").await;
        assert_eq!(first.header("idempotency-replayed"), "");
        let made = kept(&admin).await.len();
        assert_eq!(made, number + 1);
        // Whatever has become of the key since: that it signs, or was revoked.
        app.advance(HOUR);
        for _ in 0..5 {
            let again = rotate("drill").await;
            assert_eq!((again.expect(200), again.header("idempotency-replayed")), (first.json(), "true"));
            rotate("another").await.refused(409, "idempotency_mismatch");
        }
        assert_eq!(kept(&admin).await.len(), made);
    }
    let asked = (0..10).map(|_| {
        let keyed = admin.with("idempotency-key", "0123456789abcdef-2");
        async move { keyed.post("/signing-keys/rotate", json!({"reason": "at once"})).await }
    });
    let answers = futures::future::join_all(asked).await;
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.refused(409, "idempotency_in_progress");
    }
    assert!(answers.iter().any(|answer| answer.status == 200));
    assert_eq!(kept(&admin).await.len(), 4);
    app.advance(DAY);
    keyed.post("/signing-keys/rotate", json!({"reason": "drill"})).await.expect(200);
    assert_eq!(kept(&admin).await.len(), 5, "a day later it is a new request");
}
