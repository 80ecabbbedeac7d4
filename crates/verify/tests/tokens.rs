//! Access tokens against a ring of keys that a test holds, fails and changes at will.

#![expect(clippy::unwrap_used, reason = "a test ends where something goes wrong")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keywright_core::{DenialCode, Epochs, PublisherId, Timestamp, TokenHash, Wanted};
use keywright_verify::jwt::PublicKey;
use keywright_verify::tokens::{FetchKeys, Fetched, Issuer, OwnIssuer, TokenOptions};
use keywright_verify::{AcceptedKey, AcceptedKeys, Clock, KeySource, Read, SourceError, Tokens, Unread};
use parking_lot::Mutex;
use serde_json::{Value, json};

const NOW: i64 = 1_700_000_000;

struct Nowhere;

impl FetchKeys for Nowhere {
    fn fetch<'a>(&'a self, _: &'a Issuer) -> Fetched<'a> {
        unreachable!("there is no other issuer")
    }
}

#[derive(Default)]
struct State {
    version: u64,
    keys: Vec<(&'static str, Option<Timestamp>)>,
    fails: bool,
}

#[derive(Clone, Default)]
struct Store {
    state: Arc<Mutex<State>>,
    loads: Arc<AtomicU64>,
}

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

impl KeySource for Store {
    async fn load_keys(&self) -> Result<AcceptedKeys, SourceError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let state = self.state.lock();
        if state.fails {
            return Err(SourceError::Unavailable("connection refused".to_owned()));
        }
        let key = |kid: &str| PublicKey::ed25519(kid, pair().public_key().as_ref()).unwrap();
        let keys = state.keys.iter();
        let keys = keys.map(|(kid, end)| AcceptedKey { key: key(kid), accepted_until: *end }).collect();
        Ok(AcceptedKeys { version: state.version, keys })
    }
}

struct Node {
    store: Store,
    clock: Arc<Clock>,
    tokens: Tokens<Store>,
}

impl Node {
    fn with_keys(keys: &[&'static str]) -> Self {
        let store = Store::default();
        *store.state.lock() =
            State { version: 1, keys: keys.iter().map(|kid| (*kid, None)).collect(), fails: false };
        let clock = Arc::new(Clock::manual(Timestamp::EPOCH.plus_seconds(NOW)));
        let own = OwnIssuer { issuer: "https://i".into(), audience: "a".into() };
        let options = TokenOptions { own, issuers: Vec::new(), fetcher: Arc::new(Nowhere), capacity: 8 };
        let tokens = Tokens::new(store.clone(), Arc::clone(&clock), options);
        Self { store, clock, tokens }
    }

    fn change(&self, keys: &[(&'static str, Option<Timestamp>)]) {
        let mut state = self.store.state.lock();
        state.version += 1;
        state.keys = keys.to_vec();
    }

    fn loads(&self) -> u64 {
        self.store.loads.load(Ordering::SeqCst)
    }

    async fn read(&self, token: &str, version: u64) -> Result<Arc<Read>, Unread> {
        self.tokens.read(TokenHash::of(token.as_bytes()), token.as_bytes(), in_force(version)).await
    }

    fn holds(&self, token: &str, read: &Read, version: u64) -> bool {
        self.tokens.holds(&TokenHash::of(token.as_bytes()), read, in_force(version), self.clock.boot_micros())
    }
}

fn in_force(keys: u64) -> Epochs {
    Epochs { keys, ..Epochs::default() }
}

fn token(kid: &str, changes: &Value) -> String {
    let mut claims = json!({
        "iss": "https://i", "aud": ["a"], "type": "user", "exp": NOW + 900, "permissions": ["a:b"],
        "session_id": "01900000-0000-7000-8000-000000000001", "publisher_id": null,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let encode = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
    let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid}).to_string();
    let signed = format!("{}.{}", encode(header), encode(claims.to_string()));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(pair().sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

#[tokio::test(start_paused = true)]
async fn a_verified_token_is_remembered_with_its_key() {
    let node = Node::with_keys(&["k"]);
    let token = token("k", &json!({}));
    let hash = TokenHash::of(token.as_bytes());
    assert!(node.tokens.peek(&hash).is_none());
    let read = node.read(&token, 1).await.unwrap();
    assert!(node.holds(&token, &node.tokens.peek(&hash).unwrap(), 1));
    assert_eq!(node.loads(), 1);
    // A ring that is older than what is known of the credential proves nothing.
    assert!(!node.holds(&token, &read, 2));
    node.change(&[("k", None), ("l", None)]);
    node.tokens.renew(in_force(2)).await.unwrap();
    assert!(node.holds(&token, &read, 2), "the key is still there");
    node.change(&[("l", None)]);
    node.tokens.renew(in_force(3)).await.unwrap();
    assert!(!node.holds(&token, &read, 3));
    assert!(node.tokens.peek(&hash).is_none(), "it went with its key");
    assert_eq!(node.read(&token, 3).await.unwrap_err(), Unread::Denied(DenialCode::NotFound));
}

#[tokio::test(start_paused = true)]
async fn a_retired_key_counts_until_its_end() {
    let node = Node::with_keys(&["k"]);
    let token = token("k", &json!({}));
    let read = node.read(&token, 1).await.unwrap();
    node.change(&[("k", Some(node.clock.now().plus_seconds(60)))]);
    node.tokens.renew(in_force(2)).await.unwrap();
    assert!(!node.holds(&token, &read, 2), "it is verified anew, to learn of the end");
    let read = node.read(&token, 2).await.unwrap();
    assert!(node.holds(&token, &read, 2));
    node.clock.advance(60_000_000);
    assert!(!node.holds(&token, &read, 2));
    assert_eq!(node.read(&token, 2).await.unwrap_err(), Unread::Denied(DenialCode::NotFound));
}

#[tokio::test(start_paused = true)]
async fn names_that_are_made_up_cost_the_store_little() {
    let node = Node::with_keys(&["k"]);
    for number in 0..50 {
        let token = token(&format!("made up {number}"), &json!({}));
        assert_eq!(node.read(&token, 1).await.unwrap_err(), Unread::Denied(DenialCode::NotFound));
    }
    assert_eq!(node.loads(), 1);
    node.change(&[("l", None)]);
    node.clock.advance(2_000_000);
    assert!(node.read(&token("l", &json!({})), 1).await.is_ok());
    assert_eq!(node.loads(), 2);
    // One that is in force is read at once.
    node.change(&[("m", None)]);
    assert!(node.read(&token("m", &json!({})), 3).await.is_ok());
    assert_eq!(node.loads(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_keys_are_read_once_however_many_wait() {
    let node = Node::with_keys(&["k"]);
    let tokens: Vec<_> = (0..50).map(|number| token("k", &json!({"jti": number.to_string()}))).collect();
    let reads = futures::future::join_all(tokens.iter().map(|token| node.read(token, 1))).await;
    assert!(reads.iter().all(Result::is_ok));
    assert_eq!(node.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_no_statement_about_a_token() {
    let node = Node::with_keys(&["k"]);
    node.store.state.lock().fails = true;
    assert_eq!(node.read(&token("k", &json!({})), 1).await.unwrap_err(), Unread::Unavailable);
    node.store.state.lock().fails = false;
    let good = token("k", &json!({}));
    let read = node.read(&good, 1).await.unwrap();
    node.store.state.lock().fails = true;
    assert!(node.holds(&good, &read, 1), "what is known is known");
    assert_eq!(node.tokens.renew(in_force(2)).await.unwrap_err(), Unread::Unavailable);
    node.clock.advance(2_000_000);
    assert_eq!(node.read(&token("l", &json!({})), 1).await.unwrap_err(), Unread::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_asked_about_for_its_own_publisher_alone() {
    let node = Node::with_keys(&["k"]);
    let home: PublisherId = "01900000-0000-7000-8000-000000000002".parse().unwrap();
    let other: PublisherId = "01900000-0000-7000-8000-000000000003".parse().unwrap();
    let read = node.read(&token("k", &json!({"publisher_id": home})), 1).await.unwrap();
    for (publisher, elsewhere) in [(None, false), (Some(home), false), (Some(other), true)] {
        let asked = read.asked(publisher);
        assert_eq!(asked.elsewhere, elsewhere);
        assert_eq!(asked.wanted.publisher(), Some(home));
        assert_eq!(asked.key, asked.wanted.key());
    }
    let read = node.read(&token("k", &json!({})), 1).await.unwrap();
    for publisher in [None, Some(home)] {
        let asked = read.asked(publisher);
        assert!(!asked.elsewhere && matches!(asked.wanted, Wanted::Session { .. }));
        assert_eq!((asked.wanted.publisher(), asked.key), (publisher, asked.wanted.key()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_ended_already_is_read_and_not_remembered() {
    let node = Node::with_keys(&["k"]);
    let token = token("k", &json!({"exp": NOW - 30}));
    assert!(node.read(&token, 1).await.is_ok());
    assert_eq!(node.tokens.remembered(), 0);
}
