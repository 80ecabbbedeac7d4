//! What SQL calls a status is what `keywright_core` calls it.

use keywright_core::{Epochs, Status, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::{NOW, change, commit, credential_id, name, new_token, read};
use crate::service_tokens::{self, ListFilter, Reach, ServiceTokenRow, TokenTotals};
use crate::testing::test_stores;
use crate::{Store, nodes};

#[derive(Clone, Debug)]
struct Facts {
    is_active: bool,
    revoked: bool,
    grace: Option<i64>,
    expires: Option<i64>,
    epoch: u64,
}

fn facts() -> impl Strategy<Value = Facts> {
    let end = proptest::option::of(prop_oneof![-2i64..3, Just(6 * 86_400), Just(8 * 86_400)]);
    (any::<bool>(), any::<bool>(), end.clone(), end, 1u64..4).prop_map(
        |(is_active, revoked, grace, expires, epoch)| Facts { is_active, revoked, grace, expires, epoch },
    )
}

async fn fill(store: &Store, facts: &[Facts]) -> Vec<ServiceTokenRow> {
    let mut tx = store.begin().await.unwrap();
    for (number, facts) in (0..).zip(facts) {
        let mut new = new_token(number);
        new.is_active = facts.is_active;
        new.epoch = facts.epoch;
        new.expires_at = facts.expires.map(|seconds| NOW.plus_seconds(seconds));
        service_tokens::insert(tx.conn(), &new).await.unwrap();
        let id = credential_id(number);
        if let Some(grace) = facts.grace {
            let (renamed, grace) = (name(&format!("token-{number}~old")), NOW.plus_seconds(grace));
            service_tokens::supersede(tx.conn(), id, credential_id(9_999), &renamed, grace, NOW)
                .await
                .unwrap();
        }
        if facts.revoked {
            service_tokens::revoke(tx.conn(), id, NOW, Some("test")).await.unwrap();
        }
    }
    commit(tx).await;
    read(store, async |c| service_tokens::list(c, &ListFilter::all(10_000, NOW, 2)).await).await
}

fn count(rows: &[ServiceTokenRow], epochs: Epochs, now: Timestamp) -> TokenTotals {
    let of = |status| rows.iter().filter(|row| row.status(epochs, now) == status).count() as u64;
    let expiring = |days| {
        let ends = |row: &&ServiceTokenRow| row.expires_at.is_some_and(|end| end <= now.plus_days(days));
        rows.iter().filter(|row| row.status(epochs, now).is_usable()).filter(ends).count() as u64
    };
    TokenTotals {
        total: rows.len() as u64,
        active: of(Status::Active),
        superseded: of(Status::Superseded),
        inactive: of(Status::Inactive),
        expired: of(Status::Expired),
        revoked: of(Status::Revoked),
        expiring_7_days: expiring(7),
        expiring_30_days: expiring(30),
    }
}

#[tokio::test]
async fn sql_and_rust_agree_on_every_status() {
    let mut runner = TestRunner::deterministic();
    let facts: Vec<Facts> = (0..300).map(|_| facts().new_tree(&mut runner).unwrap().current()).collect();
    for store in test_stores().await {
        let rows = fill(&store, &facts).await;
        assert_eq!(rows.len(), facts.len());
        for epoch in 1..=4 {
            let epochs = Epochs { service: epoch, ..Epochs::default() };
            let totals = read(&store, async |c| service_tokens::totals(c, NOW, epoch).await).await;
            assert_eq!(totals, count(&rows, epochs, NOW), "epoch {epoch} on {:?}", store.engine());
            for status in Status::ALL {
                let filter = ListFilter { status: Some(status), ..ListFilter::all(10_000, NOW, epoch) };
                let listed = read(&store, async |c| service_tokens::list(c, &filter).await).await;
                let expected: Vec<_> =
                    rows.iter().filter(|row| row.status(epochs, NOW) == status).cloned().collect();
                assert_eq!(listed, expected, "{status:?} in epoch {epoch} on {:?}", store.engine());
            }
        }
        // Each status occurs, or the test says nothing of it.
        let totals = count(&rows, Epochs { service: 2, ..Epochs::default() }, NOW);
        assert!(totals.active > 5 && totals.superseded > 5 && totals.inactive > 5, "{totals:?}");
        assert!(totals.expired > 5 && totals.revoked > 5 && totals.expiring_7_days > 2, "{totals:?}");
    }
}

#[tokio::test]
async fn sweeps_go_in_slices_and_leave_nothing_over() {
    for store in test_stores().await {
        for number in 0..25 {
            let mut new = new_token(number);
            new.expires_at = Some(if number < 12 { NOW } else { NOW.plus_seconds(1) });
            super::insert(&store, &new).await;
        }
        let sweep = async |limit| {
            change(&store, async |c| service_tokens::deactivate_expired(c, NOW, NOW, limit).await).await.len()
        };
        assert_eq!((sweep(10).await, sweep(10).await, sweep(10).await), (10, 2, 0));
        let row = super::by_id(&store, 0).await.unwrap();
        assert_eq!((row.is_active, row.version, row.updated_at), (false, 2, NOW));

        change(&store, async |c| service_tokens::revoke(c, credential_id(20), NOW, None).await).await;
        let delete = async |limit| {
            change(&store, async |c| service_tokens::delete_dead(c, NOW, limit).await).await.len()
        };
        assert_eq!((delete(10).await, delete(10).await, delete(10).await), (10, 3, 0));
        let left = read(&store, async |c| service_tokens::list(c, &ListFilter::all(50, NOW, 1)).await).await;
        assert_eq!(left.len(), 12);
        assert!(read(&store, async |c| nodes::list(c).await).await.is_empty());
    }
}

#[tokio::test]
async fn an_emergency_reaches_all_but_the_one_that_is_lifted_out_of_it() {
    for store in test_stores().await {
        for number in 0..7 {
            super::insert(&store, &new_token(number)).await;
        }
        change(&store, async |c| service_tokens::revoke(c, credential_id(6), NOW, Some("before")).await)
            .await;
        let mut tx = store.begin().await.unwrap();
        let epoch = crate::testing::raise_service_epoch(tx.conn()).await.unwrap();
        assert_eq!(epoch, 2);
        assert!(service_tokens::set_epoch(tx.conn(), credential_id(3), epoch).await.unwrap());
        assert!(!service_tokens::set_epoch(tx.conn(), credential_id(33), epoch).await.unwrap());
        commit(tx).await;
        let epochs = read(&store, async |c| crate::platform::epochs(c).await).await;
        assert_eq!(epochs, Epochs { service: 2, session: 1, personal: 1, counter: 2, keys: 1 });
        assert_eq!(read(&store, async |c| service_tokens::count_below_epoch(c, 2).await).await, 5);

        let later = NOW.plus_seconds(9);
        let mark = async || {
            change(&store, async |c| {
                service_tokens::mark_revoked_by_epoch(c, 2, later, Some("emergency"), 3).await
            })
            .await
        };
        assert_eq!((mark().await, mark().await, mark().await), (3, 2, 0));
        assert_eq!(read(&store, async |c| service_tokens::count_below_epoch(c, 2).await).await, 0);
        assert_eq!(
            read(&store, async |c| service_tokens::count_reached(c, Reach::Platform, 1, 2).await).await,
            0
        );
        for number in 0..7 {
            let row = super::by_id(&store, number).await.unwrap();
            let reason = match number {
                3 => None,
                6 => Some("before"),
                _ => Some("emergency"),
            };
            assert_eq!(row.revoked_reason.as_deref(), reason, "{number}");
        }
    }
}
