//! The keys of the chain, and those who wait for none of it.

use std::time::Duration;

use keywright_authority::audit::chain;
use keywright_authority::{Authority, Keys, service_tokens};
use keywright_core::{NodeId, Timestamp};
use keywright_store::security_events::Seal;
use keywright_store::{Engine, Tx, leases, security_events};
use keywright_verify::Clock;

use crate::chain::{broken, sealed};
use crate::world::{World, authority, keys, operator, wanted, worlds};

/// Another node over the same database, with other keys.
async fn node(world: &World, keys: Keys) -> Authority {
    authority(&world.store.another().await, Clock::manual(world.now()), keys)
}

async fn event(authority: &Authority, name: &str) {
    service_tokens::create(authority, operator(), wanted(name, &["a"])).await.unwrap();
}

async fn problem(authority: &Authority) -> Option<(u64, String)> {
    chain::verify(authority, None).await.unwrap().broken_at.map(|found| (found.seq, found.problem))
}

#[tokio::test]
async fn a_chain_goes_on_under_a_new_key_and_needs_the_old_one_to_be_checked() {
    for world in worlds().await {
        sealed(&world, 2).await;
        let kept = chain::verify(&world.authority, None).await.unwrap().head.unwrap();
        world.advance_seconds(60);
        let new = node(&world, keys(&[2, 1])).await;
        event(&new, "under the new key").await;
        assert_eq!(chain::seal(&new).await.unwrap(), 1);
        assert_eq!(problem(&new).await, None);
        assert_eq!(chain::verify(&new, Some(&kept)).await.unwrap().broken_at, None);
        let mut raw = world.raw().await;
        let used = raw.texts("SELECT DISTINCT key_id FROM security_events ORDER BY 1").await;
        assert_eq!(used.len(), 2);

        let (seq, told) = problem(&node(&world, keys(&[2])).await).await.unwrap();
        assert_eq!(seq, 1);
        assert!(told.contains("not configured") && used.iter().any(|id| told.contains(id)), "{told}");
        let (seq, told) = problem(&world.authority).await.unwrap();
        assert_eq!(seq, 3);
        assert!(told.contains("not configured"), "{told}");
    }
}

#[tokio::test]
async fn a_node_without_the_key_seals_nothing_and_keeps_nobody_from_sealing() {
    for world in worlds().await {
        sealed(&world, 2).await;
        world.advance_seconds(60);
        let stranger = node(&world, keys(&[3])).await;
        event(&stranger, "by a node with another key").await;
        let refused = chain::seal(&stranger).await.unwrap_err().to_string();
        assert!(refused.contains("not configured"), "{refused}");
        // At the same moment: the one that failed does not hold the lease.
        assert_eq!(chain::seal(&world.authority).await.unwrap(), 1, "{:?}", world.engine());
        assert_eq!(broken(&world, None).await, None);
    }
}

/// Takes the sealer's lease for a node that then does nothing.
async fn lease(tx: &mut Tx, holder: NodeId, now: Timestamp) {
    let ttl = Duration::from_secs(10);
    leases::acquire(tx.conn(), "security event sealer", holder, now, ttl).await.unwrap().unwrap();
}

#[tokio::test]
async fn nobody_seals_while_another_nodes_lease_runs() {
    for world in worlds().await {
        event(&world.authority, "one").await;
        let other = node(&world, keys(&[1])).await;
        let mut tx = world.store.begin().await.unwrap();
        lease(&mut tx, other.node(), world.now()).await;
        tx.commit().await.unwrap();
        assert_eq!(chain::seal(&world.authority).await.unwrap(), 0, "the lease is another's");
        world.advance_seconds(10);
        assert_eq!(chain::seal(&world.authority).await.unwrap(), 1);
        // And is given back at once.
        event(&other, "two").await;
        assert_eq!(chain::seal(&other).await.unwrap(), 1);
        assert_eq!(broken(&world, None).await, None);
    }
}

/// The sealer is in the middle of its work, and stays there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_never_wait_for_the_chain() {
    for world in worlds().await {
        if world.engine() == Engine::Sqlite {
            continue; // One writer: the sealer's transaction is one among others, of a slice.
        }
        sealed(&world, 1).await;
        event(&world.authority, "waiting to be sealed").await;
        let mut sealing = world.store.begin().await.unwrap();
        lease(&mut sealing, world.authority.node(), world.now()).await;
        let head = security_events::head(sealing.conn()).await.unwrap();
        assert!(security_events::advance_head(sealing.conn(), head.seq, &head).await.unwrap());
        let rows = security_events::unsealed(sealing.conn(), 10).await.unwrap();
        let seal = Seal { id: rows[0].event.id, seq: 2, key_id: "x".to_owned(), mac: b"y".to_vec() };
        assert_eq!(security_events::seal(sealing.conn(), &[seal]).await.unwrap(), 1);
        for number in 0..20 {
            event(&world.authority, &format!("meanwhile {number}")).await;
        }
        sealing.rollback().await;
        assert_eq!(chain::seal(&world.authority).await.unwrap(), 21);
        assert_eq!(broken(&world, None).await, None);
    }
}
