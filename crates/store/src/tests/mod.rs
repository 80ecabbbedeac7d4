//! The store's own suite. Every test runs on each engine unless it is about one of them.

mod alerts;
mod changes;
mod events;
mod external;
mod faults;
mod first_use;
mod fleet;
mod import_order;
mod logins;
mod mail;
mod members;
mod migrations;
mod notices;
mod notifications;
mod parity;
mod partitions;
mod people;
mod personal_tokens;
mod plans;
mod pooler;
mod records;
mod rotations;
mod service_accounts;
mod sessions;
mod signing_keys;
mod sink;
mod statements;
mod status;
mod tokens;
mod usage;
mod usage_at_once;
mod users;

use keywright_core::id::IdEntropy;
use keywright_core::{
    ActorRef, Allowlist, CredentialId, CredentialName, EventId, Metadata, RateLimits, ScopeSet, Timestamp,
    TokenHash, TokenHint,
};
use serde_json::json;

use crate::service_tokens::{self, NewServiceToken, ServiceTokenRow};
use crate::{Conn, Store, StoreError, Tx};

/// The moment at which most tests play.
const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_123_456);
const DAY: i64 = 86_400;

fn entropy(number: u64) -> IdEntropy {
    let mut entropy = [7; 10];
    entropy[2..].copy_from_slice(&number.to_be_bytes());
    entropy
}

fn credential_id(number: u64) -> CredentialId {
    CredentialId::generate(NOW, entropy(number))
}

fn event_id(number: u64) -> EventId {
    EventId::generate(NOW, entropy(number))
}

fn name(text: &str) -> CredentialName {
    CredentialName::parse(text).unwrap()
}

fn hash(number: u64) -> TokenHash {
    TokenHash::of(&number.to_be_bytes())
}

fn networks(texts: &[&str]) -> Allowlist {
    Allowlist::new(texts.iter().map(|text| text.parse().unwrap())).unwrap()
}

/// A token that stands alone, with a value in every other column that an insert has.
fn new_token(number: u64) -> NewServiceToken {
    NewServiceToken {
        id: credential_id(number),
        token_name: name(&format!("token-{number}")),
        token_hash: hash(number),
        token_hint: TokenHint("sk_3f9a…c2d1".to_owned()),
        permissions: ScopeSet::parse(["works:read", "catalog:*"]).unwrap(),
        metadata: Metadata::new(json!({"team": "Ärger", "n": 1}).as_object().unwrap().clone()).unwrap(),
        is_active: true,
        expires_at: Some(NOW.plus_days(90)),
        epoch: 1,
        rotated_from_id: Some(credential_id(number + 1_000_000)),
        service_account_id: None,
        publisher_id: None,
        limits: RateLimits { per_minute: Some(60), per_hour: Some(1_000) },
        allowlist: networks(&["10.0.0.0/8", "2001:db8::/32"]),
        lineage_id: Some(credential_id(number + 3_000_000)),
        created_by: ActorRef {
            kind: keywright_core::ActorKind::ServiceToken,
            id: Some(credential_id(number + 2_000_000).0),
            name: "root".to_owned(),
        },
        created_at: NOW.plus_micros(i64::try_from(number).unwrap()),
    }
}

/// Runs one change in a transaction of its own.
async fn change<T>(store: &Store, body: impl AsyncFnOnce(Conn<'_>) -> Result<T, StoreError>) -> T {
    let mut tx = store.begin().await.unwrap();
    let value = body(tx.conn()).await.unwrap();
    tx.commit().await.unwrap();
    value
}

/// Runs queries.
async fn read<T>(store: &Store, body: impl AsyncFnOnce(Conn<'_>) -> Result<T, StoreError>) -> T {
    let mut reader = store.read().await.unwrap();
    body(reader.conn()).await.unwrap()
}

async fn insert(store: &Store, new: &NewServiceToken) -> ServiceTokenRow {
    change(store, async |conn| service_tokens::insert(conn, new).await).await
}

async fn by_id(store: &Store, number: u64) -> Option<ServiceTokenRow> {
    read(store, async |conn| service_tokens::by_id(conn, None, credential_id(number)).await).await
}

async fn commit(tx: Tx) {
    tx.commit().await.unwrap();
}
