//! What a member may do ends with the role, the membership and the publisher: at once, and also in the
//! middle of what they are doing.

use keywright_authority::memberships::{self, Add};
use keywright_authority::publishers;
use keywright_authority::roles;
use keywright_authority::{Call, Fault, entropy};
use keywright_core::{BuiltInRole, Name, ScopeSet, UserId};
use keywright_store::{memberships as rows, roles as role_rows};

use crate::people::{Person, built_in, join, member, publisher};
use crate::world::{at_once, denial, operator, scopes, worlds};

#[tokio::test]
async fn every_change_of_what_a_member_may_do_is_in_force_when_the_call_returns() {
    for world in worlds().await {
        let authority = &world.authority;
        let publisher = publisher(&world, "p").await;
        let wanted = roles::Create {
            name: Name::parse("curator").unwrap(),
            description: String::new(),
            permissions: scopes(&["works:*"]),
        };
        let acting = Call { publisher: Some(publisher), ..operator() };
        let curator = roles::create(authority, acting, wanted).await.unwrap().object;
        let person = Person::of(&world, "ada@example.com", publisher).await;
        assert_eq!(person.verdict(&world, "works:read").await, "wrong_publisher");
        join(&world, &person, curator.id).await;
        assert_eq!(person.verdict(&world, "works:write").await, "valid");

        let narrower = roles::Update { permissions: Some(scopes(&["works:read"])), ..Default::default() };
        roles::update(authority, operator(), curator.id, narrower).await.unwrap();
        assert_eq!(person.verdict(&world, "works:write").await, "insufficient_scope");
        assert_eq!(person.verdict(&world, "works:read").await, "valid");

        publishers::suspend(authority, operator(), publisher, None).await.unwrap();
        assert_eq!(person.verdict(&world, "works:read").await, "publisher_suspended");
        publishers::resume(authority, operator(), publisher, None).await.unwrap();
        assert_eq!(person.verdict(&world, "works:read").await, "valid");

        let viewer = built_in(&world, publisher, BuiltInRole::PublisherViewer).await;
        memberships::update(authority, operator(), publisher, person.user, Some(viewer)).await.unwrap();
        assert_eq!(person.verdict(&world, "works:read").await, "insufficient_scope");
        assert_eq!(person.verdict(&world, "users:read").await, "valid");

        memberships::remove(authority, operator(), publisher, person.user, None).await.unwrap();
        assert_eq!(person.verdict(&world, "users:read").await, "wrong_publisher");
        join(&world, &person, viewer).await;
        assert_eq!(person.verdict(&world, "users:read").await, "valid");
        publishers::delete(authority, operator(), publisher, None).await.unwrap();
        assert_eq!(person.verdict(&world, "users:read").await, "wrong_publisher", "{:?}", world.engine());
    }
}

/// The door let them in before; what they began is decided on anew inside its transaction.
#[tokio::test]
async fn who_was_demoted_removed_or_suspended_meanwhile_finishes_nothing() {
    for world in worlds().await {
        let authority = &world.authority;
        let publisher = publisher(&world, "p").await;
        member(&world, "boss@example.com", publisher, BuiltInRole::PublisherAdmin).await;
        let wanted = |name: &str| roles::Create {
            name: Name::parse(name).unwrap(),
            description: String::new(),
            permissions: ScopeSet::default(),
        };
        let person = member(&world, "ada@example.com", publisher, BuiltInRole::PublisherAdmin).await;
        roles::create(authority, person.call(), wanted("before")).await.unwrap();
        let refused = async |name: &str| {
            let outcome = roles::create(authority, person.call(), wanted(name)).await;
            denial(&outcome)
        };
        let viewer = built_in(&world, publisher, BuiltInRole::PublisherViewer).await;
        memberships::update(authority, operator(), publisher, person.user, Some(viewer)).await.unwrap();
        assert_eq!(refused("demoted").await, "insufficient_scope");
        publishers::suspend(authority, operator(), publisher, None).await.unwrap();
        assert_eq!(refused("suspended").await, "publisher_suspended");
        publishers::resume(authority, operator(), publisher, None).await.unwrap();
        memberships::remove(authority, operator(), publisher, person.user, None).await.unwrap();
        assert_eq!(refused("removed").await, "wrong_publisher");
        let mut reader = world.store.read().await.unwrap();
        for name in ["demoted", "suspended", "removed"] {
            assert_eq!(role_rows::by_name(reader.conn(), publisher, name).await, Ok(None), "{name}");
        }
    }
}

#[tokio::test]
async fn of_ten_administrators_who_demote_each_other_at_once_one_is_left() {
    for world in worlds().await {
        let publisher = publisher(&world, "p").await;
        let viewer = built_in(&world, publisher, BuiltInRole::PublisherViewer).await;
        let mut users = Vec::new();
        for number in 0..10 {
            let email = format!("a{number}@example.com");
            users.push(member(&world, &email, publisher, BuiltInRole::PublisherAdmin).await.user);
        }
        let authority = world.authority.clone();
        let outcomes = at_once(10, move |number| {
            let (authority, user) = (authority.clone(), users[number]);
            async move {
                loop {
                    match memberships::update(&authority, operator(), publisher, user, Some(viewer)).await {
                        // Undone for another one; the API's client tries again.
                        Err(Fault::Unavailable(_)) => {}
                        outcome => return outcome.map(drop),
                    }
                }
            }
        })
        .await;
        let refused =
            outcomes.iter().filter(|outcome| matches!(outcome, Err(Fault::LastAdministrator))).count();
        let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!((done, refused), (9, 1), "{outcomes:?}");
        let mut reader = world.store.read().await.unwrap();
        let filter = rows::ListFilter { publisher, role: None, after: None, limit: 50 };
        let members = rows::list(reader.conn(), &filter).await.unwrap();
        let administrators =
            members.iter().filter(|member| member.role_built_in.as_deref() == Some("publisher_admin"));
        assert_eq!(administrators.count(), 1, "{:?}", world.engine());
    }
}

/// Within a publisher nobody knows users who are not of it: their ids are as good as any other.
#[tokio::test]
async fn a_stranger_cannot_be_added_by_whoever_belongs_to_a_publisher() {
    for world in worlds().await {
        let (one, two) = (publisher(&world, "one").await, publisher(&world, "two").await);
        let boss = member(&world, "boss@one.example", one, BuiltInRole::PublisherAdmin).await;
        let stranger = member(&world, "eve@two.example", two, BuiltInRole::PublisherViewer).await;
        let role = built_in(&world, one, BuiltInRole::PublisherViewer).await;
        let nobody = UserId::generate(world.now(), entropy::id());
        let mut told = Vec::new();
        for user in [stranger.user, nobody] {
            let outcome = memberships::add(&world.authority, boss.call(), one, Add { user, role }).await;
            let Err(Fault::Invalid(faults)) = outcome else { panic!("{outcome:?}") };
            told.push(faults);
        }
        assert_eq!(told[0], told[1]);
        let foreign = memberships::add(&world.authority, boss.call(), two, Add { user: nobody, role }).await;
        assert!(matches!(foreign, Err(Fault::NotFound)), "{foreign:?}");
    }
}
