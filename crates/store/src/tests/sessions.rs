//! Sessions: the rows, which of them are alive, and how they end.

use keywright_core::{PublisherId, SessionId, UserId};
use uuid::Uuid;

use super::{NOW, change, entropy, hash, read};
use crate::conn::on;
use crate::platform::{self, Reached};
use crate::sessions::{self, ListFilter, NewSession, Reach};
use crate::testing::test_stores;
use crate::types::Time;
use crate::{Store, refresh_tokens};

fn session_id(number: u64) -> SessionId {
    SessionId::generate(NOW, entropy(number))
}

fn user_id(number: u64) -> UserId {
    UserId::generate(NOW, entropy(100 + number))
}

fn publisher_id(number: u64) -> PublisherId {
    PublisherId::generate(NOW, entropy(200 + number))
}

/// A user with this address.
pub(super) async fn insert_user(store: &Store, id: UserId, email: &str) {
    const INSERT: &str = "INSERT INTO users (id, email, email_folded, display_name, name_folded, preferences, \
         session_epoch, created_by_type, created_by_name, created_at, updated_at, version) \
         VALUES ($1, $2, $2, 'A', 'a', '{}', 1, 'operator', 'o', $3, $3, 1)";
    change(store, async |c| {
        on!(c, |c| async {
            sqlx::query::<DB>(INSERT).bind(id.0).bind(email).bind(Time(NOW)).execute(c).await.map(drop)
        })
    })
    .await;
}

/// A publisher with one member.
async fn insert_publisher(store: &Store, id: PublisherId, member: UserId) {
    const PUBLISHER: &str = "INSERT INTO publishers (id, name, name_folded, settings, session_epoch, \
         created_by_type, created_by_name, created_at, updated_at, version) \
         VALUES ($1, $2, $2, '{}', 1, 'operator', 'o', $3, $3, 1)";
    const MEMBERSHIP: &str = "INSERT INTO memberships (publisher_id, user_id, role_id, session_epoch, \
         created_by_type, created_by_name, created_at, updated_at, version) \
         VALUES ($1, $2, $1, 1, 'operator', 'o', $3, $3, 1)";
    change(store, async |mut c| {
        on!(c.reborrow(), |c| async {
            let query = sqlx::query::<DB>(PUBLISHER).bind(id.0).bind(id.to_string());
            query.bind(Time(NOW)).execute(c).await.map(drop)
        })?;
        on!(c, |c| async {
            let query = sqlx::query::<DB>(MEMBERSHIP).bind(id.0).bind(member.0);
            query.bind(Time(NOW)).execute(c).await.map(drop)
        })
    })
    .await;
}

/// Raises the number of one reach.
async fn raise(store: &Store, statement: &'static str, id: Uuid) {
    change(store, async |mut c| {
        let epoch = platform::next_epoch(c.reborrow()).await?;
        on!(c, |c| async {
            let query = sqlx::query::<DB>(statement).bind(i64::try_from(epoch).unwrap()).bind(id);
            query.execute(c).await.map(drop)
        })
    })
    .await;
}

fn new_session(number: u64, user: UserId, publisher: Option<PublisherId>) -> NewSession {
    NewSession {
        id: session_id(number),
        user_id: user,
        publisher_id: publisher,
        epoch: 1,
        ip_address: Some("2001:db8::7".parse().unwrap()),
        country: Some("IS".to_owned()),
        user_agent: Some("Firefox".to_owned()),
        created_at: NOW.plus_micros(i64::try_from(number).unwrap()),
        expires_at: NOW.plus_days(90),
        idle_expires_at: NOW.plus_days(14),
    }
}

async fn insert(store: &Store, new: &NewSession) -> sessions::SessionRow {
    change(store, async |c| sessions::insert(c, new).await).await
}

/// Two users, a publisher each, and a session each for it; the first user has one of the platform too.
async fn populate(store: &Store) {
    for (number, email) in [(1, "ada@example.com"), (2, "bob@example.com")] {
        insert_user(store, user_id(number), email).await;
        insert_publisher(store, publisher_id(number), user_id(number)).await;
        insert(store, &new_session(number, user_id(number), Some(publisher_id(number)))).await;
    }
    insert(store, &new_session(3, user_id(1), None)).await;
}

fn all() -> ListFilter {
    ListFilter { user: None, publisher: None, after: None, limit: 10, now: NOW }
}

async fn alive(store: &Store, filter: &ListFilter) -> Vec<SessionId> {
    let rows = read(store, async |c| sessions::list(c, filter).await).await;
    rows.into_iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn a_session_is_read_back_as_it_was_written_through_its_life() {
    for store in test_stores().await {
        let mut row = insert(&store, &new_session(1, user_id(1), Some(publisher_id(1)))).await;
        let by_id = async || read(&store, async |c| sessions::by_id(c, session_id(1)).await).await.unwrap();
        assert_eq!(by_id().await, row);
        let of = async |user| read(&store, async |c| sessions::of_user(c, session_id(1), user).await).await;
        assert_eq!((of(user_id(1)).await, of(user_id(2)).await), (Some(row.clone()), None));

        (row.last_seen_at, row.idle_expires_at) = (NOW.plus_seconds(8), NOW.plus_days(15));
        row.ip_address = Some("192.0.2.9".parse().unwrap());
        let seen = async |address| {
            change(&store, async |c| {
                sessions::seen(c, session_id(1), NOW.plus_seconds(8), NOW.plus_days(15), address).await
            })
            .await
        };
        assert!(seen(row.ip_address).await);
        assert_eq!(by_id().await, row);
        assert!(seen(None).await);
        assert_eq!(by_id().await, row);

        row.publisher_id = Some(publisher_id(2));
        let set = async || {
            change(&store, async |c| sessions::set_publisher(c, session_id(1), row.publisher_id).await).await
        };
        assert!(set().await);
        assert!(change(&store, async |c| sessions::set_epoch(c, session_id(1), 7).await).await);
        row.epoch = 7;
        assert_eq!(by_id().await, row);

        let revoke = async || {
            change(&store, async |c| sessions::revoke(c, session_id(1), NOW, Some("left")).await).await
        };
        assert!(revoke().await && !revoke().await);
        (row.revoked_at, row.revoked_reason) = (Some(NOW), Some("left".to_owned()));
        assert_eq!(by_id().await, row);
        // Nothing of an ended one changes.
        assert!(!seen(None).await && !set().await);
        let json = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<sessions::SessionRow>(&json).unwrap(), row);
    }
}

#[tokio::test]
async fn bare_sessions_are_kept_too() {
    for store in test_stores().await {
        let new = NewSession {
            ip_address: None,
            country: None,
            user_agent: None,
            ..new_session(1, user_id(1), None)
        };
        let row = insert(&store, &new).await;
        assert_eq!(read(&store, async |c| sessions::by_id(c, session_id(1)).await).await, Some(row));
    }
}

#[tokio::test]
async fn a_list_shows_those_alive_by_user_and_by_publisher() {
    for store in test_stores().await {
        populate(&store).await;
        let ids = |numbers: &[u64]| numbers.iter().map(|number| session_id(*number)).collect::<Vec<_>>();
        assert_eq!(alive(&store, &all()).await, ids(&[3, 2, 1]));
        let of_user = ListFilter { user: Some(user_id(1)), ..all() };
        assert_eq!(alive(&store, &of_user).await, ids(&[3, 1]));
        let within = ListFilter { publisher: Some(publisher_id(1)), ..of_user.clone() };
        assert_eq!(alive(&store, &within).await, ids(&[1]));
        let stranger = ListFilter { publisher: Some(publisher_id(2)), ..of_user };
        assert_eq!(alive(&store, &stranger).await, ids(&[]));
        let after = Some((NOW.plus_micros(3), session_id(3)));
        assert_eq!(alive(&store, &ListFilter { after, limit: 1, ..all() }).await, ids(&[2]));
        // Not used for too long, or at its end.
        assert!(alive(&store, &ListFilter { now: NOW.plus_days(14), ..all() }).await.is_empty());
    }
}

#[tokio::test]
async fn each_reach_ends_what_lies_in_it_by_one_number() {
    const USER: &str = "UPDATE users SET session_epoch = $1 WHERE id = $2";
    const PUBLISHER: &str = "UPDATE publishers SET session_epoch = $1 WHERE id = $2";
    const MEMBERSHIP: &str = "UPDATE memberships SET session_epoch = $1 WHERE user_id = $2";
    let (user, publisher) = (user_id(1), publisher_id(1));
    let cases = [
        (Reach::User(user), USER, user.0, vec![2]),
        (Reach::Publisher(publisher), PUBLISHER, publisher.0, vec![3, 2]),
        (Reach::Membership(user, publisher), MEMBERSHIP, user.0, vec![3, 2]),
    ];
    for (reach, statement, id, left) in cases {
        for store in test_stores().await {
            populate(&store).await;
            let count = async || read(&store, async |c| sessions::count_reached(c, reach, NOW).await).await;
            assert_eq!(count().await, 3 - left.len() as u64, "{reach:?}");
            raise(&store, statement, id).await;
            assert_eq!(count().await, 0, "{reach:?}");
            let left: Vec<_> = left.iter().map(|number| session_id(*number)).collect();
            assert_eq!(alive(&store, &all()).await, left, "{reach:?} on {:?}", store.engine());

            let mark = async || {
                change(&store, async |c| sessions::mark_revoked_by_epoch(c, NOW, Some("emergency"), 10).await)
                    .await
            };
            assert_eq!((mark().await, mark().await), (3 - left.len() as u64, 0), "{reach:?}");
            let row = read(&store, async |c| sessions::by_id(c, session_id(1)).await).await.unwrap();
            assert_eq!((row.revoked_at, row.revoked_reason.as_deref()), (Some(NOW), Some("emergency")));
        }
    }
}

#[tokio::test]
async fn an_emergency_of_the_platform_spares_the_one_that_was_lifted() {
    for store in test_stores().await {
        populate(&store).await;
        change(&store, async |mut c| {
            let epoch = platform::next_epoch(c.reborrow()).await?;
            sessions::set_epoch(c.reborrow(), session_id(2), epoch).await?;
            platform::raise(c, epoch, Reached { session: true, ..Reached::default() }).await
        })
        .await;
        assert_eq!(alive(&store, &all()).await, [session_id(2)]);
        let mark = async |limit| {
            change(&store, async |c| sessions::mark_revoked_by_epoch(c, NOW, None, limit).await).await
        };
        assert_eq!((mark(1).await, mark(10).await, mark(10).await), (1, 1, 0));
    }
}

#[tokio::test]
async fn all_sessions_of_a_user_end_but_the_spared_one() {
    for store in test_stores().await {
        populate(&store).await;
        let spared = Some(session_id(3));
        let ended = change(&store, async |c| {
            sessions::revoke_of_user(c, user_id(1), spared, NOW, Some("logout")).await
        })
        .await;
        assert_eq!(ended, [session_id(1)]);
        assert_eq!(alive(&store, &all()).await, [session_id(3), session_id(2)]);
        let ended =
            change(&store, async |c| sessions::revoke_of_user(c, user_id(1), None, NOW, None).await).await;
        assert_eq!(ended, [session_id(3)]);
        let within = async |user, publisher| {
            change(&store, async |c| sessions::revoke_within(c, user, publisher, NOW, Some("r")).await).await
        };
        assert_eq!(within(user_id(2), publisher_id(1)).await, []);
        assert_eq!(within(user_id(2), publisher_id(2)).await, [session_id(2)]);
    }
}

#[tokio::test]
async fn ended_sessions_are_removed_with_their_refresh_tokens() {
    for store in test_stores().await {
        populate(&store).await;
        for number in 1..=3 {
            change(&store, async |c| {
                refresh_tokens::insert(c, &hash(number), session_id(number), None, NOW).await
            })
            .await;
        }
        change(&store, async |c| sessions::revoke(c, session_id(1), NOW, None).await).await;
        let delete =
            async |before| change(&store, async |c| sessions::delete_ended(c, before, 10).await).await;
        assert_eq!((delete(NOW.plus_micros(-1)).await, delete(NOW).await), (0, 1));
        let token =
            async |number| read(&store, async |c| refresh_tokens::by_hash(c, &hash(number)).await).await;
        assert!(token(1).await.is_none() && token(2).await.is_some());
        assert_eq!(delete(NOW.plus_days(14)).await, 2);
        assert!(token(2).await.is_none());
    }
}
