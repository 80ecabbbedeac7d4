//! Whoever acts by a session, and loses it or what it may do on another node, finishes nothing: neither between
//! the door and the transaction, nor while the transaction waits.

use std::time::Duration;

use keywright_authority::emergency::Scope;
use keywright_authority::mail::{MailSettings, Post};
use keywright_authority::{Authority, Settings, emergency, memberships, publishers, roles, sessions, users};
use keywright_core::UserId;
use keywright_store::testing::test_stores;
use keywright_store::users::Changes;
use keywright_store::{Store, Tx};
use keywright_store::{
    memberships as member_rows, platform, publishers as publisher_rows, roles as role_rows,
    sessions as session_rows, users as user_rows,
};
use keywright_verify::Clock;

use crate::deeds::{About, Doing, revocation, settle};
use crate::people::Person;
use crate::world::{World, authority, denial, keys, noon, operator, scopes, settings};

/// What befalls whoever acts, on another node.
#[derive(Clone, Copy, Debug)]
enum Loss {
    LoggedOut,
    LoggedOutEverywhere,
    Disabled,
    Deleted,
    Emergency,
    Demoted,
    Removed,
    RoleNarrowed,
    PublisherSuspended,
}

impl Loss {
    const OF_PLATFORM: [Self; 6] = [
        Self::LoggedOut,
        Self::LoggedOutEverywhere,
        Self::Disabled,
        Self::Deleted,
        Self::Emergency,
        Self::Demoted,
    ];
    const OF_PUBLISHER: [Self; 9] = [
        Self::LoggedOut,
        Self::LoggedOutEverywhere,
        Self::Disabled,
        Self::Deleted,
        Self::Emergency,
        Self::Demoted,
        Self::Removed,
        Self::RoleNarrowed,
        Self::PublisherSuspended,
    ];

    const fn told(self) -> &'static str {
        match self {
            Self::LoggedOut
            | Self::LoggedOutEverywhere
            | Self::Disabled
            | Self::Deleted
            | Self::Emergency => "revoked",
            Self::Demoted | Self::RoleNarrowed => "insufficient_scope",
            Self::Removed => "wrong_publisher",
            Self::PublisherSuspended => "publisher_suspended",
        }
    }

    /// As another node carries it out, whole.
    async fn befall(self, there: &Authority, actor: &Person, about: &About) {
        let (user, by) = (actor.user, operator());
        match self {
            Self::LoggedOut => {
                assert!(sessions::end(there, actor.call(), actor.session).await.unwrap());
            }
            Self::LoggedOutEverywhere => {
                assert_eq!(sessions::end_all(there, actor.call()).await.unwrap(), 1);
            }
            Self::Disabled => drop(users::disable(there, by, user, None).await.unwrap()),
            Self::Deleted => users::delete(there, by, user, None).await.unwrap(),
            Self::Emergency => {
                drop(emergency::revoke(there, by, revocation(Scope::User(user))).await.unwrap());
            }
            Self::Demoted if actor.publisher.is_none() => {
                let none = users::Update { platform_role: Some(None), ..users::Update::default() };
                users::update(there, by, user, none).await.unwrap();
            }
            Self::Demoted => {
                let viewer = Some(about.viewer);
                memberships::update(there, by, about.publisher, user, viewer).await.unwrap();
            }
            Self::Removed => memberships::remove(there, by, about.publisher, user, None).await.unwrap(),
            Self::RoleNarrowed => {
                let permissions = Some(scopes(&["a"]));
                let narrower = roles::Update { permissions, ..roles::Update::default() };
                roles::update(there, by, about.chief, narrower).await.unwrap();
            }
            Self::PublisherSuspended => {
                publishers::suspend(there, by, about.publisher, None).await.unwrap();
            }
        }
    }

    /// The same in a transaction of another node that is not committed yet.
    async fn begin(self, there: &Store, actor: &Person, about: &About) -> Tx {
        let (user, session, now) = (actor.user, actor.session, noon());
        let holding = async |id| there.begin_change(&[], &[id]).await.unwrap();
        match self {
            Self::LoggedOut => {
                let mut tx = holding(session.0).await;
                assert!(session_rows::revoke(tx.conn(), session, now, None).await.unwrap());
                tx
            }
            Self::LoggedOutEverywhere => {
                let mut tx = holding(user.0).await;
                let ended = session_rows::revoke_of_user(tx.conn(), user, None, now, None).await.unwrap();
                assert_eq!(ended, [session]);
                tx
            }
            Self::Disabled | Self::Deleted | Self::Emergency => {
                let mut tx = there.begin().await.unwrap();
                let epoch = platform::next_epoch(tx.conn()).await.unwrap();
                if matches!(self, Self::Deleted) {
                    assert!(user_rows::delete(tx.conn(), user, epoch, now).await.unwrap());
                    return tx;
                }
                assert!(user_rows::end_sessions(tx.conn(), user, epoch).await.unwrap());
                if matches!(self, Self::Disabled) {
                    assert!(user_rows::disable(tx.conn(), user, now, None).await.unwrap());
                }
                tx
            }
            Self::Demoted if actor.publisher.is_none() => {
                let mut tx = holding(user.0).await;
                let none = Changes { platform_role: Some(None), ..Changes::none(now) };
                assert!(user_rows::update(tx.conn(), user, 1, &none).await.unwrap());
                tx
            }
            _ => self.begin_within(there, user, about).await,
        }
    }

    /// The same of what befalls them within the publisher.
    async fn begin_within(self, there: &Store, user: UserId, about: &About) -> Tx {
        let (publisher, now) = (about.publisher, noon());
        let holding = async |id| there.begin_change(&[], &[id]).await.unwrap();
        match self {
            Self::Removed => {
                let mut tx = there.begin().await.unwrap();
                let epoch = platform::next_epoch(tx.conn()).await.unwrap();
                assert!(member_rows::remove(tx.conn(), publisher, user, epoch).await.unwrap());
                tx
            }
            Self::RoleNarrowed => {
                let mut tx = holding(publisher.0).await;
                let permissions = Some(scopes(&["a"]));
                let narrower =
                    role_rows::Changes { name: None, description: None, permissions, updated_at: now };
                assert!(role_rows::update(tx.conn(), publisher, about.chief, 1, &narrower).await.unwrap());
                tx
            }
            Self::PublisherSuspended => {
                let mut tx = holding(publisher.0).await;
                assert!(publisher_rows::suspend(tx.conn(), publisher, now, None).await.unwrap());
                tx
            }
            _ => {
                let mut tx = holding(user.0).await;
                let viewer = about.viewer;
                assert!(member_rows::set_role(tx.conn(), publisher, user, 1, viewer, now).await.unwrap());
                tx
            }
        }
    }
}

/// One on each engine, which can send mail, and has another administrator of the platform.
async fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for store in test_stores().await {
        let post = Post::new(&MailSettings {
            base_url: "https://auth.example.com".to_owned(),
            from: "keywright@example.com".to_owned(),
            smtp_url: None,
            folder: None,
            background: true,
        });
        let world = World::with(store, Settings { post: Some(post.unwrap()), ..settings() });
        Person::of_platform(&world, "root@example.com").await;
        worlds.push(world);
    }
    worlds
}

/// What there is, and how often it was changed.
async fn state(world: &World) -> Vec<i64> {
    let mut raw = world.raw().await;
    let mut numbers = Vec::new();
    for sql in [
        "SELECT COUNT(*) FROM service_tokens",
        "SELECT COUNT(*) FROM signing_keys",
        "SELECT CAST(SUM(version) AS BIGINT) FROM publishers",
        "SELECT CAST(SUM(version) AS BIGINT) FROM roles",
        "SELECT CAST(SUM(version) AS BIGINT) FROM users",
        "SELECT CAST(SUM(version) AS BIGINT) FROM memberships",
        "SELECT COUNT(*) FROM sessions WHERE revoked_at IS NOT NULL",
        "SELECT epoch_counter FROM platform",
        "SELECT COUNT(*) FROM security_events",
        "SELECT COUNT(*) FROM outbox",
    ] {
        numbers.push(raw.number(sql).await);
    }
    numbers
}

/// Every loss with every change, of the platform and of a publisher.
fn cases() -> impl Iterator<Item = (usize, bool, Loss, Doing)> {
    let of_platform = Loss::OF_PLATFORM
        .into_iter()
        .flat_map(|loss| Doing::OF_PLATFORM.into_iter().map(move |doing| (true, loss, doing)));
    let of_publisher = Loss::OF_PUBLISHER
        .into_iter()
        .flat_map(|loss| Doing::OF_PUBLISHER.into_iter().map(move |doing| (false, loss, doing)));
    let all = of_platform.chain(of_publisher).enumerate();
    all.map(|(number, (of_platform, loss, doing))| (number, of_platform, loss, doing))
}

/// Without this, the refusals below could have another reason.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_loses_nothing_finishes_what_they_began() {
    for world in worlds().await {
        let all = Doing::OF_PLATFORM.map(|doing| (true, doing));
        let all = all.into_iter().chain(Doing::OF_PUBLISHER.map(|doing| (false, doing)));
        for (number, (of_platform, doing)) in all.enumerate() {
            let (actor, about) = settle(&world, number, of_platform).await;
            let before = state(&world).await;
            let done = doing.carry_out(world.authority.clone(), actor.call(), about).await;
            assert!(done.is_ok(), "{:?}: {doing:?}: {done:?}", world.engine());
            assert_ne!(state(&world).await, before, "{:?}: {doing:?}", world.engine());
            let mut raw = world.raw().await;
            raw.run("UPDATE users SET email = 'x' || email, email_folded = 'x' || email_folded").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_node_took_away_after_the_door_is_missed_in_the_transaction() {
    for world in worlds().await {
        let there = authority(&world.store.another().await, Clock::manual(noon()), keys(&[1]));
        for (number, of_platform, loss, doing) in cases() {
            let label = format!("{:?}: {loss:?}, then {doing:?}", world.engine());
            let (actor, about) = settle(&world, number, of_platform).await;
            assert_eq!(actor.verdict(&world, "users:admin").await, "valid", "{label}");
            let call = actor.call();
            loss.befall(&there, &actor, &about).await;
            // Nobody listens here: the door would still let them in.
            assert_eq!(actor.verdict(&world, "users:admin").await, "valid", "{label}");
            let before = state(&world).await;
            let outcome = doing.carry_out(world.authority.clone(), call, about).await;
            assert_eq!(denial(&outcome), loss.told(), "{label}");
            assert_eq!(state(&world).await, before, "{label}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_being_taken_away_meanwhile_is_waited_for_and_missed() {
    for world in worlds().await {
        let there = world.store.another().await;
        for (number, of_platform, loss, doing) in cases() {
            let label = format!("{:?}: {loss:?} during {doing:?}", world.engine());
            let (actor, about) = settle(&world, number, of_platform).await;
            let losing = loss.begin(&there, &actor, &about).await;
            let change = tokio::spawn(doing.carry_out(world.authority.clone(), actor.call(), about));
            // Long enough to get as far as it can. One that begins later is refused as well.
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert!(!change.is_finished(), "{label}: it did not wait");
            losing.commit().await.unwrap();
            let before = state(&world).await;
            assert_eq!(denial(&change.await.unwrap()), loss.told(), "{label}");
            assert_eq!(state(&world).await, before, "{label}");
        }
    }
}
