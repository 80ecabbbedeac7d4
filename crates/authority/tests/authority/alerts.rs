//! Alerts: one for each key, whoever notices; and their way to being over.

use keywright_authority::alerts::{self, NewAlert};
use keywright_authority::{Authority, Fault};
use keywright_core::{AlertId, AlertKind, AlertState, AlertSubjectKind, Severity};
use keywright_store::alerts::{AlertRow, AlertSubject, ListFilter};
use serde_json::{Map, json};
use uuid::Uuid;

use crate::world::{World, at_once, authority, by, denial, keys, noon, operator, worlds};
use keywright_verify::Clock;

pub(crate) fn new_alert(key: &str) -> NewAlert {
    NewAlert {
        publisher_id: None,
        kind: AlertKind::StoreLatency,
        severity: Severity::High,
        subject: AlertSubject {
            kind: AlertSubjectKind::Node,
            id: Some(Uuid::from_u128(7)),
            name: Some("node 7".to_owned()),
        },
        summary: "The store is slow.".to_owned(),
        evidence: Map::new(),
        dedupe_key: key.to_owned(),
        noticed_by: "test",
    }
}

async fn open(authority: &Authority, new: NewAlert) -> Option<AlertRow> {
    let mut tx = authority.store().begin().await.unwrap();
    let opened = alerts::open(authority, &mut tx, new).await.unwrap();
    tx.commit().await.unwrap();
    opened
}

async fn open_while(authority: &Authority, new: NewAlert) -> Option<AlertRow> {
    let mut tx = authority.store().begin().await.unwrap();
    let opened = alerts::open_while(authority, &mut tx, new).await.unwrap();
    tx.commit().await.unwrap();
    opened
}

async fn resolve_by_key(authority: &Authority, key: &str) -> bool {
    let mut tx = authority.store().begin().await.unwrap();
    let done = alerts::resolve_by_key(authority, &mut tx, key, "test", "its cause is gone").await.unwrap();
    tx.commit().await.unwrap();
    done
}

async fn get(world: &World, id: AlertId) -> AlertRow {
    alerts::get(&world.authority, &operator(), id).await.unwrap()
}

/// How many security events of a kind there are.
pub(crate) async fn told(world: &World, kind: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM security_events WHERE type = '{kind}'");
    world.raw().await.number(&sql).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_all_who_notice_at_once_on_two_nodes_one_opens_an_alert_and_tells_it() {
    for world in worlds().await {
        let other = authority(&world.store, Clock::manual(noon()), keys(&[1]));
        let opened = at_once(8, |number| {
            let authority = if number % 2 == 0 { world.authority.clone() } else { other.clone() };
            async move { open(&authority, new_alert("same")).await }
        });
        assert_eq!(opened.await.into_iter().flatten().count(), 1, "{:?}", world.engine());
        assert_eq!(told(&world, "alert.opened").await, 1);
        assert!(open(&world.authority, new_alert("other")).await.is_some());
    }
}

#[tokio::test]
async fn an_alert_that_is_rolled_back_was_never_opened() {
    for world in worlds().await {
        let mut tx = world.store.begin().await.unwrap();
        alerts::open(&world.authority, &mut tx, new_alert("key")).await.unwrap().unwrap();
        tx.rollback().await;
        assert_eq!(told(&world, "alert.opened").await, 0);
        assert!(open(&world.authority, new_alert("key")).await.is_some());
    }
}

#[tokio::test]
async fn a_condition_that_comes_back_opens_another_and_one_that_lasts_does_not() {
    for world in worlds().await {
        let authority = &world.authority;
        let first = open_while(authority, new_alert("slow")).await.unwrap();
        world.advance_seconds(3_600);
        assert_eq!(open_while(authority, new_alert("slow")).await, None);
        assert!(resolve_by_key(authority, &first.dedupe_key).await);
        assert!(!resolve_by_key(authority, &first.dedupe_key).await);
        let row = get(&world, first.id).await;
        assert_eq!(
            (row.state(), row.resolved_reason.as_deref()),
            (AlertState::Resolved, Some("its cause is gone"))
        );
        let second = open_while(authority, new_alert("slow")).await.unwrap();
        assert_ne!(first.dedupe_key, second.dedupe_key);
        let mut elsewhere = new_alert("slow elsewhere");
        elsewhere.subject.id = Some(Uuid::from_u128(8));
        assert!(open_while(authority, elsewhere).await.is_some());
        let mut tx = world.store.begin().await.unwrap();
        let about = (AlertKind::StoreLatency, Some(Uuid::from_u128(7)));
        let resolved = alerts::resolve_by_subject(authority, &mut tx, about, "test", "gone").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!((resolved, told(&world, "alert.resolved").await), (1, 2));
    }
}

#[tokio::test]
async fn states_follow_their_order_and_repeats_change_nothing() {
    for world in worlds().await {
        let authority = &world.authority;
        let id = open(authority, new_alert("key")).await.unwrap().id;
        let acknowledge =
            async || alerts::acknowledge(authority, operator(), id, Some("I look".to_owned())).await;
        let resolve = async || alerts::resolve(authority, operator(), id, Some("fixed".to_owned())).await;
        let known = acknowledge().await.unwrap();
        assert_eq!((known.state(), known.version), (AlertState::Acknowledged, 2));
        assert_eq!(acknowledge().await.unwrap(), known);
        let over = resolve().await.unwrap();
        assert_eq!((over.state(), over.version), (AlertState::Resolved, 3));
        assert_eq!(
            (over.resolved_reason.as_deref(), &over.acknowledged),
            (Some("fixed"), &known.acknowledged)
        );
        assert_eq!(resolve().await.unwrap(), over);
        assert!(matches!(acknowledge().await, Err(Fault::AlertResolved)));
        assert_eq!((told(&world, "alert.acknowledged").await, told(&world, "alert.resolved").await), (1, 1));
        // Straight from open to resolved.
        let id = open(authority, new_alert("other")).await.unwrap().id;
        let over = alerts::resolve(authority, operator(), id, None).await.unwrap();
        assert_eq!((over.state(), over.acknowledged), (AlertState::Resolved, None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_resolve_and_acknowledge_at_once_each_step_is_told_once() {
    for world in worlds().await {
        let id = open(&world.authority, new_alert("key")).await.unwrap().id;
        let done = at_once(8, |number| {
            let authority = world.authority.clone();
            async move {
                if number % 2 == 0 {
                    alerts::resolve(&authority, operator(), id, None).await.map(drop)
                } else {
                    alerts::acknowledge(&authority, operator(), id, None).await.map(drop)
                }
            }
        });
        for outcome in done.await {
            assert!(matches!(outcome, Ok(()) | Err(Fault::AlertResolved)), "{outcome:?}");
        }
        let row = get(&world, id).await;
        assert_eq!((row.state(), told(&world, "alert.resolved").await), (AlertState::Resolved, 1));
        assert_eq!(told(&world, "alert.acknowledged").await, i64::from(row.acknowledged.is_some()));
    }
}

#[tokio::test]
async fn who_may_look_may_not_resolve() {
    for world in worlds().await {
        let id = open(&world.authority, new_alert("key")).await.unwrap().id;
        let reader = world.token("reader", &["monitoring:read"]).await;
        let admin = world.token("admin", &["monitoring:admin"]).await;
        let none = world.token("none", &["tokens:read"]).await;
        let authority = &world.authority;
        assert_eq!(alerts::get(authority, &by(&reader), id).await.unwrap().id, id);
        let filter = ListFilter { limit: 9, ..ListFilter::default() };
        assert_eq!(alerts::list(authority, &by(&reader), filter.clone()).await.unwrap().len(), 1);
        assert_eq!(denial(&alerts::list(authority, &by(&none), filter).await), "insufficient_scope");
        assert_eq!(denial(&alerts::get(authority, &by(&none), id).await), "insufficient_scope");
        for caller in [&reader, &none] {
            let refused = alerts::acknowledge(authority, by(caller), id, None).await;
            assert_eq!(denial(&refused), "insufficient_scope");
            assert_eq!(denial(&alerts::resolve(authority, by(caller), id, None).await), "insufficient_scope");
        }
        assert_eq!(get(&world, id).await.state(), AlertState::Open);
        alerts::acknowledge(authority, by(&admin), id, None).await.unwrap();
        // Who was revoked a moment ago cannot finish.
        world.revoke(&admin).await;
        assert_eq!(denial(&alerts::resolve(authority, by(&admin), id, None).await), "revoked");
        assert_eq!(get(&world, id).await.acknowledged.unwrap().by.id, Some(admin.row.id.0));
        assert_eq!(json!(told(&world, "alert.resolved").await), json!(0));
    }
}
