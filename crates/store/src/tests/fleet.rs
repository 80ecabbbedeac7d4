//! Nodes and the leases that they hold.

use std::time::Duration;

use keywright_core::{NodeId, Timestamp};
use uuid::Uuid;

use super::{NOW, change, read};
use crate::nodes::{self, NodeRow};
use crate::testing::test_stores;
use crate::{Store, leases};

const ONE: NodeId = NodeId(Uuid::from_u128(1));
const TWO: NodeId = NodeId(Uuid::from_u128(2));

#[tokio::test]
async fn a_node_lives_from_its_start_until_it_stops_or_falls_silent() {
    for store in test_stores().await {
        let at = |seconds| NOW.plus_seconds(seconds);
        change(&store, async |c| nodes::register(c, ONE, "127.0.0.1:8080", "0.1.0", at(0)).await).await;
        change(&store, async |c| nodes::register(c, TWO, "[::1]:8080", "0.2.0", at(1)).await).await;
        let live = async |since: Timestamp| -> Vec<NodeId> {
            let rows = read(&store, async |c| nodes::live(c, since).await).await;
            rows.into_iter().map(|row| row.id).collect()
        };
        assert_eq!(live(at(0)).await, [ONE, TWO]);
        assert_eq!(live(at(1)).await, [TWO]);
        assert!(change(&store, async |c| nodes::beat(c, ONE, at(9)).await).await);
        assert_eq!(live(at(9)).await, [ONE]);
        assert!(change(&store, async |c| nodes::stopped(c, ONE, at(10)).await).await);
        assert!(!change(&store, async |c| nodes::stopped(c, ONE, at(11)).await).await);
        assert!(live(at(9)).await.is_empty());
        assert!(!change(&store, async |c| nodes::beat(c, NodeId(Uuid::from_u128(3)), at(9)).await).await);
        let all = read(&store, async |c| nodes::list(c).await).await;
        let first = NodeRow {
            id: ONE,
            address: "127.0.0.1:8080".to_owned(),
            version: "0.1.0".to_owned(),
            started_at: at(0),
            last_beat_at: at(9),
            stopped_at: Some(at(10)),
        };
        assert_eq!((all.len(), &all[0]), (2, &first), "{:?}", store.engine());
        assert_eq!(change(&store, async |c| nodes::forget(c, at(9)).await).await, 1);
        assert_eq!(read(&store, async |c| nodes::list(c).await).await, [first]);
    }
}

async fn acquire(store: &Store, holder: NodeId, now: Timestamp) -> Option<u64> {
    change(store, async |c| leases::acquire(c, "sealer", holder, now, Duration::from_secs(10)).await).await
}

#[tokio::test]
async fn a_lease_has_one_holder_and_a_number_that_only_grows() {
    for store in test_stores().await {
        let at = |seconds| NOW.plus_seconds(seconds);
        assert_eq!(acquire(&store, ONE, at(0)).await, Some(1));
        assert_eq!(acquire(&store, TWO, at(9)).await, None);
        // Extended: the same holder, the same number.
        assert_eq!(acquire(&store, ONE, at(9)).await, Some(1));
        assert_eq!(acquire(&store, TWO, at(18)).await, None);
        // Exactly at its end it is free.
        assert_eq!(acquire(&store, TWO, at(19)).await, Some(2));
        assert_eq!(acquire(&store, ONE, at(20)).await, None);
        let release = async |holder, fencing| {
            change(&store, async |c| leases::release(c, "sealer", holder, fencing).await).await
        };
        assert!(!release(ONE, 1).await);
        assert!(!release(TWO, 1).await);
        assert!(release(TWO, 2).await);
        assert_eq!(acquire(&store, ONE, at(20)).await, Some(3));
        // Its own, but it had lapsed: somebody may have acted in between.
        assert_eq!(acquire(&store, ONE, at(60)).await, Some(4), "{:?}", store.engine());
        let other = change(&store, async |c| {
            leases::acquire(c, "monitor", TWO, at(60), Duration::from_secs(1)).await
        });
        assert_eq!(other.await, Some(1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_that_ask_for_a_lease_one_gets_it() {
    for store in test_stores().await {
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                let store = Store::clone(&store);
                tokio::spawn(async move { acquire(&store, NodeId(Uuid::from_u128(number)), NOW).await })
            })
            .collect();
        let mut holders = 0;
        for task in tasks {
            holders += usize::from(task.await.unwrap().is_some());
        }
        assert_eq!(holders, 1, "{:?}", store.engine());
    }
}
