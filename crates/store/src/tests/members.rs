//! Memberships: each exists within its publisher, and grants what its role does.

use keywright_core::{BuiltInRole, ScopeSet, SessionId, UserId, Wanted};

use super::people::{at, creator, publisher};
use super::{NOW, change, entropy, read};
use crate::memberships::{self, NewMembership};
use crate::roles::{self, RoleRow};
use crate::testing::{
    accept_invitation, disable_user, insert_session, insert_user, postgres_store, test_stores,
};
use crate::{Store, StoreError, grants, publishers};

fn user_id(number: u64) -> UserId {
    UserId::generate(NOW, entropy(number + 500))
}

pub(super) async fn user(store: &Store, number: u64, platform_role: Option<&str>) -> UserId {
    let id = user_id(number);
    let email = format!("u{number}@example.com");
    change(store, async |c| insert_user(c, id, &email, platform_role, at(number)).await).await;
    change(store, async |c| accept_invitation(c, id).await).await;
    id
}

pub(super) async fn join(store: &Store, user: UserId, role: &RoleRow, number: u64) {
    let new = NewMembership {
        user_id: user,
        publisher_id: role.publisher_id,
        role_id: role.id,
        session_epoch: 3,
        created_by: creator(),
        created_at: at(number),
    };
    change(store, async |c| memberships::insert(c, &new).await).await;
}

#[tokio::test]
async fn members_are_those_of_their_publisher() {
    for store in test_stores().await {
        let (one, roles) = publisher(&store, 1, "one").await;
        let (two, roles_of_two) = publisher(&store, 2, "two").await;
        let [ada, bob, eve] =
            [user(&store, 1, None).await, user(&store, 2, None).await, user(&store, 3, None).await];
        join(&store, ada, &roles[0], 1).await;
        join(&store, bob, &roles[2], 2).await;
        join(&store, bob, &roles_of_two[1], 3).await;
        join(&store, eve, &roles_of_two[0], 4).await;

        let get =
            async |publisher, user| read(&store, async |c| memberships::get(c, publisher, user).await).await;
        let member = get(one.id, bob).await.unwrap();
        assert_eq!((member.email.as_str(), member.display_name.as_str()), ("u2@example.com", "u2"));
        assert_eq!((member.role_id, &member.role_name), (roles[2].id, &roles[2].name));
        assert_eq!((member.session_epoch, member.version, member.created_at), (3, 1, at(2)));
        assert_eq!(
            (member.created_by.clone(), member.is_disabled, member.role_built_in.as_deref()),
            (creator(), false, Some("publisher_viewer"))
        );
        assert_eq!(get(one.id, ada).await.unwrap().role_built_in.as_deref(), Some("publisher_admin"));
        assert_eq!(get(one.id, eve).await, None);

        let list = async |publisher, role, after| {
            let filter = memberships::ListFilter { publisher, role, after, limit: 10 };
            let rows = read(&store, async |c| memberships::list(c, &filter).await).await;
            rows.into_iter().map(|row| row.user_id).collect::<Vec<_>>()
        };
        assert_eq!(list(one.id, None, None).await, [bob, ada]);
        assert_eq!(list(one.id, None, Some((at(2), bob))).await, [ada]);
        assert_eq!(list(two.id, None, None).await, [eve, bob]);
        assert_eq!(list(two.id, Some(roles_of_two[0].id), None).await, [eve]);
        assert!(list(two.id, Some(roles[0].id), None).await.is_empty());

        let of_bob = read(&store, async |c| memberships::list_of_user(c, bob).await).await;
        let told: Vec<_> = of_bob.iter().map(|p| (p.id, p.role_name.as_str(), p.is_suspended)).collect();
        assert_eq!(told, [(one.id, "publisher_viewer", false), (two.id, "publisher_editor", false)]);

        let twin = NewMembership {
            user_id: bob,
            publisher_id: one.id,
            role_id: roles[0].id,
            session_epoch: 0,
            created_by: creator(),
            created_at: at(9),
        };
        let mut tx = store.begin().await.unwrap();
        let refused = memberships::insert(tx.conn(), &twin).await;
        assert!(matches!(refused, Err(StoreError::Duplicate(_))), "{refused:?}");
        tx.rollback().await;
    }
}

#[tokio::test]
async fn a_membership_changes_and_ends_within_its_publisher() {
    for store in test_stores().await {
        let (one, roles) = publisher(&store, 1, "one").await;
        let (two, _) = publisher(&store, 2, "two").await;
        let ada = user(&store, 1, None).await;
        join(&store, ada, &roles[2], 1).await;
        let set = async |of, version| {
            change(&store, async |c| memberships::set_role(c, of, ada, version, roles[1].id, at(5)).await)
                .await
        };
        assert!(!set(two.id, 1).await && !set(one.id, 2).await && set(one.id, 1).await);
        let raise = async |to| {
            change(&store, async |c| memberships::raise_session_epoch(c, one.id, ada, to).await).await
        };
        assert!(raise(9).await && !raise(8).await);
        let row = read(&store, async |c| memberships::get(c, one.id, ada).await).await.unwrap();
        assert_eq!((row.role_id, row.version, row.updated_at, row.session_epoch), (roles[1].id, 2, at(5), 9));
        let holders = async |role: &RoleRow| {
            let id = role.id;
            read(&store, async |c| roles::count_holders(c, id).await).await
        };
        assert_eq!((holders(&roles[1]).await, holders(&roles[2]).await), (1, 0));
        let remove = async |of| change(&store, async |c| memberships::remove(c, of, ada, 2).await).await;
        assert!(!remove(two.id).await && remove(one.id).await && !remove(one.id).await);
        // What was revoked within it stays revoked when the user comes back.
        join(&store, ada, &roles[0], 7).await;
        let again = read(&store, async |c| memberships::get(c, one.id, ada).await).await.unwrap();
        assert_eq!((again.session_epoch, again.version), (9, 1), "{:?}", store.engine());
        assert_eq!(change(&store, async |c| memberships::remove_all(c, ada).await).await, 1);
        assert_eq!(read(&store, async |c| memberships::get(c, one.id, ada).await).await, None);
    }
}

#[tokio::test]
async fn administrators_who_are_left_are_counted() {
    for store in test_stores().await {
        let (one, roles) = publisher(&store, 1, "one").await;
        let users = [user(&store, 1, None).await, user(&store, 2, Some("platform_admin")).await];
        let [ada, bob] = users;
        for (number, id) in users.into_iter().enumerate() {
            join(&store, id, &roles[0], number as u64).await;
        }
        let others = async |of| {
            change(&store, async |c| memberships::count_other_administrators(c, one.id, of).await).await
        };
        let platform = async |of| {
            change(&store, async |c| memberships::count_other_platform_administrators(c, of).await).await
        };
        let administered = async |of| read(&store, async |c| memberships::administered_by(c, of).await).await;
        assert_eq!((others(ada).await, others(bob).await), (1, 1));
        assert_eq!((platform(ada).await, platform(bob).await), (1, 0));
        assert_eq!(administered(bob).await, [one.id]);
        super::migrations::execute(
            &store,
            "UPDATE users SET password_hash = NULL WHERE platform_role IS NULL",
        )
        .await;
        assert_eq!(
            (others(bob).await, others(ada).await),
            (0, 1),
            "who was only invited administers nothing"
        );
        assert!(administered(ada).await.is_empty());
        super::migrations::execute(&store, "UPDATE users SET password_hash = 'no hash'").await;
        change(&store, async |c| disable_user(c, bob, at(5)).await).await;
        assert_eq!((others(ada).await, others(bob).await, platform(ada).await), (0, 1, 0));
        assert!(administered(bob).await.is_empty());
        change(&store, async |c| publishers::delete(c, one.id, at(5)).await).await;
        assert!(administered(ada).await.is_empty());
    }
}

/// Each removes the other, on two nodes at once.
#[tokio::test]
async fn of_two_who_remove_each_other_one_sees_the_other_gone() {
    let Some(store) = postgres_store().await else { return };
    let (one, roles) = publisher(&store, 1, "one").await;
    let [ada, bob] = [user(&store, 1, None).await, user(&store, 2, None).await];
    for (number, id) in [(1, ada), (2, bob)] {
        join(&store, id, &roles[0], number).await;
    }
    let mut first = store.begin().await.unwrap();
    assert_eq!(memberships::count_other_administrators(first.conn(), one.id, bob).await, Ok(1));
    let second = tokio::spawn({
        let store = store.another().await;
        async move {
            let mut tx = store.begin().await.unwrap();
            let left = memberships::count_other_administrators(tx.conn(), one.id, ada).await;
            tx.rollback().await;
            left
        }
    });
    memberships::remove(first.conn(), one.id, bob, 2).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap(), Ok(0));
}

/// What a member may do is what the role grants, from the change of it on.
#[tokio::test]
async fn a_session_within_a_publisher_carries_what_the_role_grants() {
    for store in test_stores().await {
        let (one, roles) = publisher(&store, 1, "one").await;
        let ada = user(&store, 1, None).await;
        join(&store, ada, &roles[2], 1).await;
        let session = SessionId::generate(NOW, entropy(40));
        change(&store, async |c| insert_session(c, session, ada, 3, NOW).await).await;
        let scopes = async || {
            let wanted = Wanted::Session { id: session, publisher: Some(one.id) };
            let loaded = read(&store, async |c| grants::load(c, &wanted).await).await.unwrap();
            loaded.grant.scopes
        };
        assert_eq!(scopes().await, BuiltInRole::PublisherViewer.permissions());
        change(&store, async |c| memberships::set_role(c, one.id, ada, 1, roles[0].id, at(2)).await).await;
        assert_eq!(scopes().await, ScopeSet::all());
        change(&store, async |c| memberships::remove(c, one.id, ada, 2).await).await;
        assert!(scopes().await.is_empty());
    }
}
