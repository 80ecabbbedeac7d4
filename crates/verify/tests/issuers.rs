//! The keys of another issuer, which a test rotates, holds and fails at will.

#![expect(clippy::unwrap_used, reason = "a test ends where something goes wrong")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keywright_core::{DenialCode, Epochs, Mapping, Timestamp, TokenHash, Wanted};
use keywright_verify::jwt::Algorithm;
use keywright_verify::tokens::{FetchKeys, Fetched, Issuer, MappingRules, OwnIssuer, TokenOptions};
use keywright_verify::{AcceptedKeys, Clock, KeySource, Read, SourceError, Tokens, Unread};
use parking_lot::Mutex;
use serde_json::{Value, json};

const NOW: i64 = 1_700_000_000;
const NOT_FOUND: Unread = Unread::Denied(DenialCode::NotFound);
const MALFORMED: Unread = Unread::Denied(DenialCode::Malformed);

struct NoKeys;

impl KeySource for NoKeys {
    async fn load_keys(&self) -> Result<AcceptedKeys, SourceError> {
        Ok(AcceptedKeys::default())
    }
}

#[derive(Clone)]
enum Mode {
    Keys(Vec<&'static str>),
    Fail,
    Silent,
}

struct Site {
    mode: Mutex<Mode>,
    asked: AtomicU64,
}

impl FetchKeys for Site {
    fn fetch<'a>(&'a self, _: &'a Issuer) -> Fetched<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mode = self.mode.lock().clone();
        Box::pin(async move {
            tokio::task::yield_now().await;
            match mode {
                Mode::Keys(kids) => {
                    let x = encode(pair().public_key());
                    let jwk = |kid: &&str| json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x});
                    Ok(json!({"keys": kids.iter().map(jwk).collect::<Vec<_>>()}).to_string().into_bytes())
                }
                Mode::Fail => Err("answered 500".to_owned()),
                Mode::Silent => std::future::pending().await,
            }
        })
    }
}

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

struct Node {
    site: Arc<Site>,
    clock: Arc<Clock>,
    tokens: Tokens<NoKeys>,
}

fn issuer(name: &str) -> Issuer {
    Issuer {
        name: name.into(),
        issuer: format!("https://{name}").into(),
        audiences: ["us".into()].into(),
        algorithms: [Algorithm::EdDsa].into(),
        jwks_url: None,
        rules: MappingRules { email_domains: ["example.com".into()].into(), ..MappingRules::default() },
    }
}

impl Node {
    fn new(mode: Mode) -> Self {
        let clock = Arc::new(Clock::manual(Timestamp::EPOCH.plus_seconds(NOW)));
        let site = Arc::new(Site { mode: Mutex::new(mode), asked: AtomicU64::new(0) });
        let own = OwnIssuer { issuer: "https://i".into(), audience: "a".into() };
        let issuers = vec![issuer("one"), issuer("two")];
        let fetcher = Arc::clone(&site) as Arc<dyn FetchKeys>;
        let options = TokenOptions { own, issuers, fetcher, capacity: 8 };
        let tokens = Tokens::new(NoKeys, Arc::clone(&clock), options);
        Self { site, clock, tokens }
    }

    fn set(&self, mode: Mode) {
        *self.site.mode.lock() = mode;
    }

    fn asked(&self) -> u64 {
        self.site.asked.load(Ordering::SeqCst)
    }

    async fn read(&self, token: &str) -> Result<Arc<Read>, Unread> {
        self.tokens.read(TokenHash::of(token.as_bytes()), token.as_bytes(), Epochs::default()).await
    }

    fn holds(&self, token: &str, read: &Read) -> bool {
        let hash = TokenHash::of(token.as_bytes());
        self.tokens.holds(&hash, read, Epochs::default(), self.clock.boot_micros())
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance(seconds * 1_000_000);
    }
}

fn token_with(header: &Value, changes: &Value) -> String {
    let mut claims = json!({
        "iss": "https://one", "aud": "us", "sub": "1", "email": "ada@example.com", "exp": NOW + 1_000_000,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let signature = encode(pair().sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn token(kid: &str) -> String {
    token_with(&json!({"alg": "EdDSA", "kid": kid}), &json!({}))
}

#[tokio::test(start_paused = true)]
async fn a_token_is_read_by_the_keys_of_its_issuer() {
    let node = Node::new(Mode::Keys(vec!["k"]));
    let read = node.read(&token("k")).await.unwrap();
    let Wanted::External { identity, publisher: None } = read.asked(None).wanted else { panic!() };
    assert_eq!((&*identity.issuer, &*identity.subject), ("https://one", "1"));
    assert!(matches!(&identity.mapping, Mapping::User { email, .. } if **email == *"ada@example.com"));
    assert_eq!(node.asked(), 1, "the other issuer is not asked");
    assert!(node.holds(&token("k"), &read) && node.tokens.remembered() == 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_issuer_does_not_vouch_for_is_refused() {
    let node = Node::new(Mode::Keys(vec!["k"]));
    let header = json!({"alg": "EdDSA", "kid": "k"});
    for (changes, expected) in [
        (json!({"aud": "others"}), NOT_FOUND),
        (json!({"iss": "https://three"}), NOT_FOUND),
        (json!({"iss": "https://one/"}), NOT_FOUND),
        (json!({"email": "ada@elsewhere.test"}), NOT_FOUND),
        (json!({"email_verified": false}), NOT_FOUND),
        (json!({"nbf": NOW + 31}), NOT_FOUND),
        (json!({"exp": "9"}), MALFORMED),
    ] {
        assert_eq!(node.read(&token_with(&header, &changes)).await.unwrap_err(), expected, "{changes}");
    }
    for (header, expected) in [
        (json!({"alg": "RS256", "kid": "k"}), MALFORMED),
        (json!({"alg": "EdDSA", "kid": "k", "typ": "logout+jwt"}), MALFORMED),
        (json!({"alg": "EdDSA"}), NOT_FOUND),
    ] {
        assert_eq!(node.read(&token_with(&header, &json!({}))).await.unwrap_err(), expected, "{header}");
    }
    assert_eq!(node.tokens.remembered(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_asked_for_at_most_twice_a_minute() {
    let node = Node::new(Mode::Keys(vec!["k"]));
    node.read(&token("k")).await.unwrap();
    node.set(Mode::Keys(vec!["l"]));
    for number in 0..20 {
        assert_eq!(node.read(&token(&format!("made up {number}"))).await.unwrap_err(), NOT_FOUND);
    }
    assert_eq!(node.read(&token("l")).await.unwrap_err(), NOT_FOUND, "not yet");
    assert_eq!(node.asked(), 1);
    let old = node.read(&token("k")).await.unwrap();
    node.pass(30);
    node.read(&token("l")).await.unwrap();
    assert_eq!(node.asked(), 2);
    assert!(!node.holds(&token("k"), &old), "what the old keys proved went with them");
    assert_eq!(node.read(&token("k")).await.unwrap_err(), NOT_FOUND);
    assert_eq!(node.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_bridged_with_known_keys_for_a_day() {
    let node = Node::new(Mode::Keys(vec!["k"]));
    let read = node.read(&token("k")).await.unwrap();
    node.set(Mode::Fail);
    node.pass(24 * 3_600 - 1);
    assert_eq!(node.read(&token("unknown")).await.unwrap_err(), Unread::Unavailable, "nobody can know");
    assert_eq!(node.read(&token("unknown")).await.unwrap_err(), Unread::Unavailable);
    assert_eq!(node.asked(), 2);
    assert!(node.holds(&token("k"), &read));
    node.read(&token("k")).await.unwrap();
    node.pass(1);
    assert!(!node.holds(&token("k"), &read));
    assert_eq!(node.read(&token("k")).await.unwrap_err(), Unread::Unavailable);
    node.set(Mode::Keys(vec!["k"]));
    node.pass(30);
    node.read(&token("k")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_issuer_slows_nobody_else_and_is_asked_once() {
    let node = Node::new(Mode::Silent);
    let tokens: Vec<_> = (0..20)
        .map(|n| token_with(&json!({"alg": "EdDSA", "kid": "k"}), &json!({"jti": n.to_string()})))
        .collect();
    let reads = futures::future::join_all(tokens.iter().map(|token| node.read(token))).await;
    assert!(reads.iter().all(|read| read.as_ref().is_err_and(|error| *error == Unread::Unavailable)));
    assert_eq!(node.asked(), 1);
    node.set(Mode::Keys(vec!["k"]));
    let other = token_with(&json!({"alg": "EdDSA", "kid": "k"}), &json!({"iss": "https://two"}));
    node.read(&other).await.unwrap();
    // The silent fetch is given up, and the next one finds the keys.
    tokio::time::sleep(Duration::from_secs(11)).await;
    node.pass(30);
    node.read(&token("k")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_in_the_background() {
    let node = Node::new(Mode::Keys(vec!["k"]));
    for task in node.tokens.fetching() {
        tokio::spawn(task);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(node.asked(), 2, "one for each issuer");
    tokio::time::sleep(Duration::from_mins(11)).await;
    assert_eq!(node.asked(), 4);
    node.set(Mode::Fail);
    tokio::time::sleep(Duration::from_mins(10)).await;
    let asked = node.asked();
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(node.asked() >= asked + 2, "more often while it is away");
    let status = node.tokens.issuers();
    assert_eq!((&*status[0].name, status[0].keys), ("one", 1));
    assert!(status[0].fetches >= 2 && status[0].failures >= 1);
}
