//! Notifications: in order, with the commit or not at all, and never a silent gap.

use keywright_core::NodeId;
use uuid::Uuid;

use super::faults::Gate;
use super::{NOW, change, read};
use crate::notify::{self, Listener, MAX_PAYLOAD};
use crate::testing::{postgres_store, test_stores};
use crate::{Engine, Store, StoreError, nodes};

const NODE: NodeId = NodeId(Uuid::from_u128(1));

#[tokio::test]
async fn a_notification_comes_with_the_commit_and_only_then() {
    let Some(store) = postgres_store().await else { return };
    let mut here = Listener::connect(&store).await.unwrap();
    let mut there = Listener::connect(&store.another().await).await.unwrap();
    let mut undone = store.begin().await.unwrap();
    notify::notify(undone.conn(), "undone").await.unwrap();
    undone.rollback().await;
    let longest = "x".repeat(MAX_PAYLOAD);
    for payload in ["first", "", &longest] {
        change(&store, async |c| notify::notify(c, payload).await).await;
        // One's own is heard as well.
        assert_eq!(here.recv().await.as_deref(), Ok(payload));
        assert_eq!(there.recv().await.as_deref(), Ok(payload));
    }
}

#[tokio::test]
async fn a_heartbeat_is_heard_noted_and_timed_by_the_store() {
    let Some(store) = postgres_store().await else { return };
    let missing = notify::heartbeat(&store, NODE, "beat").await;
    assert!(matches!(missing, Err(StoreError::Corrupt(_))), "{missing:?}");
    change(&store, async |c| nodes::register(c, NODE, "a", "1", NOW).await).await;
    let mut listener = Listener::connect(&store).await.unwrap();
    let before = store.now().await.unwrap().unwrap();
    let beat = notify::heartbeat(&store, NODE, "beat").await.unwrap();
    let after = store.now().await.unwrap().unwrap();
    assert!(before <= beat && beat <= after, "{before} {beat} {after}");
    assert_eq!(listener.recv().await.as_deref(), Ok("beat"));
    let noted = read(&store, async |c| nodes::list(c).await).await.remove(0).last_beat_at;
    assert!(before <= noted && noted <= after, "{before} {noted} {after}");
}

#[tokio::test]
async fn a_lost_connection_is_told_and_not_mended_in_silence() {
    let Some(store) = postgres_store().await else { return };
    let gate = Gate::before(&store).await;
    let through = Store::connect(&gate.options()).await.unwrap();
    let mut listener = Listener::connect(&through).await.unwrap();
    gate.cut();
    assert!(listener.recv().await.unwrap_err().is_unavailable());
    assert!(listener.recv().await.unwrap_err().is_unavailable());
    gate.open();
    let mut listener = Listener::connect(&through).await.unwrap();
    change(&store, async |c| notify::notify(c, "again").await).await;
    assert_eq!(listener.recv().await.as_deref(), Ok("again"));
}

#[tokio::test]
async fn sqlite_has_nobody_to_tell() {
    for store in test_stores().await {
        if store.engine() == Engine::Sqlite {
            change(&store, async |c| notify::notify(c, "nobody").await).await;
            let beat = notify::heartbeat(&store, NODE, "beat").await;
            assert!(matches!(beat, Err(StoreError::Unsuitable { .. })), "{beat:?}");
            assert!(matches!(Listener::connect(&store).await, Err(StoreError::Unsuitable { .. })));
            assert_eq!(store.now().await, Ok(None));
        }
    }
}
