//! How a node fares: what lasts is told once, and is over once its end has lasted.

use keywright_authority::{Authority, alerts, entropy, monitoring, signing_keys};
use keywright_core::{AlertKind, AlertState, AlertSubjectKind, EventId, NodeId, Severity};
use keywright_store::alerts::{AlertRow, ListFilter};
use keywright_store::outbox::{self, NewDelivery};
use keywright_store::{Store, nodes};
use keywright_verify::{Clock, Freshness, Limiter};

use crate::journals::{Node, dirs, record};
use crate::proxy::{Line, Proxy};
use crate::world::{World, authority, keys, noon, operator, settings, until, verifier, worlds};

/// Looks every ten seconds for so long; gives what was opened or resolved.
async fn look_for(authority: &Authority, seconds: i64) -> u64 {
    let mut done = 0;
    for _ in 0..seconds / 10 {
        authority.clock().advance(10_000_000);
        done += monitoring::look(authority).await.unwrap();
    }
    done
}

async fn list(authority: &Authority, kind: AlertKind) -> Vec<AlertRow> {
    let filter = ListFilter { kind: Some(kind), limit: 50, ..ListFilter::default() };
    alerts::list(authority, &operator(), filter).await.unwrap()
}

async fn the_one(authority: &Authority, kind: AlertKind) -> AlertRow {
    let mut found = list(authority, kind).await;
    assert_eq!(found.len(), 1, "{kind:?}");
    found.remove(0)
}

/// A node among others, of which none is heard until somebody says so.
fn among_others(store: &Store) -> Authority {
    let verifier = verifier(store, Clock::manual(noon()), Freshness::among_nodes());
    let node = NodeId::generate(noon(), entropy::id());
    Authority::new(store.clone(), verifier, keys(&[1]), node, settings())
}

#[tokio::test]
async fn a_node_that_fares_well_tells_nothing() {
    for world in worlds().await {
        assert_eq!(look_for(&world.authority, 300).await, 0);
        let filter = ListFilter { limit: 9, ..ListFilter::default() };
        assert_eq!(alerts::list(&world.authority, &operator(), filter).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_node_that_hears_nothing_is_told_once_and_over_when_it_hears_again() {
    for world in worlds().await {
        let deaf = among_others(&world.store);
        assert_eq!(look_for(&deaf, 20).await, 0, "it may have just started");
        assert_eq!(look_for(&deaf, 600).await, 1, "{:?}", world.engine());
        let alert = the_one(&deaf, AlertKind::ListenerLag).await;
        assert_eq!((alert.severity, alert.state()), (Severity::High, AlertState::Open));
        assert_eq!((alert.subject.kind, alert.subject.id), (AlertSubjectKind::Node, Some(deaf.node().0)));
        let hear = |authority: &Authority| {
            authority.verifier().freshness().confirm(authority.clock().boot_micros() + 10_000_000);
        };
        hear(&deaf);
        assert_eq!(look_for(&deaf, 10).await, 0);
        for _ in 0..3 {
            hear(&deaf);
            look_for(&deaf, 10).await;
        }
        let over = the_one(&deaf, AlertKind::ListenerLag).await;
        assert_eq!(over.resolved_reason.as_deref(), Some("it is in order again"), "{:?}", world.engine());
        // It happens again: another alert.
        assert_eq!(look_for(&deaf, 600).await, 1);
        assert_eq!(list(&deaf, AlertKind::ListenerLag).await.len(), 2);
    }
}

#[tokio::test]
async fn what_a_node_told_is_over_when_it_has_left() {
    for world in worlds().await {
        let deaf = among_others(&world.store);
        let mut tx = world.store.begin().await.unwrap();
        nodes::register(tx.conn(), deaf.node(), "10.0.0.2:8080", "1", noon()).await.unwrap();
        tx.commit().await.unwrap();
        look_for(&deaf, 60).await;
        assert_eq!(the_one(&deaf, AlertKind::ListenerLag).await.state(), AlertState::Open);
        let mut tx = world.store.begin().await.unwrap();
        nodes::stopped(tx.conn(), deaf.node(), noon()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(monitoring::look(&world.authority).await.unwrap(), 1);
        let over = the_one(&deaf, AlertKind::ListenerLag).await;
        assert_eq!(over.resolved_reason.as_deref(), Some("the node has left"), "{:?}", world.engine());
    }
}

#[tokio::test]
async fn records_that_wait_are_told() {
    for world in worlds().await {
        let (_parent, dirs) = dirs();
        let node = Node::start(&world.store, &dirs[0], 0).await;
        node.journal.writer().append(&record("waits")).unwrap();
        until("it waits", async || node.journal.status(node.authority.now().plus_seconds(9)).lag_micros > 0)
            .await;
        assert_eq!(look_for(&node.authority, 60).await, 0);
        assert_eq!(look_for(&node.authority, 120).await, 1, "{:?}", world.engine());
        let alert = the_one(&node.authority, AlertKind::JournalLag).await;
        assert_eq!(alert.subject.name.as_deref(), Some("10.0.0.1:8080"));
        assert_eq!(alert.evidence["expected_at_most"], 60);
    }
}

#[tokio::test]
async fn limits_that_nobody_counts_together_are_told() {
    for world in worlds().await {
        let limiter = Limiter::shared("redis://127.0.0.1:1").unwrap();
        assert!(limiter.reach().await.is_err());
        world.authority.watch_limits(limiter.clone());
        if !limiter.status().away {
            // Whoever takes finds out.
            let budget = keywright_core::Budget {
                key: uuid::Uuid::from_u128(1),
                window: keywright_core::Window::Minute,
                limit: 1,
            };
            limiter.take(&[budget], 1, world.now()).await;
        }
        assert_eq!(look_for(&world.authority, 120).await, 1, "{:?}", world.engine());
        assert_eq!(the_one(&world.authority, AlertKind::LimitsAway).await.severity, Severity::Medium);
    }
}

#[tokio::test]
async fn a_signing_key_that_is_not_replaced_in_time_is_told_by_one_node() {
    for world in worlds().await {
        signing_keys::keep(&world.authority).await.unwrap();
        world.advance_seconds(91 * 86_400);
        assert_eq!(look_for(&world.authority, 60).await, 0);
        world.advance_seconds(86_400);
        let other = authority(&world.store, Clock::manual(world.now()), keys(&[1]));
        assert_eq!(look_for(&world.authority, 60).await, 1, "{:?}", world.engine());
        assert_eq!(look_for(&other, 60).await, 0);
        let alert = the_one(&world.authority, AlertKind::KeyAge).await;
        assert_eq!((alert.subject.kind, alert.subject.id), (AlertSubjectKind::Platform, None));
        signing_keys::keep(&world.authority).await.unwrap();
        world.advance_seconds(2 * 86_400);
        assert_eq!(look_for(&world.authority, 10).await, 1);
        assert_eq!(the_one(&world.authority, AlertKind::KeyAge).await.state(), AlertState::Resolved);
    }
}

#[tokio::test]
async fn deliveries_that_wait_are_told() {
    for world in worlds().await {
        let id = EventId::generate(world.now(), entropy::id()).0;
        let new = NewDelivery {
            id,
            channel: "mail",
            template: "test",
            user_id: None,
            sealed: vec![1],
            created_at: world.now(),
            expires_at: world.now().plus_days(1),
        };
        let mut tx = world.store.begin().await.unwrap();
        outbox::insert(tx.conn(), &new).await.unwrap();
        tx.commit().await.unwrap();
        world.advance_seconds(7_100);
        assert_eq!(look_for(&world.authority, 60).await, 0);
        assert_eq!(look_for(&world.authority, 60).await, 1, "{:?}", world.engine());
        let mut tx = world.store.begin().await.unwrap();
        assert!(outbox::give_up(tx.conn(), id, 0, world.now(), "late").await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(look_for(&world.authority, 10).await, 1);
        let alert = the_one(&world.authority, AlertKind::DeliveryBacklog).await;
        assert_eq!(alert.state(), AlertState::Resolved);
    }
}

#[tokio::test]
async fn a_journal_that_falls_silent_is_an_alert_until_it_is_back() {
    for world in worlds().await {
        let (_parent, dirs) = dirs();
        let here = Node::start(&world.store, &dirs[0], 0).await;
        let lost = Node::start(&world.store, &dirs[1], 0).await;
        let id = lost.journal.id();
        assert_eq!(here.watch_for(120).await, 1);
        let alert = the_one(&here.authority, AlertKind::JournalGap).await;
        assert_eq!((alert.subject.id, alert.severity), (Some(id.0), Severity::Critical));
        lost.sleep(120);
        lost.watch().await;
        let over = the_one(&here.authority, AlertKind::JournalGap).await;
        assert_eq!(over.resolved_reason.as_deref(), Some("the journal is back"), "{:?}", world.engine());
        assert_eq!(here.watch_for(120).await, 1, "silent again, told again");
        assert_eq!(list(&here.authority, AlertKind::JournalGap).await.len(), 2);
    }
}

/// Nobody can be told while the store does not answer; what happened is told when it does.
#[tokio::test]
async fn a_store_that_was_away_is_told_when_it_is_back() {
    let Some(store) = keywright_store::testing::postgres_store().await else { return };
    let proxy = Proxy::to(&store).await;
    let behind = authority(&proxy.store().await, Clock::manual(noon()), keys(&[1]));
    look_for(&behind, 30).await;
    proxy.set(Line::Cut);
    assert_eq!(look_for(&behind, 40).await, 0);
    proxy.set(Line::Open);
    let world = World::over(store);
    until("it is told", async || {
        let _ = monitoring::look(&behind).await;
        !list(&world.authority, AlertKind::StoreUnreachable).await.is_empty()
    })
    .await;
    let alert = the_one(&world.authority, AlertKind::StoreUnreachable).await;
    assert_eq!(alert.severity, Severity::Critical);
    assert_eq!(alert.evidence["since"], serde_json::json!(noon().plus_seconds(40)));
    until("it is over", async || {
        behind.clock().advance(10_000_000);
        let _ = monitoring::look(&behind).await;
        the_one(&world.authority, AlertKind::StoreUnreachable).await.state() == AlertState::Resolved
    })
    .await;
}
