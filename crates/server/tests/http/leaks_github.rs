//! `POST /leaks/github`: messages of GitHub's secret scanning, by the partner program's protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{Answer, Caller, Engine, TestApp, sha256};

const INFO: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

struct Key {
    pair: EcdsaKeyPair,
    name: &'static str,
}

#[expect(clippy::disallowed_methods, reason = "a key of a test")]
fn random() -> SystemRandom {
    SystemRandom::new()
}

impl Key {
    fn new(name: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self { pair, name }
    }

    fn public(&self) -> Value {
        let info = [hex::decode(INFO).unwrap(), self.pair.public_key().as_ref().to_vec()].concat();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            BASE64_STANDARD.encode(info)
        );
        json!({"key_identifier": self.name, "key": pem, "is_current": true})
    }

    fn sign(&self, body: &str) -> Vec<u8> {
        self.pair.sign(&random(), body.as_bytes()).unwrap().as_ref().to_vec()
    }
}

#[derive(Default)]
struct Github {
    /// None: it fails.
    keys: Mutex<Option<Vec<Value>>>,
    asked: AtomicU64,
}

impl Github {
    async fn start() -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let own = Arc::new(Self::default());
        let answer = async |State(own): State<Arc<Self>>| {
            own.asked.fetch_add(1, Ordering::SeqCst);
            let keys = own.keys.lock().clone();
            keys.map(|keys| json!({"public_keys": keys}).to_string()).ok_or(StatusCode::BAD_GATEWAY)
        };
        let router = Router::new().route("/keys", get(answer)).with_state(Arc::clone(&own));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (own, url)
    }

    fn publish(&self, keys: &[&Key]) {
        *self.keys.lock() = Some(keys.iter().map(|key| key.public()).collect());
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A node on each engine that believes a GitHub of its own.
async fn on_each_engine(check: impl AsyncFn(&TestApp, &Github)) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let (github, url) = Github::start().await;
        let Some(app) = TestApp::start_with(engine, &[("leaks.github_keys_url", &url)]).await else {
            continue;
        };
        check(&app, &github).await;
        app.stop().await;
    }
}

async fn send(caller: &Caller, key: &str, signature: &str, body: &str) -> Answer {
    caller
        .with("github-public-key-identifier", key)
        .with("github-public-key-signature", signature)
        .send_bytes("POST", "/leaks/github", body.as_bytes().to_vec())
        .await
}

async fn signed(app: &TestApp, key: &Key, body: &str) -> Answer {
    send(&app.nobody(), key.name, &BASE64_STANDARD.encode(key.sign(body)), body).await
}

fn message(token: &str) -> String {
    json!([{"token": token, "type": "keywright_service_token", "url": "https://github.com/o/r/blob/1/x#L1",
        "source": "content"}])
    .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_github_signed_is_revoked_and_answered_as_its_protocol_asks() {
    on_each_engine(async |app, github| {
        let key = Key::new("k1");
        github.publish(&[&key]);
        let token = app.mint("leaked", &["a"]).await;
        let nobodys = format!("sk_{}", "0e".repeat(32));
        let body = json!([
            {"token": token.secret, "type": "keywright_service_token", "url": "https://github.com/x", "source": "commit"},
            {"token": nobodys, "type": "keywright_service_token", "url": "", "new member": 1},
        ])
        .to_string();
        let expected = json!([
            {"token_hash": hex::encode(sha256(&token.secret)), "token_type": "keywright_service_token", "label": "true_positive"},
            {"token_hash": hex::encode(sha256(&nobodys)), "token_type": "keywright_service_token", "label": "false_positive"},
        ]);
        // A replay is harmless: it says the same again and tells nobody.
        for _ in 0..3 {
            assert_eq!(signed(app, &key, &body).await.expect(200), expected);
        }
        app.verify(&token.secret).await.decided("revoked");
        let told = app.admin().get(&format!("{}/security-events", token.path())).await.expect(200);
        let told: Vec<_> =
            told["items"].as_array().unwrap().iter().filter(|event| event["type"] == "leak.reported").collect();
        assert_eq!(told.len(), 1);
        let alerts = app.admin().get("/alerts?kind=leak_reported").await.expect(200);
        assert_eq!(alerts["items"].as_array().unwrap().len(), 1);
        assert_eq!(
            told[0]["details"],
            json!({"found_in": "https://github.com/x", "source": "github", "revoked": true})
        );
        assert_eq!(github.asked(), 1);
        for (table, text) in app.database().await.dump().await {
            assert!(!text.contains(&token.secret), "{table}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_github_did_not_sign_does_nothing() {
    on_each_engine(async |app, github| {
        let (key, other) = (Key::new("k1"), Key::new("k2"));
        github.publish(&[&key, &other]);
        let token = app.mint("alive", &["a"]).await;
        let body = message(&token.secret);
        let good = BASE64_STANDARD.encode(key.sign(&body));
        let changed = body.replace("content", "Content");
        let mut malleated = key.sign(&body);
        *malleated.last_mut().unwrap() ^= 1;
        let mut trailing = key.sign(&body);
        trailing.push(0);
        let [malleated, trailing] = [malleated, trailing].map(|bytes| BASE64_STANDARD.encode(bytes));
        for (name, signature, body) in [
            ("k2", good.as_str(), body.as_str()),
            ("k3", &good, &body),
            ("", &good, &body),
            ("k1", &good, &changed),
            ("k1", &malleated, &body),
            ("k1", &trailing, &body),
            ("k1", "", &body),
            ("k1", "!", &body),
            ("k1", &good[..20], &body),
        ] {
            send(&app.nobody(), name, signature, body).await.refused(401, "invalid_signature");
        }
        app.nobody()
            .send_bytes("POST", "/leaks/github", body.clone().into_bytes())
            .await
            .refused(401, "invalid_signature");
        app.verify(&token.secret).await.decided("valid");
        // What is signed and is no list of matches is refused, whole.
        for bad in ["", "{}", "[1]", "[{\"token\": \"x\"}]", "[{\"type\": \"x\"}]"] {
            signed(app, &key, bad).await.refused(400, "invalid_json");
        }
        let many: Vec<_> = (0..1_001).map(|_| json!({"token": "x", "type": "t"})).collect();
        signed(app, &key, &json!(many).to_string()).await.refused(413, "payload_too_large");
        let huge = " ".repeat(1 << 20) + "[]";
        signed(app, &key, &huge).await.refused(413, "payload_too_large");
        assert_eq!(signed(app, &key, "[]").await.expect(200), json!([]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_is_asked_for_and_strangers_make_nobody_ask() {
    on_each_engine(async |app, github| {
        let (old, new, never) = (Key::new("k1"), Key::new("k2"), Key::new("k3"));
        github.publish(&[&old]);
        signed(app, &old, "[]").await.expect(200);
        github.publish(&[&new]);
        signed(app, &new, "[]").await.expect(200);
        assert_eq!(github.asked(), 2);
        // The one that is published no more signs no more.
        for _ in 0..5 {
            signed(app, &old, "[]").await.refused(401, "invalid_signature");
            signed(app, &never, "[]").await.refused(401, "invalid_signature");
        }
        assert_eq!(github.asked(), 3);
        signed(app, &new, "[]").await.expect(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_keys_nothing_is_believed_and_github_may_try_again() {
    on_each_engine(async |app, github| {
        let key = Key::new("k1");
        let token = app.mint("alive", &["a"]).await;
        for _ in 0..3 {
            signed(app, &key, &message(&token.secret)).await.refused(503, "unavailable");
        }
        assert_eq!(github.asked(), 1);
        app.verify(&token.secret).await.decided("valid");
    })
    .await;
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(app) = TestApp::start_with(engine, &[("file", "[leaks]\ngithub_keys_url = \"\"\n")]).await
        else {
            continue;
        };
        send(&app.nobody(), "k1", "", "[]").await.refused(409, "not_configured");
        app.stop().await;
    }
}
