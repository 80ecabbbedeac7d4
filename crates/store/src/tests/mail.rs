//! Mailed tokens and the outbox: each token is used once, each delivery is settled by one attempt.

use keywright_core::{EmailAddress, TokenHash, UserId};
use uuid::Uuid;

use super::{DAY, NOW, change, entropy, hash, read};
use crate::mailed_tokens::{self, NewMailedToken, Purpose};
use crate::outbox::{self, DeliveryRow, NewDelivery, Waiting};
use crate::testing::{TestStore, test_stores};

fn user_id(number: u64) -> UserId {
    UserId::generate(NOW, entropy(number))
}

fn new_token(number: u64, purpose: Purpose) -> NewMailedToken {
    NewMailedToken {
        token_hash: hash(number),
        purpose,
        user_id: user_id(1),
        email: EmailAddress::parse("Ada@example.com").unwrap(),
        created_at: NOW,
        expires_at: NOW.plus_seconds(3_600),
    }
}

async fn give(store: &TestStore, token: &NewMailedToken) {
    change(store, async |conn| mailed_tokens::insert(conn, token).await).await;
}

async fn use_up(store: &TestStore, hash: TokenHash, purpose: Purpose, seconds: i64) -> bool {
    let now = NOW.plus_seconds(seconds);
    change(store, async |conn| mailed_tokens::use_up(conn, &hash, purpose, now).await).await
}

#[tokio::test]
async fn a_mailed_token_is_used_once_for_its_purpose_in_its_time() {
    use Purpose::{EmailVerification, PasswordReset};
    for store in test_stores().await {
        let new = new_token(1, PasswordReset);
        give(&store, &new).await;
        let found = read(&store, async |c| mailed_tokens::by_hash(c, &hash(1), PasswordReset).await).await;
        let row = found.unwrap();
        assert_eq!((row.user_id, &row.email, row.used_at), (new.user_id, &new.email, None));
        assert_eq!((row.created_at, row.expires_at), (new.created_at, new.expires_at));
        assert!(row.is_good(NOW) && !row.is_good(new.expires_at));
        let other =
            read(&store, async |c| mailed_tokens::by_hash(c, &hash(1), EmailVerification).await).await;
        assert_eq!(other, None);

        assert!(!use_up(&store, hash(1), EmailVerification, 0).await);
        assert!(!use_up(&store, hash(2), PasswordReset, 0).await);
        assert!(!use_up(&store, hash(1), PasswordReset, 3_600).await);
        assert!(use_up(&store, hash(1), PasswordReset, 3_599).await);
        assert!(!use_up(&store, hash(1), PasswordReset, 3_599).await);
        let row = read(&store, async |c| mailed_tokens::by_hash(c, &hash(1), PasswordReset).await).await;
        assert_eq!(row.unwrap().used_at, Some(NOW.plus_seconds(3_599)));
    }
}

#[tokio::test]
async fn a_newer_token_voids_the_older_of_its_purpose_alone() {
    use Purpose::{EmailChange, Invitation};
    for store in test_stores().await {
        give(&store, &new_token(1, Invitation)).await;
        give(&store, &new_token(2, EmailChange)).await;
        give(&store, &new_token(3, Invitation)).await;
        let since = async |seconds| {
            let moment = NOW.plus_seconds(seconds);
            read(&store, async |c| mailed_tokens::made_since(c, user_id(1), Invitation, moment).await).await
        };
        assert!(since(-1).await && !since(0).await);
        assert!(!use_up(&store, hash(1), Invitation, 0).await);
        assert!(use_up(&store, hash(2), EmailChange, 0).await);
        assert_eq!(change(&store, async |c| mailed_tokens::void(c, user_id(1), Invitation).await).await, 1);
        assert!(!use_up(&store, hash(3), Invitation, 0).await);
        assert_eq!(change(&store, async |c| mailed_tokens::void_all(c, user_id(2)).await).await, 0);
        assert_eq!(change(&store, async |c| mailed_tokens::void_all(c, user_id(1)).await).await, 1);
        give(&store, &new_token(4, Invitation)).await;
        let forget =
            async |days| change(&store, async |c| mailed_tokens::forget(c, NOW.plus_days(days)).await).await;
        assert_eq!((forget(0).await, forget(1).await), (0, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_uses_at_once_one_wins() {
    for store in test_stores().await {
        let store = std::sync::Arc::new(store);
        give(&store, &new_token(1, Purpose::Invitation)).await;
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let store = std::sync::Arc::clone(&store);
                tokio::spawn(async move { use_up(&store, hash(1), Purpose::Invitation, 0).await })
            })
            .collect();
        let mut won = 0;
        for task in tasks {
            won += usize::from(task.await.unwrap());
        }
        assert_eq!(won, 1, "{:?}", store.engine());
    }
}

fn delivery_id(number: u64) -> Uuid {
    user_id(number).0
}

fn new_delivery(number: u64) -> NewDelivery {
    NewDelivery {
        id: delivery_id(number),
        channel: "mail",
        template: "invitation",
        user_id: Some(user_id(1)),
        sealed: vec![1, 2, 3],
        created_at: NOW.plus_seconds(i64::try_from(number).unwrap()),
        expires_at: NOW.plus_seconds(DAY),
    }
}

async fn post(store: &TestStore, number: u64) {
    change(store, async |conn| outbox::insert(conn, &new_delivery(number)).await).await;
}

async fn delivery(store: &TestStore, number: u64) -> DeliveryRow {
    read(store, async |conn| outbox::by_id(conn, delivery_id(number)).await).await.unwrap()
}

async fn due(store: &TestStore, seconds: i64) -> Vec<Uuid> {
    let rows = read(store, async |c| outbox::due(c, NOW.plus_seconds(seconds), 10).await).await;
    rows.into_iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn a_delivery_is_taken_by_one_and_settled_by_nobody_who_was_overtaken() {
    for store in test_stores().await {
        post(&store, 1).await;
        let row = delivery(&store, 1).await;
        assert_eq!((row.channel.as_str(), row.template.as_str(), row.attempts), ("mail", "invitation", 0));
        assert_eq!((row.sealed, row.user_id, row.last_error), (Some(vec![1, 2, 3]), Some(user_id(1)), None));
        assert_eq!((row.created_at, row.next_attempt_at), (NOW.plus_seconds(1), NOW.plus_seconds(1)));
        assert_eq!(row.expires_at, NOW.plus_seconds(DAY));
        assert!(due(&store, 0).await.is_empty());
        assert_eq!(due(&store, 1).await, [delivery_id(1)]);

        let id = delivery_id(1);
        let take = async |attempts, until| {
            change(&store, async |c| outbox::take(c, id, attempts, NOW.plus_seconds(until)).await).await
        };
        assert!(take(0, 60).await);
        assert!(!take(0, 60).await);
        assert!(due(&store, 59).await.is_empty());
        // Its time is up: another takes it, and the first settles nothing any more.
        assert!(take(1, 120).await);
        assert!(!change(&store, async |c| outbox::delivered(c, id, 1, NOW).await).await);
        assert!(!change(&store, async |c| outbox::postpone(c, id, 1, NOW, "late").await).await);
        assert!(!change(&store, async |c| outbox::give_up(c, id, 1, NOW, "late").await).await);
        let later = NOW.plus_seconds(300);
        assert!(change(&store, async |c| outbox::postpone(c, id, 2, later, "refused").await).await);
        let row = delivery(&store, 1).await;
        assert_eq!((row.next_attempt_at, row.last_error.as_deref()), (later, Some("refused")));
        assert!(take(2, 360).await);
        assert!(change(&store, async |c| outbox::delivered(c, id, 3, later).await).await);
        let row = delivery(&store, 1).await;
        assert_eq!((row.delivered_at, row.sealed, row.last_error), (Some(later), None, None));
        assert!(!take(3, 400).await);
    }
}

#[tokio::test]
async fn what_is_settled_is_counted_and_forgotten_in_time() {
    for store in test_stores().await {
        for number in 1..=4 {
            post(&store, number).await;
        }
        let id = delivery_id(1);
        change(&store, async |c| outbox::take(c, id, 0, NOW).await).await;
        assert!(change(&store, async |c| outbox::give_up(c, id, 1, NOW, "no such mailbox").await).await);
        let row = delivery(&store, 1).await;
        assert_eq!(
            (row.dead_at, row.sealed, row.last_error.as_deref()),
            (Some(NOW), None, Some("no such mailbox"))
        );
        let waiting = async || read(&store, async |c| outbox::waiting(c).await).await;
        assert_eq!(waiting().await, Waiting { count: 3, oldest_at: Some(NOW.plus_seconds(2)) });
        assert_eq!(change(&store, async |c| outbox::drop_of_user(c, user_id(2), NOW).await).await, 0);
        assert_eq!(change(&store, async |c| outbox::drop_of_user(c, user_id(1), NOW).await).await, 3);
        assert!(due(&store, DAY).await.is_empty());
        let forget = async |seconds| {
            change(&store, async |c| outbox::forget(c, NOW.plus_seconds(seconds)).await).await
        };
        assert_eq!((forget(2).await, forget(5).await), (1, 3));
        assert_eq!(waiting().await, Waiting::default());
    }
}

#[tokio::test]
async fn what_waits_is_sealed_anew_only_as_it_was_read() {
    for store in test_stores().await {
        for number in 1..=3 {
            post(&store, number).await;
        }
        let sealed = async |after| read(&store, async |c| outbox::sealed(c, after, 2).await).await;
        let first = sealed(Uuid::nil()).await;
        assert_eq!(first, [(delivery_id(1), vec![1, 2, 3]), (delivery_id(2), vec![1, 2, 3])]);
        assert_eq!(sealed(delivery_id(2)).await, [(delivery_id(3), vec![1, 2, 3])]);
        let reseal = async |old: &[u8], new: &[u8]| {
            change(&store, async |c| outbox::reseal(c, delivery_id(1), old, new).await).await
        };
        assert!(!reseal(&[9], &[4]).await);
        assert!(reseal(&[1, 2, 3], &[4]).await);
        assert_eq!(delivery(&store, 1).await.sealed, Some(vec![4]));
        change(&store, async |c| outbox::drop_of_user(c, user_id(1), NOW).await).await;
        assert!(!reseal(&[4], &[5]).await && sealed(Uuid::nil()).await.is_empty());
    }
}
