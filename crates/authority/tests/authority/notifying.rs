//! Notifications are enqueued once and told at least once, whatever fails, and whatever is killed between two steps.

use std::sync::Arc;
use std::time::Duration;

use keywright_authority::alerts::{self, NewAlert};
use keywright_authority::audit::chain;
use keywright_authority::connector::{Connector, SystemNames};
use keywright_authority::notifications::channels::{self, Create, Update};
use keywright_authority::notifications::deliveries::{TargetId, retry};
use keywright_authority::notifications::{self, Address, MOST_IMMEDIATE};
use keywright_authority::{Authority, Settings};
use keywright_core::{
    AlertKind, AlertSubjectKind, ChannelId, ChannelKind, DeliveryId, DeliveryState, DigestPeriod,
    EmailAddress, Severity, Timestamp,
};
use keywright_store::alerts::AlertSubject;
use keywright_store::deliveries::{self, DeliveryRow, ListFilter};
use keywright_store::testing::test_stores;
use keywright_verify::Clock;
use serde_json::{Map, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::receiver::{Manner, Receiver};
use crate::world::{World, at_once, authority_with, keys, name, noon, operator, settings};

const HOUR: i64 = 3_600;

/// With calls that are given up soon: a receiver that hangs is to be seen hanging.
fn impatient() -> Settings {
    let allowed = ["127.0.0.0/8".parse().unwrap()];
    let connector =
        Connector::with_names(&allowed, Arc::new(SystemNames), Duration::from_millis(300)).unwrap();
    Settings { connector, ..settings() }
}

async fn worlds() -> Vec<World> {
    test_stores().await.into_iter().map(|store| World::with(store, impatient())).collect()
}

/// Another node over the same store, by a clock that stands at the same moment.
fn another(world: &World) -> Authority {
    authority_with(&world.store, Clock::manual(world.now()), keys(&[1]), impatient())
}

fn to(receiver: &Receiver, title: &str) -> Create {
    Create {
        publisher: None,
        name: name(title),
        kind: ChannelKind::Webhook,
        address: Address { url: Some(Zeroizing::new(receiver.url.clone())), recipients: None },
        minimum_severity: Severity::Low,
        alert_kinds: None,
        all_publishers: None,
        digest: DigestPeriod::Off,
        is_enabled: true,
    }
}

async fn channel(world: &World, wanted: Create) -> ChannelId {
    channels::create(&world.authority, operator(), wanted).await.unwrap().token.id
}

fn about(number: u64, severity: Severity) -> NewAlert {
    NewAlert {
        publisher_id: None,
        kind: AlertKind::TokenExpiring,
        severity,
        subject: AlertSubject {
            kind: AlertSubjectKind::Credential,
            id: Some(Uuid::from_u128(number.into())),
            name: None,
        },
        summary: format!("Token number {number} ends soon."),
        evidence: Map::new(),
        dedupe_key: format!("test:{number}"),
        noticed_by: "test",
    }
}

async fn open(authority: &Authority, new: NewAlert) {
    let mut tx = authority.store().begin().await.unwrap();
    alerts::open(authority, &mut tx, new).await.unwrap().unwrap();
    tx.commit().await.unwrap();
}

/// Seals what happened, and writes its deliveries.
async fn dispatched(authority: &Authority) {
    chain::seal(authority).await.unwrap();
    notifications::dispatch(authority).await.unwrap();
}

async fn told(authority: &Authority) {
    dispatched(authority).await;
    notifications::deliver(authority).await.unwrap();
}

async fn rows(authority: &Authority, target: ChannelId) -> Vec<DeliveryRow> {
    let filter = ListFilter { target: target.0, limit: 1_000, ..ListFilter::default() };
    deliveries::list(authority.store().read().await.unwrap().conn(), &filter).await.unwrap()
}

async fn only(authority: &Authority, target: ChannelId) -> DeliveryRow {
    let mut all = rows(authority, target).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[tokio::test]
async fn an_alert_leaves_once_by_each_channel_that_tells_it_and_is_signed() {
    for world in worlds().await {
        let receiver = Receiver::start(Manner::Answers(204)).await;
        let made = channels::create(&world.authority, operator(), to(&receiver, "all")).await.unwrap();
        let secret = made.secret.unwrap();
        channel(&world, Create { minimum_severity: Severity::Critical, ..to(&receiver, "critical") }).await;
        let others = Some(vec![AlertKind::LeakReported]);
        channel(&world, Create { alert_kinds: others, ..to(&receiver, "leaks") }).await;
        channel(&world, Create { is_enabled: false, ..to(&receiver, "off") }).await;
        open(&world.authority, about(1, Severity::High)).await;
        told(&world.authority).await;
        told(&world.authority).await;
        assert_eq!(receiver.count(), 1);
        let request = receiver.received().remove(0);
        let body = request.json();
        assert_eq!(body["type"], "alert.opened");
        assert_eq!(body["data"]["summary"], "Token number 1 ends soon.");
        assert_eq!(body["data"]["kind"], "token_expiring");
        let at: i64 = request.headers["webhook-timestamp"].parse().unwrap();
        let at = Timestamp::from_micros(at * 1_000_000);
        let expected = notifications::sign(secret.reveal(), request.id(), at, &request.bytes).unwrap();
        assert_eq!(request.headers["webhook-signature"], expected);
        assert!(at.micros_since(world.now()).abs() < 60_000_000, "{at}");
        let row = only(&world.authority, made.token.id).await;
        assert_eq!((row.state, row.attempts, row.status_code), (DeliveryState::Delivered, 1, Some(204)));
        assert_eq!(row.id.to_string(), request.id());
    }
}

#[tokio::test]
async fn a_publishers_channel_tells_its_own_alerts_alone() {
    for world in worlds().await {
        let receiver = Receiver::start(Manner::Answers(200)).await;
        let [one, two] =
            [crate::people::publisher(&world, "one").await, crate::people::publisher(&world, "two").await];
        let of_one = channel(&world, Create { publisher: Some(one), ..to(&receiver, "one") }).await;
        let of_two = channel(&world, Create { publisher: Some(two), ..to(&receiver, "two") }).await;
        let platform =
            channel(&world, Create { all_publishers: Some(false), ..to(&receiver, "platform") }).await;
        let all = channel(&world, to(&receiver, "all")).await;
        open(&world.authority, NewAlert { publisher_id: Some(one), ..about(1, Severity::Low) }).await;
        open(&world.authority, about(2, Severity::Low)).await;
        told(&world.authority).await;
        for (target, count) in [(of_one, 1), (of_two, 0), (platform, 1), (all, 2)] {
            assert_eq!(rows(&world.authority, target).await.len(), count, "{target}");
        }
        let bad = Create { publisher: Some(one), all_publishers: Some(true), ..to(&receiver, "bad") };
        assert!(channels::create(&world.authority, operator(), bad).await.is_err());
    }
}

#[tokio::test]
async fn whatever_a_receiver_does_it_is_told_again_under_the_same_id() {
    for world in worlds().await {
        for (number, (manner, error)) in [
            (Manner::Answers(500), "answered 500"),
            (Manner::Answers(404), "answered 404"),
            (Manner::AsksToWait(30), "answered 429"),
            (Manner::Redirects, "answered 307; redirects are not followed"),
            (Manner::Closes, ""),
            // It took it, and we do not know.
            (Manner::Hangs, "no answer in time"),
        ]
        .into_iter()
        .enumerate()
        {
            let receiver = Receiver::start(manner).await;
            let target = channel(&world, to(&receiver, &format!("channel {number}"))).await;
            open(&world.authority, about(number as u64, Severity::Low)).await;
            told(&world.authority).await;
            let row = only(&world.authority, target).await;
            assert_eq!((row.state, row.attempts), (DeliveryState::Waiting, 1), "{manner:?}");
            let told_error = row.last_error.unwrap();
            assert!(told_error.contains(error) && !told_error.contains("verysecretpath"), "{told_error}");
            // Not before its pause is over.
            notifications::deliver(&world.authority).await.unwrap();
            assert_eq!(receiver.count(), 1, "{manner:?}");
            receiver.now(Manner::Answers(200));
            world.advance_seconds(45);
            notifications::deliver(&world.authority).await.unwrap();
            let requests = receiver.received();
            assert_eq!(requests.len(), 2, "{manner:?}");
            assert_eq!(requests[0].id(), requests[1].id());
            assert_eq!(requests[0].bytes, requests[1].bytes);
            let row = only(&world.authority, target).await;
            assert_eq!((row.state, row.attempts), (DeliveryState::Delivered, 2), "{manner:?}");
            channels::delete(&world.authority, operator(), target, None).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_killed_between_two_steps_is_told_by_whoever_comes_next() {
    for world in worlds().await {
        let receiver = Receiver::start(Manner::Answers(200)).await;
        let target = channel(&world, to(&receiver, "c")).await;
        // Killed after the alert, before its event has a place.
        open(&world.authority, about(1, Severity::Low)).await;
        let next = another(&world);
        chain::seal(&next).await.unwrap();
        // Killed before it was looked at, and after its delivery was written.
        let next = another(&world);
        notifications::dispatch(&next).await.unwrap();
        let next = another(&world);
        let row = only(&next, target).await;
        // Killed after it was taken, before it was sent.
        let mut tx = next.store().begin().await.unwrap();
        let until = next.now().plus_seconds(30);
        assert!(deliveries::take(tx.conn(), row.id, 0, until).await.unwrap());
        tx.commit().await.unwrap();
        let next = another(&world);
        notifications::deliver(&next).await.unwrap();
        assert_eq!(receiver.count(), 0, "it is another's until its time is up");
        // Killed after it was sent, before that was written down.
        receiver.now(Manner::Hangs);
        world.advance_seconds(31);
        let next = another(&world);
        let attempt = tokio::spawn({
            let next = next.clone();
            async move { notifications::deliver(&next).await }
        });
        receiver.has(1).await;
        attempt.abort();
        assert!(attempt.await.unwrap_err().is_cancelled());
        receiver.now(Manner::Answers(200));
        world.advance_seconds(31);
        let next = another(&world);
        notifications::deliver(&next).await.unwrap();
        let ids: Vec<_> = receiver.received().iter().map(|request| request.id().to_owned()).collect();
        assert_eq!(ids, [row.id.to_string(), row.id.to_string()]);
        let row = only(&next, target).await;
        assert_eq!((row.state, row.attempts), (DeliveryState::Delivered, 3));
    }
}

#[tokio::test]
async fn of_several_nodes_one_writes_and_one_tells() {
    for world in worlds().await {
        let receiver = Receiver::start(Manner::Answers(200)).await;
        let target = channel(&world, to(&receiver, "c")).await;
        for number in 0..20 {
            open(&world.authority, about(number, Severity::Low)).await;
        }
        chain::seal(&world.authority).await.unwrap();
        let nodes: Vec<_> = (0..4).map(|_| another(&world)).collect();
        let own = nodes.clone();
        at_once(4, move |node| {
            let node = own[node].clone();
            async move { notifications::dispatch(&node).await.unwrap() }
        })
        .await;
        assert_eq!(rows(&world.authority, target).await.len(), 20);
        while rows(&world.authority, target).await.iter().any(|row| row.state == DeliveryState::Waiting) {
            let own = nodes.clone();
            at_once(4, move |node| {
                let node = own[node].clone();
                async move { notifications::deliver(&node).await.unwrap() }
            })
            .await;
        }
        let mut ids: Vec<_> = receiver.received().iter().map(|request| request.id().to_owned()).collect();
        ids.sort();
        assert_eq!(ids.len(), 20);
        ids.dedup();
        assert_eq!(ids.len(), 20);
    }
}

#[tokio::test]
async fn no_delivery_is_given_up_before_a_day_and_its_channel_is_told_of_by_another() {
    for world in worlds().await {
        let (dead, alive) =
            (Receiver::start(Manner::Answers(500)).await, Receiver::start(Manner::Answers(200)).await);
        let target = channel(&world, to(&dead, "dead")).await;
        open(&world.authority, about(1, Severity::Low)).await;
        told(&world.authority).await;
        let other = channel(&world, to(&alive, "alive")).await;
        let made_at = only(&world.authority, target).await.created_at;
        loop {
            let row = only(&world.authority, target).await;
            if row.state == DeliveryState::Dead {
                let settled_at = row.settled_at.unwrap();
                assert!(settled_at.micros_since(made_at) >= 24 * HOUR * 1_000_000, "{row:?}");
                assert!(row.attempts >= 24, "{row:?}");
                assert_eq!(row.answer.as_deref(), Some("hello"));
                break;
            }
            world.authority.clock().advance(row.next_attempt_at.micros_since(world.now()).max(0));
            notifications::deliver(&world.authority).await.unwrap();
        }
        // An alert, which the dead one is not told of.
        told(&world.authority).await;
        let row = only(&world.authority, other).await;
        let notice: serde_json::Value = serde_json::from_str(&row.payload).unwrap();
        assert_eq!(notice["data"]["kind"], "delivery_dead");
        assert_eq!(notice["data"]["subject_id"], json!(target));
        assert_eq!(rows(&world.authority, target).await.len(), 1);
        // Tried again by hand, under the same id; and the alert is over.
        dead.now(Manner::Answers(200));
        let id = only(&world.authority, target).await.id;
        let revived = retry(&world.authority, operator(), TargetId::Channel(target), id).await.unwrap();
        assert_eq!(revived.state, DeliveryState::Waiting);
        notifications::deliver(&world.authority).await.unwrap();
        assert_eq!(dead.received().last().unwrap().id(), id.to_string());
        told(&world.authority).await;
        let notices: std::collections::BTreeSet<_> =
            rows(&world.authority, other).await.into_iter().map(|row| row.event_type).collect();
        assert_eq!(notices, ["alert.opened", "alert.resolved"].map(str::to_owned).into());
    }
}

#[tokio::test]
async fn a_clock_that_steps_loses_nothing() {
    for world in worlds().await {
        let receiver = Receiver::start(Manner::Answers(500)).await;
        let target = channel(&world, to(&receiver, "c")).await;
        open(&world.authority, about(1, Severity::Low)).await;
        world.advance_seconds(-2 * HOUR);
        told(&world.authority).await;
        assert_eq!(receiver.count(), 1);
        world.advance_seconds(4 * HOUR);
        receiver.now(Manner::Answers(200));
        notifications::deliver(&world.authority).await.unwrap();
        assert_eq!(only(&world.authority, target).await.state, DeliveryState::Delivered);
        // Back again: what happens now is told.
        world.advance_seconds(-2 * HOUR);
        open(&world.authority, about(2, Severity::Low)).await;
        told(&world.authority).await;
        assert_eq!(receiver.count(), 3);
    }
}

#[tokio::test]
async fn a_server_that_was_off_for_days_tries_once_more() {
    for world in worlds().await {
        let receiver = Receiver::start(Manner::Answers(200)).await;
        let target = channel(&world, to(&receiver, "c")).await;
        open(&world.authority, about(1, Severity::Low)).await;
        dispatched(&world.authority).await;
        world.advance_seconds(72 * HOUR);
        notifications::deliver(&world.authority).await.unwrap();
        assert_eq!(only(&world.authority, target).await.state, DeliveryState::Delivered);
    }
}

#[tokio::test]
async fn a_digest_tells_what_a_channel_gathered_within_an_hour() {
    for world in worlds().await {
        let receiver = Receiver::start(Manner::Answers(200)).await;
        let wanted = Create { digest: DigestPeriod::Hourly, ..to(&receiver, "hourly") };
        let target = channel(&world, wanted).await;
        world.advance_seconds(60);
        for number in 0..5 {
            let severity = if number == 3 { Severity::Critical } else { Severity::Low };
            open(&world.authority, about(number, severity)).await;
        }
        told(&world.authority).await;
        assert_eq!(receiver.count(), 0);
        assert!(
            rows(&world.authority, target).await.iter().all(|row| row.state == DeliveryState::Collecting)
        );
        world.advance_seconds(HOUR);
        told(&world.authority).await;
        told(&world.authority).await;
        assert_eq!(receiver.count(), 1);
        let body = receiver.received().remove(0).json();
        assert_eq!((&body["type"], &body["data"]["count"]), (&json!("alert.digest"), &json!(5)));
        assert_eq!(body["data"]["items"][0]["alert"]["severity"], "critical");
        assert_eq!(body["data"]["items"].as_array().unwrap().len(), 5);
        let all = rows(&world.authority, target).await;
        let digest = all.iter().find(|row| row.event_type == "alert.digest").unwrap();
        assert_eq!(all.iter().filter(|row| row.digest_id == Some(digest.id)).count(), 5);
    }
}

#[tokio::test]
async fn a_flood_becomes_a_digest_by_itself() {
    for world in worlds().await {
        let receiver = Receiver::start(Manner::Answers(200)).await;
        let target = channel(&world, to(&receiver, "c")).await;
        let flood = 300;
        let mut tx = world.authority.store().begin().await.unwrap();
        for number in 0..flood {
            alerts::open(&world.authority, &mut tx, about(number, Severity::High)).await.unwrap();
        }
        tx.commit().await.unwrap();
        dispatched(&world.authority).await;
        while notifications::deliver(&world.authority).await.unwrap() > 0 {}
        assert_eq!(receiver.count(), MOST_IMMEDIATE as usize);
        world.advance_seconds(HOUR);
        told(&world.authority).await;
        assert_eq!(receiver.count(), MOST_IMMEDIATE as usize + 1);
        let body = receiver.received().pop().unwrap().json();
        assert_eq!(body["data"]["count"], flood - u64::from(MOST_IMMEDIATE));
        assert_eq!(body["data"]["items"].as_array().unwrap().len(), 20);
        // An hour later it may speak by itself again.
        world.advance_seconds(HOUR);
        open(&world.authority, about(1_000, Severity::Low)).await;
        told(&world.authority).await;
        assert_eq!(receiver.received().pop().unwrap().json()["type"], "alert.opened");
        assert!(rows(&world.authority, target).await.len() > 300);
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_no_other() {
    for world in worlds().await {
        let (hangs, answers) =
            (Receiver::start(Manner::Hangs).await, Receiver::start(Manner::Answers(200)).await);
        for number in 0..10 {
            channel(&world, to(&hangs, &format!("hangs {number}"))).await;
        }
        let target = channel(&world, to(&answers, "answers")).await;
        for number in 0..3 {
            open(&world.authority, about(number, Severity::Low)).await;
        }
        dispatched(&world.authority).await;
        let authority = world.authority.clone();
        let delivering = tokio::spawn(async move { notifications::deliver(&authority).await });
        // While the others hang, and before any of them is given up.
        answers.has(3).await;
        delivering.await.unwrap().unwrap();
        let all = rows(&world.authority, target).await;
        assert!(all.iter().all(|row| row.state == DeliveryState::Delivered), "{all:?}");
        assert!(hangs.count() >= 10);
    }
}

#[tokio::test]
async fn what_is_switched_off_or_deleted_is_told_nothing_more() {
    for world in worlds().await {
        let receiver = Receiver::start(Manner::Answers(200)).await;
        let off = channel(&world, to(&receiver, "off")).await;
        let gone = channel(&world, to(&receiver, "gone")).await;
        open(&world.authority, about(1, Severity::Low)).await;
        dispatched(&world.authority).await;
        let change = Update { is_enabled: Some(false), ..Update::default() };
        channels::update(&world.authority, operator(), off, change).await.unwrap();
        channels::delete(&world.authority, operator(), gone, None).await.unwrap();
        notifications::deliver(&world.authority).await.unwrap();
        assert_eq!(receiver.count(), 0);
        for (target, reason) in [(off, "switched off"), (gone, "deleted")] {
            let row = only(&world.authority, target).await;
            assert_eq!(row.state, DeliveryState::Dead);
            assert!(row.last_error.unwrap().contains(reason));
        }
        // One that a dispatcher wrote meanwhile, since it had read the channel before.
        let mut raw = world.raw().await;
        raw.run("UPDATE deliveries SET state = 'waiting', settled_at = NULL").await;
        notifications::deliver(&world.authority).await.unwrap();
        assert_eq!(receiver.count(), 0);
        assert_eq!(raw.number("SELECT COUNT(*) FROM deliveries WHERE state = 'dead'").await, 2);
    }
}

#[tokio::test]
async fn where_a_channel_leads_is_sealed_and_sealed_anew() {
    for world in worlds().await {
        let receiver = Receiver::start(Manner::Answers(200)).await;
        let made = channels::create(&world.authority, operator(), to(&receiver, "c")).await.unwrap();
        let secret = made.secret.unwrap();
        assert_eq!(made.token.destination_hint, receiver.url.replace("hook/verysecretpath", "…path"));
        let dump = world.raw().await.dump(&[]).await;
        assert!(!dump.contains("verysecretpath") && !dump.contains(secret.reveal()), "{dump}");
        assert!(!dump.contains(&hex::encode_upper("verysecretpath")), "{dump}");
        let both = authority_with(&world.store, Clock::manual(noon()), keys(&[2, 1]), impatient());
        let sealed = keywright_authority::rekey::rekey(&both).await.unwrap();
        assert_eq!(sealed.channels, 1);
        let new = authority_with(&world.store, Clock::manual(noon()), keys(&[2]), impatient());
        open(&new, about(1, Severity::Low)).await;
        told(&new).await;
        assert_eq!(receiver.count(), 1);
    }
}

#[tokio::test]
async fn an_address_is_changed_and_the_secret_stays() {
    for world in worlds().await {
        let (old, new) =
            (Receiver::start(Manner::Answers(200)).await, Receiver::start(Manner::Answers(200)).await);
        let made = channels::create(&world.authority, operator(), to(&old, "c")).await.unwrap();
        let address = Address { url: Some(Zeroizing::new(new.url.clone())), recipients: None };
        let change = Update { address, ..Update::default() };
        channels::update(&world.authority, operator(), made.token.id, change).await.unwrap();
        open(&world.authority, about(1, Severity::Low)).await;
        told(&world.authority).await;
        assert_eq!((old.count(), new.count()), (0, 1));
        let request = new.received().remove(0);
        let at: i64 = request.headers["webhook-timestamp"].parse().unwrap();
        let at = Timestamp::from_micros(at * 1_000_000);
        let secret = made.secret.unwrap();
        let expected = notifications::sign(secret.reveal(), request.id(), at, &request.bytes).unwrap();
        assert_eq!(request.headers["webhook-signature"], expected);
    }
}

#[tokio::test]
async fn addresses_that_must_not_be_called_make_no_channel() {
    for world in worlds().await {
        for (url, kind) in [
            ("https://10.0.0.1/", ChannelKind::Webhook),
            ("https://167772161/", ChannelKind::Slack),
            ("http://hooks.example.com/", ChannelKind::Teams),
            ("https://[::ffff:169.254.169.254]/", ChannelKind::Discord),
        ] {
            let receiver = Receiver::start(Manner::Answers(200)).await;
            let address = Address { url: Some(Zeroizing::new(url.to_owned())), recipients: None };
            let wanted = Create { kind, address, ..to(&receiver, "c") };
            let fault = channels::create(&world.authority, operator(), wanted).await.unwrap_err();
            assert!(matches!(fault, keywright_authority::Fault::Invalid(_)), "{url}: {fault}");
        }
        let receiver = Receiver::start(Manner::Answers(200)).await;
        let address =
            Address { url: None, recipients: Some(vec![EmailAddress::parse("ada@example.com").unwrap()]) };
        let mail = Create { kind: ChannelKind::Email, address, ..to(&receiver, "mail") };
        let fault = channels::create(&world.authority, operator(), mail).await.unwrap_err();
        assert!(matches!(fault, keywright_authority::Fault::MailNotConfigured), "{fault}");
    }
}

#[tokio::test]
async fn a_test_is_sent_at_once_and_tried_once() {
    for world in worlds().await {
        let receiver = Receiver::start(Manner::Answers(200)).await;
        let target = channel(&world, to(&receiver, "c")).await;
        let row = channels::test(&world.authority, operator(), target).await.unwrap();
        assert_eq!((row.state, row.status_code), (DeliveryState::Delivered, Some(200)));
        assert_eq!(receiver.received().remove(0).json()["type"], "channel.test");
        receiver.now(Manner::Answers(403));
        let row = channels::test(&world.authority, operator(), target).await.unwrap();
        assert_eq!((row.state, row.status_code), (DeliveryState::Dead, Some(403)));
        assert_eq!(row.last_error.as_deref(), Some("answered 403"));
        world.advance_seconds(HOUR);
        told(&world.authority).await;
        assert_eq!(receiver.count(), 2);
        let nobodys = DeliveryId(Uuid::nil());
        assert!(retry(&world.authority, operator(), TargetId::Channel(target), nobodys).await.is_err());
    }
}
