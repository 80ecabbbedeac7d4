//! Signing keys: which sign, which are accepted, and that each change raises their version.

use keywright_core::{SigningAlgorithm, SigningKeyId, Timestamp};
use serde_json::{Map, Value, json};

use super::{DAY, NOW, change, entropy, read};
use crate::signing_keys::{self, NewSigningKey, SigningKeyRow};
use crate::testing::test_stores;
use crate::{Store, platform};

fn key_id(number: u64) -> SigningKeyId {
    SigningKeyId::generate(NOW, entropy(number))
}

fn jwk(number: u64) -> Map<String, Value> {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "…", "kid": key_id(number)}).as_object().unwrap().clone()
}

fn new_key(number: u64, active_from: Timestamp) -> NewSigningKey {
    NewSigningKey {
        id: key_id(number),
        algorithm: SigningAlgorithm::Es256,
        public_jwk: jwk(number),
        sealed_key: vec![u8::try_from(number).unwrap(); 40],
        created_at: NOW.plus_micros(i64::try_from(number).unwrap()),
        active_from,
    }
}

async fn insert(store: &Store, number: u64, active_from: Timestamp) -> u64 {
    change(store, async |c| signing_keys::insert(c, &new_key(number, active_from)).await).await
}

async fn version(store: &Store) -> u64 {
    read(store, async |c| platform::epochs(c).await).await.keys
}

async fn signing_at(store: &Store, now: Timestamp) -> Option<SigningKeyId> {
    read(store, async |c| signing_keys::signing(c, now).await).await.map(|row| row.id)
}

async fn accepted_at(store: &Store, now: Timestamp) -> Vec<SigningKeyId> {
    let rows = read(store, async |c| signing_keys::accepted(c, now).await).await;
    rows.into_iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn a_key_is_read_back_as_it_was_written_through_its_life() {
    for store in test_stores().await {
        insert(&store, 1, NOW).await;
        let by_id = async || read(&store, async |c| signing_keys::by_id(c, key_id(1)).await).await.unwrap();
        let mut expected = SigningKeyRow {
            id: key_id(1),
            algorithm: SigningAlgorithm::Es256,
            public_jwk: jwk(1),
            sealed_key: Some(vec![1; 40]),
            created_at: NOW.plus_micros(1),
            active_from: NOW,
            retired_at: None,
            accepted_until: None,
            revoked_at: None,
            revoked_reason: None,
        };
        assert_eq!(by_id().await, expected);
        let (retired, until) = (NOW.plus_seconds(5), NOW.plus_seconds(DAY));
        change(&store, async |c| signing_keys::retire(c, key_id(1), retired, until).await).await;
        (expected.retired_at, expected.accepted_until) = (Some(retired), Some(until));
        expected.sealed_key = None;
        assert_eq!(by_id().await, expected);
        change(&store, async |c| signing_keys::revoke(c, key_id(1), until, Some("leaked")).await).await;
        (expected.revoked_at, expected.revoked_reason) = (Some(until), Some("leaked".to_owned()));
        assert_eq!(by_id().await, expected);
        assert!(read(&store, async |c| signing_keys::by_id(c, key_id(2)).await).await.is_none());
    }
}

#[tokio::test]
async fn the_newest_active_key_signs_and_the_next_one_is_known_ahead_of_its_use() {
    for store in test_stores().await {
        assert_eq!(signing_at(&store, NOW).await, None);
        insert(&store, 1, NOW).await;
        let later = NOW.plus_seconds(DAY);
        insert(&store, 2, later).await;
        assert_eq!(signing_at(&store, NOW).await, Some(key_id(1)));
        assert_eq!(accepted_at(&store, NOW).await, [key_id(1), key_id(2)]);
        assert_eq!(signing_at(&store, later).await, Some(key_id(2)));

        let until = later.plus_seconds(60);
        assert!(
            change(&store, async |c| signing_keys::retire(c, key_id(1), later, until).await).await.is_some()
        );
        assert_eq!(accepted_at(&store, later).await, [key_id(1), key_id(2)]);
        assert_eq!(accepted_at(&store, until).await, [key_id(2)]);

        change(&store, async |c| signing_keys::revoke(c, key_id(2), later, None).await).await;
        assert_eq!((signing_at(&store, later).await, accepted_at(&store, until).await), (None, vec![]));
    }
}

#[tokio::test]
async fn each_change_raises_the_version_once() {
    for store in test_stores().await {
        let mut last = version(&store).await;
        let mut raised = async |given: Option<u64>| {
            let now = version(&store).await;
            assert_eq!(given, (now > last).then_some(now), "{:?}", store.engine());
            std::mem::replace(&mut last, now) < now
        };
        assert!(raised(Some(insert(&store, 1, NOW).await)).await);
        let retire = async || {
            change(&store, async |c| signing_keys::retire(c, key_id(1), NOW, NOW.plus_days(1)).await).await
        };
        assert!(raised(retire().await).await);
        assert!(!raised(retire().await).await);
        let revoke =
            async || change(&store, async |c| signing_keys::revoke(c, key_id(1), NOW, None).await).await;
        assert!(raised(revoke().await).await);
        assert!(!raised(revoke().await).await);
        let delete =
            async |before| change(&store, async |c| signing_keys::delete_over(c, before).await).await;
        let before = version(&store).await;
        assert_eq!((delete(NOW.plus_micros(-1)).await, version(&store).await), (0, before));
        assert_eq!((delete(NOW).await, version(&store).await), (1, before + 1));
    }
}

#[tokio::test]
async fn a_private_half_is_sealed_anew_only_as_it_was_read() {
    for store in test_stores().await {
        insert(&store, 1, NOW).await;
        let reseal = async |old: Vec<u8>, new: Vec<u8>| {
            change(&store, async |c| signing_keys::reseal(c, key_id(1), &old, &new).await).await
        };
        assert!(!reseal(vec![9; 40], vec![2; 40]).await);
        assert!(reseal(vec![1; 40], vec![2; 40]).await);
        let row = read(&store, async |c| signing_keys::by_id(c, key_id(1)).await).await.unwrap();
        assert_eq!(row.sealed_key, Some(vec![2; 40]));
        assert!(!format!("{row:?}").contains("2, 2"), "{row:?}");
    }
}

#[tokio::test]
async fn keys_are_listed_newest_first_page_by_page() {
    for store in test_stores().await {
        for number in 1..=5 {
            insert(&store, number, NOW).await;
        }
        let page = async |after| {
            let rows = read(&store, async |c| signing_keys::list(c, after, 2).await).await;
            rows.into_iter().map(|row| (row.created_at, row.id)).collect::<Vec<_>>()
        };
        let first = page(None).await;
        let second = page(first.last().copied()).await;
        let third = page(second.last().copied()).await;
        let ids: Vec<_> = [first, second, third].concat().into_iter().map(|(_, id)| id).collect();
        assert_eq!(ids, (1..=5).rev().map(key_id).collect::<Vec<_>>());
    }
}
