//! Another issuer: its keys, its discovery document, and its moods, over real HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use keywright_core::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::TestApp;
use super::people::{TestKey, merged};

/// How an issuer answers.
#[derive(Clone)]
pub(crate) enum Mood {
    Well,
    Fails,
    /// Never answers.
    Silent,
    Redirects(String),
    Huge,
    Names(String),
}

struct Shared {
    base: String,
    keys: Mutex<Vec<Value>>,
    mood: Mutex<Mood>,
    asked: AtomicU64,
}

/// An issuer that listens on a port of this machine.
pub(crate) struct TestIssuer {
    shared: Arc<Shared>,
    key: TestKey,
}

impl TestIssuer {
    /// One with a key named `k1`.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let key = TestKey::new(31);
        let shared = Arc::new(Shared {
            base,
            keys: Mutex::new(vec![key.jwk("k1")]),
            mood: Mutex::new(Mood::Well),
            asked: AtomicU64::new(0),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { shared, key }
    }

    pub(crate) fn url(&self) -> &str {
        &self.shared.base
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.shared.mood.lock() = mood;
    }

    /// Publishes the key under these names from now on.
    pub(crate) fn publish(&self, kids: &[&str]) {
        *self.shared.keys.lock() = kids.iter().map(|kid| self.key.jwk(kid)).collect();
    }

    /// How often it was asked for its keys.
    pub(crate) fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// A token about somebody, with some claims changed; `null` takes one away.
    pub(crate) fn token(&self, app: &TestApp, kid: &str, changes: &Value) -> String {
        self.token_at(app.now(), kid, changes)
    }

    /// The same made at a moment.
    pub(crate) fn token_at(&self, now: Timestamp, kid: &str, changes: &Value) -> String {
        let now = now.as_micros() / 1_000_000;
        let claims = json!({
            "iss": self.url(), "aud": ["keywright"], "sub": "idp|1", "email": "ada@example.com",
            "iat": now, "exp": now + 900,
        });
        self.key.sign(&json!({"alg": "EdDSA", "typ": "JWT", "kid": kid}), &merged(claims, changes))
    }
}

async fn discovery(State(shared): State<Arc<Shared>>) -> Response {
    let base = &shared.base;
    let jwks_uri = match &*shared.mood.lock() {
        Mood::Names(url) => url.clone(),
        _ => format!("{base}/keys"),
    };
    json!({"issuer": base, "jwks_uri": jwks_uri}).to_string().into_response()
}

async fn keys(State(shared): State<Arc<Shared>>) -> Response {
    shared.asked.fetch_add(1, Ordering::SeqCst);
    let mood = shared.mood.lock().clone();
    let keys = json!({"keys": *shared.keys.lock()}).to_string();
    match mood {
        Mood::Well | Mood::Names(_) => keys.into_response(),
        Mood::Fails => (StatusCode::INTERNAL_SERVER_ERROR, keys).into_response(),
        Mood::Silent => std::future::pending().await,
        Mood::Redirects(to) => (StatusCode::FOUND, [("location", to)]).into_response(),
        Mood::Huge => " ".repeat(1 << 20).into_response(),
    }
}
