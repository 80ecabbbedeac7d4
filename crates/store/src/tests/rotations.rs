//! Policies, windows and rotations, and what is seen of tokens.

use keywright_core::id::{JournalId, SegmentId};
use keywright_core::rotation::{Delivery, Level, Policy, RotationState, Rule};
use keywright_core::{
    ActorRef, CredentialId, MaintenanceWindowId, Name, NodeId, PublisherId, RotationId, RotationPolicyId,
    ScopeSet, ServiceAccountId, Timestamp,
};
use keywright_verify::{DecisionRecord, EventKind, EventSink, Piece, RecordCode};
use uuid::Uuid;

use super::{NOW, by_id, change, credential_id, entropy, event_id, insert, name, new_token, read};
use crate::journals::MovedThrough;
use crate::maintenance_windows::{self, WindowRow};
use crate::rotation_policies::{self, PolicyRow};
use crate::rotations::{self, RotationRow};
use crate::service_tokens::{self, DueFilter};
use crate::testing::test_stores;
use crate::{Store, StoreError, journals};

fn window(number: u64, publisher: Option<PublisherId>) -> WindowRow {
    let created_at = NOW.plus_micros(i64::try_from(number).unwrap());
    WindowRow {
        id: MaintenanceWindowId::generate(NOW, entropy(number)),
        publisher_id: publisher,
        name: Name::parse(&format!("Nights {number}")).unwrap(),
        cron: "0 2 * * *".to_owned(),
        duration_minutes: 60,
        time_zone: "Europe/Berlin".to_owned(),
        created_by: ActorRef::operator(),
        created_at,
        updated_at: created_at,
        version: 1,
    }
}

fn policy(number: u64, publisher: Option<PublisherId>) -> PolicyRow {
    let created_at = NOW.plus_micros(i64::try_from(number).unwrap());
    PolicyRow {
        id: RotationPolicyId::generate(NOW, entropy(number)),
        level: Level::ServiceAccount,
        subject_id: Uuid::from_u128(number.into()),
        publisher_id: publisher,
        terms: Policy {
            enabled: Some(true),
            max_age_days: Some(7),
            maintenance_window_id: Some(window(1, None).id),
            delivery: Some(Delivery::Command { command: "deploy".to_owned() }),
            ..Policy::default()
        },
        reach: ScopeSet::parse(["works:*"]).unwrap(),
        sealed_secret: Some(vec![1, 2, 3]),
        created_by: ActorRef::operator(),
        created_at,
        updated_at: created_at,
        version: 1,
    }
}

fn rotation(number: u64) -> RotationRow {
    let created_at = NOW.plus_micros(i64::try_from(number).unwrap());
    RotationRow {
        id: RotationId::generate(NOW, entropy(number)),
        credential_id: credential_id(number),
        token_name: name("api"),
        lineage_id: credential_id(number + 7),
        successor_id: None,
        publisher_id: Some(PublisherId(Uuid::from_u128(5))),
        service_account_id: Some(ServiceAccountId(Uuid::from_u128(6))),
        policy_id: policy(1, None).id,
        rule: Rule::HighUsage,
        state: RotationState::Scheduled,
        delivery: Delivery::File { path: "/run/secrets/api".to_owned() },
        grace_seconds: 60,
        quiet_hours: 6,
        confirm_within_hours: 72,
        sealed_secret: None,
        attempts: 0,
        next_attempt_at: created_at,
        may_have_sent: false,
        told_of_use: false,
        last_answer: None,
        confirm_by: None,
        delivered_at: None,
        confirmed_at: None,
        grace_expires_at: None,
        closed_at: None,
        created_at,
        updated_at: created_at,
        version: 1,
    }
}

#[tokio::test]
async fn a_window_is_kept_within_its_publisher_and_known_to_be_in_use() {
    for store in test_stores().await {
        let own = Some(PublisherId(Uuid::from_u128(5)));
        for new in [window(1, None), window(2, own)] {
            change(&store, async |c| maintenance_windows::insert(c, &new).await).await;
        }
        let find = async |within, number| {
            let id = window(number, None).id;
            read(&store, async |c| maintenance_windows::by_id(c, within, id).await).await
        };
        assert_eq!(find(None, 1).await, Some(window(1, None)));
        assert_eq!(find(own, 2).await, Some(window(2, own)));
        assert_eq!(find(own, 1).await, None);
        assert_eq!(read(&store, async |c| maintenance_windows::every(c).await).await.len(), 2);
        let twin = WindowRow { id: window(3, None).id, ..window(1, None) };
        let mut tx = store.begin().await.unwrap();
        let taken = maintenance_windows::insert(tx.conn(), &twin).await;
        assert_eq!(taken, Err(StoreError::NameTaken));
        drop(tx);
        let changed = WindowRow { cron: "0 3 * * *".to_owned(), ..window(1, None) };
        let update = async |row: WindowRow| {
            change(&store, async |c| maintenance_windows::update(c, &row, NOW.plus_days(1)).await).await
        };
        assert!(update(changed.clone()).await);
        assert!(!update(changed).await, "it is at another version");
        change(&store, async |c| rotation_policies::insert(c, &policy(1, None)).await).await;
        let id = window(1, None).id;
        let used = async || read(&store, async |c| maintenance_windows::count_policies(c, id).await).await;
        assert_eq!(used().await, 1);
        let policy_id = policy(1, None).id;
        assert!(change(&store, async |c| rotation_policies::delete(c, policy_id, NOW).await).await);
        assert_eq!(used().await, 0);
        for gone in [true, false] {
            assert_eq!(change(&store, async |c| maintenance_windows::delete(c, id, NOW).await).await, gone);
        }
        assert_eq!(find(None, 1).await, None);
        let existed = async |within| {
            read(&store, async |c| maintenance_windows::has_existed(c, within, id).await).await
        };
        assert_eq!((existed(None).await, existed(own).await), (true, false));
        change(&store, async |c| maintenance_windows::insert(c, &twin).await).await;
        let filter = maintenance_windows::ListFilter {
            name: Some("Nights 1".to_owned()),
            limit: 9,
            ..Default::default()
        };
        let listed = read(&store, async |c| maintenance_windows::list(c, &filter).await).await;
        assert_eq!(listed, [twin]);
    }
}

#[tokio::test]
async fn there_is_one_policy_for_each_thing_and_its_secret_goes_with_it() {
    for store in test_stores().await {
        let own = Some(PublisherId(Uuid::from_u128(5)));
        for new in [policy(1, None), policy(2, own)] {
            change(&store, async |c| rotation_policies::insert(c, &new).await).await;
        }
        let (one, two) = (policy(1, None), policy(2, own));
        let find =
            async |within, id| read(&store, async |c| rotation_policies::by_id(c, within, id).await).await;
        assert_eq!(find(None, one.id).await, Some(one.clone()));
        assert_eq!((find(own, one.id).await, find(own, two.id).await), (None, Some(two.clone())));
        let subject = read(&store, async |c| rotation_policies::by_subject(c, two.subject_id).await).await;
        assert_eq!(subject, Some(two.clone()));
        let mut tx = store.begin().await.unwrap();
        let twin = PolicyRow { id: policy(3, None).id, ..one.clone() };
        let double = rotation_policies::insert(tx.conn(), &twin).await;
        assert!(matches!(double, Err(StoreError::Duplicate(_))), "{double:?}");
        drop(tx);
        let mut changed = PolicyRow { reach: ScopeSet::default(), ..one.clone() };
        changed.terms.maintenance_window_id = None;
        let update = async |row: PolicyRow| {
            change(&store, async |c| rotation_policies::update(c, &row, NOW.plus_days(1)).await).await
        };
        assert!(update(changed.clone()).await);
        assert!(!update(changed).await, "it is at another version");
        let sealed =
            async || read(&store, async |c| rotation_policies::sealed(c, Uuid::nil(), 9).await).await;
        assert_eq!(sealed().await.len(), 2);
        let anew = async |old: Vec<u8>| {
            change(&store, async |c| rotation_policies::reseal(c, two.id.0, &old, &[9]).await).await
        };
        assert!(!anew(vec![7]).await && anew(vec![1, 2, 3]).await);
        let filter = rotation_policies::ListFilter {
            within: own,
            level: Some(Level::ServiceAccount),
            limit: 9,
            after: None,
        };
        let listed = read(&store, async |c| rotation_policies::list(c, &filter).await).await;
        assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), [two.id]);
        assert_eq!(read(&store, async |c| rotation_policies::every(c).await).await.len(), 2);
        for gone in [true, false] {
            assert_eq!(change(&store, async |c| rotation_policies::delete(c, two.id, NOW).await).await, gone);
        }
        assert_eq!(sealed().await.len(), 1, "what let its deliveries in is erased");
        assert!(read(&store, async |c| rotation_policies::has_existed(c, own, two.id).await).await);
    }
}

/// The first one, with a value in every column that changes but the last.
fn left_unconfirmed() -> RotationRow {
    RotationRow {
        successor_id: Some(credential_id(9)),
        state: RotationState::Unconfirmed,
        sealed_secret: Some(vec![4, 5]),
        attempts: 3,
        next_attempt_at: NOW.plus_days(1),
        may_have_sent: true,
        told_of_use: true,
        last_answer: Some("Ärger".to_owned()),
        confirm_by: Some(NOW.plus_days(2)),
        delivered_at: Some(NOW.plus_days(3)),
        confirmed_at: Some(NOW.plus_days(4)),
        grace_expires_at: Some(NOW.plus_days(5)),
        ..rotation(1)
    }
}

#[tokio::test]
async fn a_rotation_goes_on_by_its_version_and_leaves_a_step_each_time() {
    for store in test_stores().await {
        change(&store, async |c| rotations::insert(c, &rotation(1), "{}").await).await;
        let twin = RotationRow { id: rotation(2).id, ..rotation(1) };
        let mut tx = store.begin().await.unwrap();
        let double = rotations::insert(tx.conn(), &twin, "{}").await;
        assert!(matches!(double, Err(StoreError::Duplicate(_))), "{double:?}");
        drop(tx);
        let next = left_unconfirmed();
        let advance = async |row: RotationRow| {
            change(&store, async |c| {
                rotations::advance(c, &row, "attempt", Some("{\"a\":1}"), NOW.plus_days(6)).await
            })
            .await
        };
        assert!(advance(next.clone()).await);
        assert!(!advance(next.clone()).await, "it is at another version");
        let stored = RotationRow { version: 2, updated_at: NOW.plus_days(6), ..next };
        let own = Some(PublisherId(Uuid::from_u128(5)));
        let find = async |within| read(&store, async |c| rotations::by_id(c, within, stored.id).await).await;
        assert_eq!(find(own).await, Some(stored.clone()));
        assert_eq!(find(Some(PublisherId(Uuid::from_u128(6)))).await, None);
        let steps = read(&store, async |c| rotations::steps(c, stored.id).await).await;
        let told: Vec<_> = steps.iter().map(|step| (step.version, step.kind.as_str())).collect();
        assert_eq!(told, [(1, "scheduled"), (2, "attempt")]);
        let by_successor =
            read(&store, async |c| rotations::open_of_successor(c, credential_id(9)).await).await;
        assert_eq!(by_successor, Some(stored.clone()));
        let filter = rotations::ListFilter {
            within: own,
            state: Some(RotationState::Unconfirmed),
            credential: Some(credential_id(9)),
            after: Some((NOW.plus_days(1), stored.id)),
            limit: 9,
        };
        assert_eq!(
            read(&store, async |c| rotations::list(c, &filter).await).await,
            std::slice::from_ref(&stored)
        );
        assert_eq!(
            read(&store, async |c| rotations::open(c, rotations::FIRST, 9).await).await,
            std::slice::from_ref(&stored)
        );
        let sealed = read(&store, async |c| rotations::sealed(c, Uuid::nil(), 9).await).await;
        assert_eq!(sealed, [(stored.id.0, vec![4, 5])]);
        assert!(change(&store, async |c| rotations::reseal(c, stored.id.0, &[4, 5], &[6]).await).await);
        let closed = RotationRow { closed_at: Some(NOW), state: RotationState::Closed, ..stored };
        assert!(advance(closed).await);
        assert_eq!(read(&store, async |c| rotations::open(c, rotations::FIRST, 9).await).await, []);
        change(&store, async |c| rotations::insert(c, &twin, "{}").await).await;
    }
}

#[tokio::test]
async fn tokens_that_may_be_due_are_found_oldest_first_and_not_while_they_are_rotated() {
    for store in test_stores().await {
        for number in 1..=4 {
            let mut token = new_token(number);
            token.created_at = NOW.plus_days(-i64::try_from(number).unwrap());
            token.expires_at = (number != 1).then(|| NOW.plus_days(90));
            insert(&store, &token).await;
        }
        let ends_soon = NOW.plus_days(3);
        let mut last = new_token(5);
        (last.created_at, last.expires_at) = (NOW, Some(ends_soon));
        insert(&store, &last).await;
        let filter = DueFilter {
            made_before: NOW.plus_days(-2),
            ends_before: ends_soon,
            not_tried_since: NOW.plus_days(-1),
            after: None,
            limit: 9,
        };
        let found = async |filter: DueFilter| {
            let rows = read(&store, async |c| service_tokens::maybe_due(c, &filter).await).await;
            rows.iter().map(|row| row.token_name.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found(filter).await, ["token-4", "token-3", "token-2", "token-5"]);
        let after = Some((NOW.plus_days(-3), credential_id(3)));
        assert_eq!(found(DueFilter { after, ..filter }).await, ["token-2", "token-5"]);
        change(&store, async |c| rotations::insert(c, &rotation(4), "{}").await).await;
        assert_eq!(found(filter).await, ["token-3", "token-2", "token-5"]);
        let over = RotationRow { closed_at: Some(NOW), state: RotationState::Failed, ..rotation(4) };
        change(&store, async |c| rotations::advance(c, &over, "failed", None, NOW).await).await;
        assert_eq!(found(filter).await, ["token-3", "token-2", "token-5"], "not at once again");
        let later = DueFilter { not_tried_since: NOW, ..filter };
        assert_eq!(found(later).await, ["token-4", "token-3", "token-2", "token-5"]);
    }
}

#[tokio::test]
async fn a_token_is_replaced_without_an_end_and_that_is_taken_back() {
    for store in test_stores().await {
        let row = insert(&store, &new_token(1)).await;
        let (old, by) = (row.id, credential_id(2));
        let superseded = name("token-1~12345678");
        let supersede = async || {
            change(&store, async |c| {
                service_tokens::supersede_unconfirmed(c, old, by, &superseded, NOW).await
            })
            .await
        };
        assert!(supersede().await);
        assert!(!supersede().await, "once");
        let seen = by_id(&store, 1).await.unwrap();
        assert_eq!((seen.superseded_by_id, seen.grace_expires_at), (Some(by), None));
        let end = async |by| {
            change(&store, async |c| service_tokens::end_grace(c, old, by, NOW.plus_days(1), NOW).await).await
        };
        assert!(!end(credential_id(3)).await && end(by).await);
        assert_eq!(by_id(&store, 1).await.unwrap().grace_expires_at, Some(NOW.plus_days(1)));
        let back = async |by| {
            change(&store, async |c| service_tokens::reinstate(c, old, by, &name("token-1"), NOW).await).await
        };
        assert!(!back(credential_id(3)).await && back(by).await);
        let seen = by_id(&store, 1).await.unwrap();
        assert_eq!((seen.superseded_by_id, seen.superseded_at, seen.grace_expires_at), (None, None, None));
        assert_eq!(seen.token_name, name("token-1"));
    }
}

fn record(number: u64, credential: CredentialId, address: Option<&str>, kind: EventKind) -> DecisionRecord {
    let at = NOW.plus_seconds(i64::try_from(number).unwrap());
    DecisionRecord {
        credential_id: Some(credential),
        ip_address: address.map(|address| address.parse().unwrap()),
        user_agent: Some("curl/8".into()),
        endpoint: Some("/works".into()),
        request_id: "r".into(),
        latency_micros: 1,
        ..DecisionRecord::bare(event_id(number), at, kind, RecordCode::Valid)
    }
}

async fn append(store: &Store, records: Vec<DecisionRecord>) {
    let (node, segment) = (NodeId(Uuid::from_u128(1)), SegmentId(records[0].id.0));
    store.append(&[Piece { node, segment, from: 0, to: 1, records }]).await.unwrap();
}

#[tokio::test]
async fn uses_are_traced_looks_are_none_and_callers_are_told() {
    for store in test_stores().await {
        let (used, looked_at) = (credential_id(1), credential_id(2));
        append(
            &store,
            vec![
                record(1, used, Some("192.0.2.7"), EventKind::Verify),
                record(2, used, Some("192.0.2.7"), EventKind::Verify),
                record(3, used, Some("2001:db8::1"), EventKind::Verify),
                record(4, used, None, EventKind::Verify),
                record(5, looked_at, Some("203.0.113.9"), EventKind::Look),
            ],
        )
        .await;
        let traces = read(&store, async |c| rotations::traces(c, used).await).await;
        assert_eq!((traces.uses, traces.last_used_at), (4, Some(NOW.plus_seconds(4))));
        let mut addresses: Vec<_> = traces.addresses.iter().map(ToString::to_string).collect();
        addresses.sort();
        assert_eq!(addresses, ["192.0.2.7", "2001:db8::1"]);
        let none = read(&store, async |c| rotations::traces(c, looked_at).await).await;
        assert_eq!(none, rotations::Traces::default());
        let ids = [used, looked_at, credential_id(3)];
        let recent = read(&store, async |c| rotations::recent_uses(c, &ids, NOW).await).await;
        assert_eq!(recent.get(&used), Some(&4));
        assert_eq!(recent.get(&credential_id(3)), None);
        let callers = read(&store, async |c| rotations::callers(c, used, NOW, 9).await).await;
        let told: Vec<_> = callers.iter().map(|one| (one.ip_address.is_some(), one.occurrences)).collect();
        assert_eq!(told, [(false, 1), (true, 1), (true, 2)]);
        assert_eq!(callers[2].user_agent.as_deref(), Some("curl/8"));
        let later = read(&store, async |c| rotations::callers(c, used, NOW.plus_seconds(4), 9).await).await;
        assert_eq!(later.len(), 1);
    }
}

#[tokio::test]
async fn decisions_are_known_up_to_what_the_slowest_journal_says() {
    for store in test_stores().await {
        let through = async || read(&store, async |c| journals::moved_through(c).await).await;
        let both = |moment| MovedThrough { all: moment, heard: moment };
        assert_eq!(through().await, both(Timestamp::MAX));
        let node = NodeId(Uuid::from_u128(1));
        let journal = |number: u128| JournalId(Uuid::from_u128(number));
        for number in [1, 2] {
            change(&store, async |c| journals::open(c, journal(number), node, "a", "/a", NOW).await).await;
        }
        let beat = async |number, moment| {
            change(&store, async |c| journals::beat(c, journal(number), node, NOW, moment).await).await
        };
        assert!(beat(1, NOW).await);
        assert_eq!(through().await, both(Timestamp::EPOCH), "one has never said");
        assert!(beat(2, NOW.plus_seconds(-5)).await);
        assert_eq!(through().await, both(NOW.plus_seconds(-5)));
        let later = NOW.plus_seconds(100);
        change(&store, async |c| journals::beat(c, journal(1), node, later, later).await).await;
        assert!(
            change(&store, async |c| journals::tell_gap(c, journal(2), later, NOW.plus_seconds(50)).await)
                .await
        );
        let missed = MovedThrough { all: NOW.plus_seconds(-5), heard: later };
        assert_eq!(through().await, missed, "what it holds is not stored");
        change(&store, async |c| journals::close(c, journal(2), NOW).await).await;
        assert_eq!(through().await, both(later));
    }
}
