//! Publishers and roles: what is written is read back, and only within its publisher.

use keywright_core::{
    ActorRef, BuiltInRole, PersonalTokenPolicy, PublisherId, PublisherSettings, RateLimits, RoleId, ScopeSet,
    Timestamp,
};

use super::{NOW, change, credential_id, entropy, name, read};
use crate::publishers::{self, NewPublisher, PublisherRow};
use crate::roles::{self, NewRole, RoleRow};
use crate::testing::test_stores;
use crate::{Store, StoreError};

pub(super) fn at(number: u64) -> Timestamp {
    NOW.plus_micros(i64::try_from(number).unwrap())
}

pub(super) fn creator() -> ActorRef {
    ActorRef {
        kind: keywright_core::ActorKind::ServiceToken,
        id: Some(credential_id(2_000_000).0),
        name: "root".to_owned(),
    }
}

fn publisher_id(number: u64) -> PublisherId {
    PublisherId::generate(NOW, entropy(number))
}

fn settings() -> PublisherSettings {
    PublisherSettings {
        allowed_login_domains: vec!["example.com".to_owned()],
        access_token_max_minutes: Some(20),
        session_max_days: Some(7),
        default_rate_limits: Some(RateLimits { per_minute: Some(60), per_hour: None }),
        anomalies: keywright_core::anomalies::AnomalyTuning::default(),
        require_second_factor: true,
        rate_limits: Some(RateLimits { per_minute: None, per_hour: Some(9_000) }),
        personal_tokens: PersonalTokenPolicy { allowed: true, max_days: Some(90), require_approval: true },
    }
}

fn new_publisher(number: u64, text: &str) -> NewPublisher {
    NewPublisher {
        id: publisher_id(number),
        name: name(text),
        settings: settings(),
        created_by: creator(),
        created_at: at(number),
    }
}

/// A publisher with its built-in roles.
pub(super) async fn publisher(store: &Store, number: u64, text: &str) -> (PublisherRow, Vec<RoleRow>) {
    change(store, async |mut conn| {
        let new = new_publisher(number, text);
        let row = publishers::insert(conn.reborrow(), &new).await?;
        let entropy = [1, 2, 3].map(|role| entropy(number * 10 + role));
        let roles = roles::insert_built_in(conn, row.id, &creator(), at(number), entropy).await?;
        Ok((row, roles))
    })
    .await
}

async fn publisher_by_id(store: &Store, number: u64) -> Option<PublisherRow> {
    read(store, async |c| publishers::by_id(c, publisher_id(number)).await).await
}

#[tokio::test]
async fn a_publisher_is_read_back_as_it_was_written_and_changed() {
    for store in test_stores().await {
        let (row, _) = publisher(&store, 1, "Ärger & Söhne").await;
        assert_eq!(publisher_by_id(&store, 1).await, Some(row.clone()));
        assert_eq!(row.settings, settings());
        let json = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<PublisherRow>(&json).unwrap(), row);

        let changes = publishers::Changes {
            name: Some(name("Other")),
            settings: Some(PublisherSettings::default()),
            updated_at: at(9),
        };
        assert!(change(&store, async |c| publishers::update(c, row.id, 1, &changes).await).await);
        assert!(!change(&store, async |c| publishers::update(c, row.id, 1, &changes).await).await);
        let after = publisher_by_id(&store, 1).await.unwrap();
        assert_eq!((after.name, after.settings), (name("Other"), PublisherSettings::default()));
        assert_eq!((after.version, after.updated_at, after.created_by), (2, at(9), creator()));
        let nothing = publishers::Changes { name: None, settings: None, updated_at: at(10) };
        assert!(change(&store, async |c| publishers::update(c, row.id, 2, &nothing).await).await);
        assert_eq!(publisher_by_id(&store, 1).await.unwrap().name, name("Other"));

        let raise =
            async |to| change(&store, async |c| publishers::raise_session_epoch(c, row.id, to).await).await;
        assert!(raise(7).await && !raise(6).await);
        assert_eq!(publisher_by_id(&store, 1).await.unwrap().session_epoch, 7);
    }
}

#[tokio::test]
async fn a_publisher_is_suspended_once_and_deleted_once() {
    for store in test_stores().await {
        let id = publisher(&store, 1, "p").await.0.id;
        let suspend =
            async || change(&store, async |c| publishers::suspend(c, id, at(1), Some("late")).await).await;
        let resume = async || change(&store, async |c| publishers::resume(c, id, at(2)).await).await;
        assert!(!resume().await && suspend().await && !suspend().await);
        let row = publisher_by_id(&store, 1).await.unwrap();
        assert_eq!(
            (row.suspended_at, row.suspended_reason.as_deref(), row.version),
            (Some(at(1)), Some("late"), 2)
        );
        assert!(resume().await && !resume().await);
        let row = publisher_by_id(&store, 1).await.unwrap();
        assert_eq!((row.suspended_at, row.suspended_reason, row.version), (None, None, 3));
        let delete = async || change(&store, async |c| publishers::delete(c, id, at(3)).await).await;
        assert!(delete().await && !delete().await && !suspend().await);
        assert_eq!(publisher_by_id(&store, 1).await, None);
        for (number, existed) in [(1, true), (2, false)] {
            let asked = read(&store, async |c| publishers::has_existed(c, publisher_id(number)).await).await;
            assert_eq!(asked, existed);
        }
        // The name is free again.
        publisher(&store, 2, "p").await;
        let mut tx = store.begin().await.unwrap();
        let twin = publishers::insert(tx.conn(), &new_publisher(3, "p")).await;
        assert_eq!(twin, Err(StoreError::NameTaken), "{:?}", store.engine());
    }
}

#[tokio::test]
async fn publishers_are_listed_newest_first_page_by_page() {
    for store in test_stores().await {
        for (number, text) in [(1, "alpha"), (2, "Beta_1"), (3, "gamma"), (4, "deleted")] {
            publisher(&store, number, text).await;
        }
        change(&store, async |c| publishers::delete(c, publisher_id(4), at(9)).await).await;
        change(&store, async |c| publishers::suspend(c, publisher_id(3), at(9), None).await).await;
        let names = async |filter: publishers::ListFilter| {
            let rows = read(&store, async |c| publishers::list(c, &filter).await).await;
            rows.into_iter().map(|row| row.name.as_str().to_owned()).collect::<Vec<_>>()
        };
        let all = publishers::ListFilter { limit: 10, ..Default::default() };
        assert_eq!(names(all.clone()).await, ["gamma", "Beta_1", "alpha"]);
        let after = Some((at(3), publisher_id(3)));
        assert_eq!(names(publishers::ListFilter { after, limit: 1, ..all.clone() }).await, ["Beta_1"]);
        let bearing = |text: &str| publishers::ListFilter { name: Some(text.to_owned()), ..all.clone() };
        assert_eq!(names(bearing("alpha")).await, ["alpha"]);
        assert!(names(bearing("Alpha")).await.is_empty());
        let q = |text: &str| publishers::ListFilter { q: Some(text.to_owned()), ..all.clone() };
        assert_eq!(names(q("BETA_")).await, ["Beta_1"]);
        assert!(names(q("%")).await.is_empty());
        let only = publishers::ListFilter { only: Some(publisher_id(2)), ..all.clone() };
        assert_eq!(names(only).await, ["Beta_1"]);
        let suspended = |suspended| publishers::ListFilter { suspended: Some(suspended), ..all.clone() };
        assert_eq!(names(suspended(true)).await, ["gamma"]);
        assert_eq!(names(suspended(false)).await, ["Beta_1", "alpha"]);
    }
}

#[tokio::test]
async fn a_new_publisher_has_the_built_in_roles() {
    for store in test_stores().await {
        let (row, roles) = publisher(&store, 1, "p").await;
        for (role, built_in) in roles.iter().zip(BuiltInRole::OF_A_PUBLISHER) {
            let found = read(&store, async |c| roles::by_name(c, row.id, built_in.as_str()).await).await;
            assert_eq!(found.as_ref(), Some(role), "{:?}", store.engine());
            assert_eq!((role.built_in(), &role.permissions), (Some(built_in), &built_in.permissions()));
            assert_eq!(role.administers(), built_in == BuiltInRole::PublisherAdmin);
            let deleted = change(&store, async |c| roles::delete(c, row.id, role.id, at(2)).await).await;
            assert!(!deleted);
        }
        let editor = &roles[1];
        let more = ScopeSet::parse(["works:write"]).unwrap();
        let changes = roles::Changes {
            name: None,
            description: None,
            permissions: Some(more.clone()),
            updated_at: at(2),
        };
        assert!(change(&store, async |c| roles::update(c, row.id, editor.id, 1, &changes).await).await);
        let after = read(&store, async |c| roles::by_id(c, None, editor.id).await).await.unwrap();
        assert_eq!(after.added, more);
        assert_eq!(after.permissions, editor.permissions.union(&more).unwrap());
    }
}

fn new_role(publisher_id: PublisherId) -> NewRole {
    NewRole {
        id: RoleId::generate(at(5), entropy(5)),
        publisher_id,
        name: name("Räte"),
        description: "Those who decide".to_owned(),
        built_in: None,
        permissions: ScopeSet::parse(["works:*"]).unwrap(),
        created_by: creator(),
        created_at: at(5),
    }
}

#[tokio::test]
async fn a_role_exists_within_its_publisher_alone() {
    for store in test_stores().await {
        let [one, two] = [publisher(&store, 1, "one").await.0.id, publisher(&store, 2, "two").await.0.id];
        let new = new_role(one);
        let row = change(&store, async |c| roles::insert(c, &new).await).await;
        for (within, found) in [(None, true), (Some(one), true), (Some(two), false)] {
            let by_id = read(&store, async |c| roles::by_id(c, within, row.id).await).await;
            assert_eq!(by_id, found.then(|| row.clone()), "{within:?} on {:?}", store.engine());
        }
        assert_eq!(read(&store, async |c| roles::by_name(c, two, "Räte").await).await, None);
        let changes = roles::Changes {
            name: Some(name("Rat")),
            description: Some("One of them".to_owned()),
            permissions: Some(ScopeSet::default()),
            updated_at: at(6),
        };
        let update = async |of, version| {
            change(&store, async |c| roles::update(c, of, row.id, version, &changes).await).await
        };
        assert!(!update(two, 1).await && !update(one, 2).await && update(one, 1).await);
        let after = read(&store, async |c| roles::by_id(c, Some(one), row.id).await).await.unwrap();
        assert_eq!((after.name, after.description), (name("Rat"), "One of them".to_owned()));
        assert_eq!((after.permissions, after.version, after.updated_at), (ScopeSet::default(), 2, at(6)));

        // Taken within the publisher, free in another one.
        let twin = |publisher_id, number| NewRole {
            id: RoleId::generate(at(7), entropy(number)),
            publisher_id,
            name: name("Rat"),
            ..new.clone()
        };
        let mut tx = store.begin().await.unwrap();
        assert_eq!(roles::insert(tx.conn(), &twin(one, 6)).await, Err(StoreError::NameTaken));
        tx.rollback().await;
        change(&store, async |c| roles::insert(c, &twin(two, 7)).await).await;

        let count = async |within, name: Option<&str>| {
            let name = name.map(str::to_owned);
            let filter = roles::ListFilter { within, name, after: None, limit: 50 };
            read(&store, async |c| roles::list(c, &filter).await).await.len()
        };
        assert_eq!((count(None, None).await, count(Some(one), None).await), (8, 4));
        assert_eq!((count(None, Some("Rat")).await, count(Some(two), Some("Rat")).await), (2, 1));
        let after = Some((at(5), row.id));
        let page = roles::ListFilter { within: Some(one), after, limit: 2, ..Default::default() };
        assert_eq!(read(&store, async |c| roles::list(c, &page).await).await.len(), 2);

        let delete = async |of| change(&store, async |c| roles::delete(c, of, row.id, at(8)).await).await;
        assert!(!delete(two).await && delete(one).await && !delete(one).await);
        assert_eq!(read(&store, async |c| roles::by_id(c, None, row.id).await).await, None);
        for (within, existed) in [(None, true), (Some(one), true), (Some(two), false)] {
            let asked = read(&store, async |c| roles::has_existed(c, within, row.id).await).await;
            assert_eq!(asked, existed, "{within:?}");
        }
        assert!(!update(one, 3).await, "what is deleted does not change");
        // The roles of a deleted publisher are gone with it.
        change(&store, async |c| publishers::delete(c, two, at(9)).await).await;
        assert_eq!((count(None, None).await, count(Some(two), None).await), (3, 0));
    }
}
