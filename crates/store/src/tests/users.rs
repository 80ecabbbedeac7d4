//! Users: what is written is read back, one address is one account, and a deletion leaves no person behind.

use keywright_core::{
    ActorKind, ActorRef, BuiltInRole, EmailAddress, Metadata, PasswordHash, PublisherId, UserId,
};
use serde_json::json;

use super::{NOW, change, entropy, name, read};
use crate::conn::{change as change_rows, on};
use crate::dialect::Statement;
use crate::testing::{TestStore, test_stores};
use crate::users::{self, Changes, ListFilter, NewUser, UserRow, UserStatus};
use crate::{StoreError, platform};

fn user_id(number: u64) -> UserId {
    UserId::generate(NOW, entropy(number))
}

fn publisher_id(number: u64) -> PublisherId {
    PublisherId::generate(NOW, entropy(number))
}

fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn phc(text: &str) -> PasswordHash {
    PasswordHash::from_phc(text.to_owned())
}

/// A user with a value in every column that an insert has.
pub(super) fn new_user(number: u64) -> NewUser {
    NewUser {
        id: user_id(number),
        email: email(&format!("User{number}@example.com")),
        email_verified_at: Some(NOW.plus_seconds(-1)),
        display_name: Some(name(&format!("Ärger {number}"))),
        password_hash: Some(phc("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA")),
        preferences: Metadata::new(json!({"locale": "de"}).as_object().unwrap().clone()).unwrap(),
        default_publisher_id: Some(publisher_id(number)),
        platform_role: Some(BuiltInRole::PlatformAdmin),
        session_epoch: 1,
        created_by: ActorRef {
            kind: ActorKind::User,
            id: Some(user_id(number + 1_000).0),
            name: "root@example.com".into(),
        },
        created_at: NOW.plus_micros(i64::try_from(number).unwrap()),
    }
}

pub(super) async fn insert(store: &TestStore, new: &NewUser) -> UserRow {
    change(store, async |conn| users::insert(conn, new).await).await
}

async fn by_id(store: &TestStore, number: u64) -> Option<UserRow> {
    read(store, async |conn| users::by_id(conn, user_id(number), None).await).await
}

macro_rules! join {
    ($moment:literal) => {
        concat!(
            "INSERT INTO memberships (user_id, publisher_id, role_id, session_epoch, created_by_type, \
             created_by_name, created_at, updated_at, version) VALUES ($1, $2, $1, 1, 'operator', 'x', ",
            $moment,
            ", ",
            $moment,
            ", 1)"
        )
    };
}

const JOIN: Statement = Statement { name: "test", sqlite: join!("0"), postgres: join!("now()") };

async fn join(store: &TestStore, user: u64, publisher: u64) {
    change(store, async |conn| change_rows!(conn, JOIN; user_id(user).0, publisher_id(publisher).0)).await;
}

#[tokio::test]
async fn a_user_is_read_back_as_written_and_found_by_any_spelling_of_the_address() {
    for store in test_stores().await {
        let new = new_user(1);
        let row = insert(&store, &new).await;
        assert_eq!(by_id(&store, 1).await, Some(row.clone()), "{:?}", store.engine());
        let spelled = email(" uSER1@EXAMPLE.com ");
        assert_eq!(read(&store, async |c| users::by_email(c, &spelled).await).await, Some(row.clone()));
        let login = read(&store, async |c| users::for_login(c, &spelled).await).await.unwrap();
        assert_eq!((&login.user, &login.password_hash), (&row, &new.password_hash));
        assert_eq!(read(&store, async |c| users::password_hash(c, row.id).await).await, new.password_hash);
        let json = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<UserRow>(&json).unwrap(), row);
        assert!(!json.contains("argon2"), "{json}");

        let mut bare = new_user(2);
        (bare.display_name, bare.password_hash, bare.email_verified_at) = (None, None, None);
        (bare.default_publisher_id, bare.platform_role) = (None, None);
        let row = insert(&store, &bare).await;
        assert_eq!(by_id(&store, 2).await, Some(row.clone()));
        assert_eq!((row.status(), row.is_platform_administrator()), (UserStatus::Invited, false));
        assert_eq!(read(&store, async |c| users::password_hash(c, row.id).await).await, None);
    }
}

#[tokio::test]
async fn one_address_is_one_account_until_it_is_deleted() {
    for store in test_stores().await {
        insert(&store, &new_user(1)).await;
        let mut twin = new_user(2);
        twin.email = email("USER1@example.com");
        let mut tx = store.begin().await.unwrap();
        assert_eq!(users::insert(tx.conn(), &twin).await.unwrap_err(), StoreError::EmailTaken);
        tx.rollback().await;
        insert(&store, &new_user(3)).await;
        let mut tx = store.begin().await.unwrap();
        let taken = users::change_email(tx.conn(), user_id(3), &twin.email, None, NOW).await;
        assert_eq!(taken.unwrap_err(), StoreError::EmailTaken);
        tx.rollback().await;

        let epoch = change(&store, async |c| platform::next_epoch(c).await).await;
        assert!(change(&store, async |c| users::delete(c, user_id(1), epoch, NOW).await).await);
        assert!(!change(&store, async |c| users::delete(c, user_id(1), epoch, NOW).await).await);
        assert!(read(&store, async |c| users::was_deleted(c, user_id(1)).await).await);
        assert!(!read(&store, async |c| users::was_deleted(c, user_id(3)).await).await);
        assert_eq!(by_id(&store, 1).await, None);
        insert(&store, &twin).await;
        // A second one that is gone stands in nobody's way.
        assert!(change(&store, async |c| users::delete(c, user_id(3), epoch, NOW).await).await);
    }
}

/// All that could name somebody.
const PERSON: Statement = Statement {
    name: "test",
    sqlite: "SELECT email || email_folded || display_name || name_folded || created_by_name \
             || preferences || COALESCE(password_hash, '') || COALESCE(disabled_reason, '') FROM users",
    postgres: "SELECT email || email_folded || display_name || name_folded || created_by_name \
             || CAST(preferences AS TEXT) || COALESCE(password_hash, '') \
             || COALESCE(disabled_reason, '') FROM users",
};

#[tokio::test]
async fn a_deleted_user_leaves_an_id_and_nothing_of_the_person() {
    for store in test_stores().await {
        insert(&store, &new_user(1)).await;
        change(&store, async |c| users::disable(c, user_id(1), NOW, Some("Ärger at work")).await).await;
        change(&store, async |c| users::delete(c, user_id(1), 7, NOW).await).await;
        let left = read(&store, async |conn| {
            on!(conn, |c| sqlx::query_scalar::<DB, String>(PERSON.text::<DB>()).fetch_one(c))
        })
        .await;
        assert_eq!(left, "{}", "{:?}", store.engine());
        for gone in [
            change(&store, async |c| users::enable(c, user_id(1), NOW).await).await,
            change(&store, async |c| users::set_password(c, user_id(1), &phc("x"), NOW).await).await,
            change(&store, async |c| users::end_sessions(c, user_id(1), 9).await).await,
            change(&store, async |c| users::update(c, user_id(1), 3, &Changes::none(NOW)).await).await,
        ] {
            assert!(!gone);
        }
    }
}

#[tokio::test]
async fn each_change_finds_the_state_that_it_needs() {
    for store in test_stores().await {
        insert(&store, &new_user(1)).await;
        let id = user_id(1);
        let later = NOW.plus_seconds(5);
        let changes = Changes {
            display_name: Some(Some(name("Other"))),
            preferences: Some(Metadata::default()),
            default_publisher_id: Some(None),
            platform_role: Some(None),
            updated_at: later,
        };
        assert!(change(&store, async |c| users::update(c, id, 1, &changes).await).await);
        assert!(!change(&store, async |c| users::update(c, id, 1, &changes).await).await);
        let row = by_id(&store, 1).await.unwrap();
        assert_eq!(row.display_name, Some(name("Other")));
        assert_eq!((row.default_publisher_id, row.platform_role.clone(), row.version), (None, None, 2));
        assert!(row.preferences.is_empty());
        assert!(change(&store, async |c| users::update(c, id, 2, &Changes::none(later)).await).await);
        assert_eq!(by_id(&store, 1).await.unwrap().display_name, Some(name("Other")));

        assert!(change(&store, async |c| users::disable(c, id, later, Some("left")).await).await);
        assert!(!change(&store, async |c| users::disable(c, id, NOW, Some("again")).await).await);
        let row = by_id(&store, 1).await.unwrap();
        assert_eq!((row.disabled_at, row.disabled_reason.as_deref()), (Some(later), Some("left")));
        assert_eq!(row.status(), UserStatus::Disabled);
        assert!(change(&store, async |c| users::enable(c, id, later).await).await);
        assert!(!change(&store, async |c| users::enable(c, id, later).await).await);

        let (old, new, newest) = (phc("$argon2id$old"), phc("$argon2id$new"), phc("$argon2id$newest"));
        assert!(change(&store, async |c| users::set_password(c, id, &old, later).await).await);
        assert!(change(&store, async |c| users::rehash(c, id, &old, &new).await).await);
        assert!(!change(&store, async |c| users::rehash(c, id, &old, &newest).await).await);
        assert_eq!(read(&store, async |c| users::password_hash(c, id).await).await, Some(new));

        let other = email("Other@example.com");
        assert!(change(&store, async |c| users::change_email(c, id, &other, None, later).await).await);
        let first = email("user1@example.com");
        assert!(!change(&store, async |c| users::verify_email(c, id, &first, later).await).await);
        assert!(change(&store, async |c| users::verify_email(c, id, &other, later).await).await);
        assert!(!change(&store, async |c| users::verify_email(c, id, &other, NOW).await).await);
        assert!(change(&store, async |c| users::end_sessions(c, id, 9).await).await);
        change(&store, async |c| users::note_login(c, id, later).await).await;
        let row = by_id(&store, 1).await.unwrap();
        assert_eq!((row.email, row.email_verified_at), (other, Some(later)));
        assert_eq!((row.session_epoch, row.last_login_at), (9, Some(later)));
    }
}

async fn listed(store: &TestStore, filter: ListFilter) -> Vec<UserId> {
    let rows = read(store, async |c| users::list(c, &filter).await).await;
    rows.into_iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn a_list_is_of_one_publisher_and_goes_through_all_pages() {
    for store in test_stores().await {
        for number in 1..=7 {
            let mut new = new_user(number);
            if number == 5 {
                new.password_hash = None;
            }
            insert(&store, &new).await;
            join(&store, number, number % 2).await;
        }
        change(&store, async |c| users::disable(c, user_id(3), NOW, None).await).await;
        let odd = ListFilter::all(Some(publisher_id(1)), 50);
        let ids = |numbers: &[u64]| numbers.iter().map(|n| user_id(*n)).collect::<Vec<_>>();
        assert_eq!(listed(&store, ListFilter::all(None, 50)).await, ids(&[7, 6, 5, 4, 3, 2, 1]));
        assert_eq!(listed(&store, odd.clone()).await, ids(&[7, 5, 3, 1]));
        for (status, found) in [
            (UserStatus::Active, ids(&[7, 1])),
            (UserStatus::Invited, ids(&[5])),
            (UserStatus::Disabled, ids(&[3])),
        ] {
            assert_eq!(listed(&store, ListFilter { status: Some(status), ..odd.clone() }).await, found);
        }
        let one = |address: &str| ListFilter { email: Some(email(address)), ..odd.clone() };
        assert_eq!(listed(&store, one("USER5@example.com")).await, ids(&[5]));
        assert_eq!(listed(&store, one("user4@example.com")).await, ids(&[]));
        for (q, found) in
            [("äRGER 1", ids(&[1])), ("SER7@", ids(&[7])), ("_ser", ids(&[])), ("er 2", ids(&[]))]
        {
            assert_eq!(listed(&store, ListFilter { q: Some(q.into()), ..odd.clone() }).await, found, "{q}");
        }
        let after = Some((NOW.plus_micros(5), user_id(5)));
        assert_eq!(listed(&store, ListFilter { after, limit: 1, ..odd.clone() }).await, ids(&[3]));
        assert!(read(&store, async |c| users::by_id(c, user_id(2), odd.within).await).await.is_none());
        assert!(read(&store, async |c| users::by_id(c, user_id(3), odd.within).await).await.is_some());
    }
}
