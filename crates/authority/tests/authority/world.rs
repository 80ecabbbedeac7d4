//! An authority over a store of its own, and what tests do with it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use keywright_authority::connector::Connector;
use keywright_authority::rotations::RotationSettings;
use keywright_authority::service_tokens::{self, Create, Expiry, Holder, Target, Update};
use keywright_authority::{
    Authority, Call, Fault, JwtSettings, Keys, MonitoringSettings, SessionSettings, Settings, entropy,
};
use keywright_core::decision::code_of;
use keywright_core::{
    Actor, ActorKind, ActorRef, Allowlist, Bearing, CredentialName, Metadata, NodeId, PlainToken, RateLimits,
    Requirements, ScopeSet, Timestamp, TokenHash, Wanted,
};
use keywright_store::service_tokens::ServiceTokenRow;
use keywright_store::testing::{TestStore, test_stores};
use keywright_store::{Engine, Store};
use keywright_verify::{Clock, Freshness, Lookup, Verifier, VerifierOptions};
use zeroize::Zeroizing;

use crate::raw::Raw;

/// A store with one authority over it, which nobody else changes.
pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) store: TestStore,
}

/// A token with its secret.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) row: ServiceTokenRow,
    pub(crate) secret: PlainToken,
}

/// One on each engine, by a clock that stands still until it is moved.
pub(crate) async fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for store in test_stores().await {
        worlds.push(World::over(store));
    }
    worlds
}

pub(crate) fn settings() -> Settings {
    Settings {
        default_expiry_days: 90,
        max_per_account: 100_000,
        max_per_user: 100,
        retention_days: 400,
        failure_retention_days: 400,
        jwt: JwtSettings { issuer: Some("https://auth.example.com".to_owned()), ..JwtSettings::default() },
        sessions: SessionSettings::default(),
        stale_grace: Duration::from_mins(1),
        post: None,
        notifies: true,
        connector: Connector::new(&["127.0.0.0/8".parse().unwrap()]).unwrap(),
        monitoring: Some(MonitoringSettings::default()),
        rotation: RotationSettings::default(),
    }
}

pub(crate) fn keys(seeds: &[u8]) -> Keys {
    Keys::new(seeds.iter().map(|seed| Zeroizing::new([*seed; 32]))).unwrap()
}

pub(crate) fn noon() -> Timestamp {
    "2027-03-01T12:00:00Z".parse().unwrap()
}

pub(crate) fn verifier(store: &Store, clock: Clock, freshness: Freshness) -> Verifier<Store> {
    let options = VerifierOptions {
        cache_capacity: 10_000,
        unknown_capacity: 1_000,
        max_loads: 8,
        max_waiting: 1_000,
        stale_grace_micros: 60_000_000,
    };
    Verifier::new(store.clone(), Arc::new(clock), freshness, &options)
}

/// Another authority over the same database. What it caches stays until it is told otherwise.
pub(crate) fn authority(store: &Store, clock: Clock, keys: Keys) -> Authority {
    authority_with(store, clock, keys, settings())
}

/// The same with settings of its own.
pub(crate) fn authority_with(store: &Store, clock: Clock, keys: Keys, settings: Settings) -> Authority {
    let verifier = verifier(store, clock, Freshness::alone());
    let node = NodeId::generate(noon(), entropy::id());
    Authority::new(store.clone(), verifier, keys, node, settings)
}

impl World {
    pub(crate) fn over(store: TestStore) -> Self {
        Self::with(store, settings())
    }

    /// The same with settings of its own.
    pub(crate) fn with(store: TestStore, settings: Settings) -> Self {
        Self { authority: authority_with(&store, Clock::manual(noon()), keys(&[1]), settings), store }
    }

    pub(crate) fn engine(&self) -> Engine {
        self.store.engine()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.authority.now()
    }

    pub(crate) fn advance_seconds(&self, seconds: i64) {
        self.authority.clock().advance(seconds * 1_000_000);
    }

    pub(crate) async fn raw(&self) -> Raw {
        Raw::to(&self.store).await
    }

    /// A token that the operator makes.
    pub(crate) async fn token(&self, name: &str, permissions: &[&str]) -> Made {
        made(service_tokens::create(&self.authority, operator(), wanted(name, permissions)).await)
    }

    pub(crate) async fn row(&self, of: &Made) -> ServiceTokenRow {
        let call = operator();
        service_tokens::get(&self.authority, &call, of.row.id).await.unwrap().0
    }

    pub(crate) async fn verdict(&self, of: &Made) -> &'static str {
        verdict(&self.authority, of.secret.hash()).await
    }

    pub(crate) async fn update(&self, call: Call, of: &Made, update: Update) -> Result<(), Fault> {
        service_tokens::update(&self.authority, call, of.row.id, update).await.map(drop)
    }

    pub(crate) async fn revoke(&self, of: &Made) {
        let target = Target::Id(of.row.id);
        service_tokens::revoke(&self.authority, operator(), target, None).await.unwrap();
    }
}

pub(crate) fn name(text: &str) -> CredentialName {
    CredentialName::parse(text).unwrap()
}

pub(crate) fn scopes(texts: &[&str]) -> ScopeSet {
    ScopeSet::parse(texts).unwrap()
}

pub(crate) fn wanted(token_name: &str, permissions: &[&str]) -> Create {
    Create {
        holder: Holder::Nobody,
        token_name: name(token_name),
        permissions: Some(scopes(permissions)),
        limits: RateLimits::UNLIMITED,
        allowlist: Allowlist::default(),
        metadata: Metadata::default(),
        expiry: Expiry::Default,
    }
}

pub(crate) fn made(outcome: Result<keywright_authority::idempotency::Minted, Fault>) -> Made {
    let minted = outcome.unwrap();
    Made { row: minted.token, secret: minted.secret.unwrap() }
}

/// The local operator, who waits for no other node.
pub(crate) fn operator() -> Call {
    Call { confirm: false, ..Call::operator("test") }
}

/// A call by a token, as the door lets it in.
pub(crate) fn by(token: &Made) -> Call {
    let row = &token.row;
    Call {
        actor: Actor::Bearer(Box::new(Bearing {
            wanted: Wanted::token(token.secret.hash()),
            credential_id: row.id,
            credential_name: row.token_name.as_str().to_owned(),
            principal: ActorRef {
                kind: ActorKind::ServiceToken,
                id: Some(row.id.0),
                name: row.token_name.as_str().to_owned(),
            },
            home: None,
            claimed: None,
            address: None,
        })),
        permissions: row.permissions.clone(),
        ..operator()
    }
}

/// What a verification without further wishes answers.
pub(crate) async fn verdict(authority: &Authority, hash: TokenHash) -> &'static str {
    let verifier = authority.verifier();
    match verifier.resolve(&Wanted::token(hash), None).await {
        Lookup::Known(known) => code_of(&verifier.decide(&known, &Requirements::none())),
        Lookup::Unknown => "not_found",
        Lookup::Unavailable => "unavailable",
    }
}

/// What the cache alone answers; none when it would have to ask.
pub(crate) fn cached_verdict(authority: &Authority, hash: TokenHash) -> Option<&'static str> {
    let verifier = authority.verifier();
    match verifier.peek(&hash.into())? {
        Lookup::Known(known) => Some(code_of(&verifier.decide(&known, &Requirements::none()))),
        Lookup::Unknown => Some("not_found"),
        Lookup::Unavailable => None,
    }
}

/// The code of a refused actor.
pub(crate) fn denial<T: Debug>(outcome: &Result<T, Fault>) -> &'static str {
    match outcome {
        Err(Fault::Denied(denial)) => denial.code.as_str(),
        other => panic!("the actor was not denied: {other:?}"),
    }
}

/// Waits until it is so. The bound is there for a test that fails, and is no statement about speed.
pub(crate) async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), waiting).await.is_ok(), "never: {what}");
}

/// Runs `count` tasks at once and gives what they gave.
pub(crate) async fn at_once<T, F>(count: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(tokio::sync::Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|number| {
            let (barrier, task) = (Arc::clone(&barrier), task(number));
            tokio::spawn(async move {
                barrier.wait().await;
                task.await
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
