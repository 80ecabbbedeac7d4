//! Refresh tokens, counted attempts to log in, and the networks that users are known from.

use keywright_core::{SessionId, UserId};

use super::sessions::insert_user;
use super::{DAY, NOW, change, entropy, hash, read};
use crate::refresh_tokens::{self, RefreshTokenRow};
use crate::testing::test_stores;
use crate::{StoreError, login_networks, login_throttles};

fn session_id(number: u64) -> SessionId {
    SessionId::generate(NOW, entropy(number))
}

#[tokio::test]
async fn a_refresh_token_is_used_once_and_knows_its_parent() {
    for store in test_stores().await {
        let session = session_id(1);
        let insert = async |token, parent| {
            change(&store, async |c| refresh_tokens::insert(c, &token, session, parent, NOW).await).await;
        };
        let (first, second) = (hash(1), hash(2));
        insert(first, None).await;
        let by_hash = async |token| read(&store, async |c| refresh_tokens::by_hash(c, &token).await).await;
        let row = RefreshTokenRow {
            token_hash: first,
            session_id: session,
            parent_hash: None,
            created_at: NOW,
            used_at: None,
        };
        assert_eq!(by_hash(first).await, Some(row.clone()));
        assert_eq!(by_hash(hash(9)).await, None);

        let later = NOW.plus_seconds(3);
        let use_once =
            async |token| change(&store, async |c| refresh_tokens::use_once(c, &token, later).await).await;
        assert!(use_once(first).await && !use_once(first).await && !use_once(hash(9)).await);
        insert(second, Some(&first)).await;
        assert_eq!(by_hash(first).await, Some(RefreshTokenRow { used_at: Some(later), ..row.clone() }));
        let child = RefreshTokenRow { token_hash: second, parent_hash: Some(first), ..row };
        assert_eq!(by_hash(second).await, Some(child));
        let unused = read(&store, async |c| refresh_tokens::count_unused(c, session).await).await;
        assert_eq!(unused, 1);

        let mut tx = store.begin().await.unwrap();
        let twin = refresh_tokens::insert(tx.conn(), &second, session, None, NOW).await;
        assert!(matches!(twin, Err(StoreError::Duplicate(_))), "{twin:?}");
    }
}

#[tokio::test]
async fn attempts_are_counted_until_they_are_forgotten_or_long_ago() {
    for store in test_stores().await {
        let key = [7_u8; 32];
        let quiet = NOW.plus_seconds(-DAY);
        let count = async |now, quiet| {
            change(&store, async |c| login_throttles::count(c, &key, now, quiet).await).await
        };
        let by_key = async || read(&store, async |c| login_throttles::by_key(c, &key).await).await;
        assert_eq!(by_key().await, None);
        assert_eq!(count(NOW, quiet).await, (1, NOW));
        assert_eq!(count(NOW.plus_seconds(1), quiet).await, (2, NOW));
        let until = NOW.plus_seconds(60);
        change(&store, async |c| login_throttles::block(c, &key, until).await).await;
        let throttle = by_key().await.unwrap();
        assert_eq!((throttle.failures, throttle.began_at, throttle.blocked_until), (2, NOW, until));

        // Somebody was counted since: who is taken back opens the door for nobody else.
        let take_back = async |own, now| {
            change(&store, async |c| login_throttles::take_back(c, &key, own, now).await).await;
            by_key().await.map(|throttle| (throttle.failures, throttle.blocked_until)).unwrap()
        };
        assert_eq!(take_back(NOW, NOW.plus_seconds(2)).await, (1, until));
        assert_eq!(take_back(until, NOW.plus_seconds(2)).await, (0, NOW.plus_seconds(2)));
        assert_eq!(take_back(until, NOW).await, (0, NOW.plus_seconds(2)));
        change(&store, async |c| login_throttles::block(c, &key, until).await).await;
        assert_eq!(count(NOW.plus_seconds(3), quiet).await, (1, until));
        // Quiet for long enough: it begins anew.
        let later = until.plus_seconds(DAY);
        assert_eq!(count(later, later.plus_seconds(-DAY)).await, (2, until));
        assert_eq!(count(later, until.plus_micros(1)).await.0, 1);
        assert_eq!(by_key().await.unwrap().began_at, later);

        change(&store, async |c| login_throttles::forget(c, &key).await).await;
        assert_eq!(by_key().await, None);
        count(NOW, quiet).await;
        for (before, removed) in [(NOW, 0), (NOW.plus_micros(1), 1)] {
            let done = change(&store, async |c| login_throttles::delete_quiet(c, before).await).await;
            assert_eq!(done, removed);
        }
    }
}

#[tokio::test]
async fn a_network_is_known_from_the_first_login_on() {
    for store in test_stores().await {
        let user = UserId::generate(NOW, entropy(1));
        insert_user(&store, user, "ada@example.com").await;
        for network in ["198.51.100.0", "2001:db8:1:2::"] {
            let network = network.parse().unwrap();
            let known = async |email: &str| {
                read(&store, async |c| login_networks::is_known(c, email, network).await).await
            };
            assert!(!known("ada@example.com").await);
            for now in [NOW, NOW.plus_seconds(9)] {
                change(&store, async |c| login_networks::note(c, user, network, now).await).await;
            }
            assert!(known("ada@example.com").await && !known("bob@example.com").await);
        }
        for (before, removed) in [(NOW.plus_seconds(9), 0), (NOW.plus_seconds(10), 2)] {
            let done = change(&store, async |c| login_networks::delete_quiet(c, before).await).await;
            assert_eq!(done, removed, "{:?}", store.engine());
        }
        let network = "198.51.100.0".parse().unwrap();
        change(&store, async |c| login_networks::note(c, user, network, NOW).await).await;
        change(&store, async |c| login_networks::forget_user(c, user).await).await;
        assert!(!read(&store, async |c| login_networks::is_known(c, "ada@example.com", network).await).await);
    }
}
