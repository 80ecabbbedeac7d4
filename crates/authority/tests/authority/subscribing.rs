//! Event subscriptions: who is told of what, from when on, and what is never in it.

use keywright_authority::alerts::{self, NewAlert};
use keywright_authority::audit::chain;
use keywright_authority::notifications::subscriptions::{self, Create, Update};
use keywright_authority::notifications::{self, Address};
use keywright_core::notification::EVENT_TYPES;
use keywright_core::{AlertKind, AlertSubjectKind, BuiltInRole, EventTypes, PublisherId, Severity};
use keywright_store::alerts::AlertSubject;
use keywright_store::event_subscriptions::SubscriptionRow;
use serde_json::{Map, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::people::{member, publisher};
use crate::receiver::{Manner, Receiver};
use crate::world::{World, by, denial, name, operator, worlds};

fn types(texts: &[&str]) -> EventTypes {
    EventTypes::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn to(receiver: &Receiver, title: &str, events: &[&str]) -> Create {
    Create {
        publisher: None,
        name: name(title),
        address: Address { url: Some(Zeroizing::new(receiver.url.clone())), recipients: None },
        event_types: types(events),
        is_enabled: true,
    }
}

async fn subscribe(world: &World, wanted: Create) -> SubscriptionRow {
    let made = subscriptions::create(&world.authority, operator(), wanted).await.unwrap();
    assert!(made.secret.unwrap().reveal().starts_with("whsec_"));
    made.token
}

async fn told(world: &World) {
    chain::seal(&world.authority).await.unwrap();
    notifications::dispatch(&world.authority).await.unwrap();
    while notifications::deliver(&world.authority).await.unwrap() > 0 {}
}

fn kinds(receiver: &Receiver) -> Vec<String> {
    let mut kinds: Vec<_> = receiver
        .received()
        .iter()
        .map(|request| request.json()["type"].as_str().unwrap().to_owned())
        .collect();
    kinds.sort();
    kinds
}

#[tokio::test]
async fn a_subscription_hears_of_its_events_from_its_making_on_and_of_no_secret() {
    for world in worlds().await {
        let receiver = Receiver::start(Manner::Answers(200)).await;
        world.token("before", &["a"]).await;
        chain::seal(&world.authority).await.unwrap();
        subscribe(&world, to(&receiver, "tokens", &["token.created", "token.revoked"])).await;
        let token = world.token("ci", &["secret:scope"]).await;
        world.revoke(&token).await;
        told(&world).await;
        told(&world).await;
        assert_eq!(kinds(&receiver), ["token.created", "token.revoked"]);
        for request in receiver.received() {
            let body = request.json();
            assert_eq!(body["data"]["subject"]["id"], json!(token.row.id));
            assert_eq!(body["data"]["subject"]["name"], "ci");
            let text = body.to_string();
            assert!(!text.contains("secret:scope") && !text.contains(token.secret.reveal()), "{text}");
            assert!(request.headers["webhook-signature"].starts_with("v1,"));
        }
    }
}

#[tokio::test]
async fn a_publishers_subscription_hears_of_its_own_events_alone() {
    for world in worlds().await {
        let [one, two] = [publisher(&world, "one").await, publisher(&world, "two").await];
        let [of_one, of_all] =
            [Receiver::start(Manner::Answers(200)).await, Receiver::start(Manner::Answers(200)).await];
        subscribe(&world, Create { publisher: Some(one), ..to(&of_one, "one", &["member.*"]) }).await;
        subscribe(&world, to(&of_all, "all", &["member.*"])).await;
        member(&world, "ada@example.com", one, BuiltInRole::PublisherViewer).await;
        member(&world, "eve@example.com", two, BuiltInRole::PublisherViewer).await;
        told(&world).await;
        let publishers: Vec<_> =
            of_one.received().iter().map(|request| request.json()["data"]["publisher_id"].clone()).collect();
        assert!(!publishers.is_empty() && publishers.iter().all(|id| *id == json!(one)), "{publishers:?}");
        assert!(of_all.count() > of_one.count());
    }
}

fn expiring(publisher_id: Option<PublisherId>) -> NewAlert {
    NewAlert {
        publisher_id,
        kind: AlertKind::TokenExpiring,
        severity: Severity::High,
        subject: AlertSubject {
            kind: AlertSubjectKind::Credential,
            id: Some(Uuid::from_u128(7)),
            name: Some("ci".to_owned()),
        },
        summary: "The token ci ends in 1 day.".to_owned(),
        evidence: Map::new(),
        dedupe_key: "test".to_owned(),
        noticed_by: "test",
    }
}

#[tokio::test]
async fn a_token_that_ends_soon_is_told_under_either_name_once() {
    for world in worlds().await {
        let receiver = Receiver::start(Manner::Answers(200)).await;
        subscribe(&world, to(&receiver, "one", &["token.expiring"])).await;
        subscribe(&world, to(&receiver, "other", &["alert.opened"])).await;
        subscribe(&world, to(&receiver, "both", &["*"])).await;
        told(&world).await;
        let before = receiver.count();
        let mut tx = world.authority.store().begin().await.unwrap();
        alerts::open(&world.authority, &mut tx, expiring(None)).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        told(&world).await;
        let mut kinds: Vec<_> = receiver.received()[before..]
            .iter()
            .map(|request| request.json()["type"].as_str().unwrap().to_owned())
            .collect();
        kinds.sort();
        assert_eq!(kinds, ["alert.opened", "token.expiring", "token.expiring"]);
    }
}

#[tokio::test]
async fn who_may_not_read_events_subscribes_nobody_to_them() {
    for world in worlds().await {
        let receiver = Receiver::start(Manner::Answers(200)).await;
        let token = world.token("watcher", &["monitoring:admin"]).await;
        let wanted = to(&receiver, "s", &["*"]);
        let outcome = subscriptions::create(&world.authority, by(&token), wanted.clone()).await;
        assert_eq!(denial(&outcome), "insufficient_scope");
        let row = subscribe(&world, wanted.clone()).await;
        let change = Update { event_types: Some(types(&["token.*"])), ..Update::default() };
        let outcome = subscriptions::update(&world.authority, by(&token), row.id, change).await;
        assert_eq!(denial(&outcome), "insufficient_scope");
        let both = world.token("both", &["monitoring:admin", "audit:read"]).await;
        let wanted = Create { name: name("t"), ..wanted };
        subscriptions::create(&world.authority, by(&both), wanted).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_off_hears_of_nothing_that_happened_meanwhile() {
    for world in worlds().await {
        let receiver = Receiver::start(Manner::Answers(200)).await;
        let row = subscribe(&world, to(&receiver, "s", &["token.*"])).await;
        let switch = async |on| {
            let change = Update { is_enabled: Some(on), ..Update::default() };
            subscriptions::update(&world.authority, operator(), row.id, change).await.unwrap()
        };
        assert!(!switch(false).await.is_enabled);
        world.token("meanwhile", &["a"]).await;
        told(&world).await;
        assert!(switch(true).await.is_enabled);
        world.token("afterwards", &["a"]).await;
        told(&world).await;
        let names: Vec<_> = receiver
            .received()
            .iter()
            .map(|request| request.json()["data"]["subject"]["name"].clone())
            .collect();
        assert_eq!(names, ["afterwards"]);
        subscriptions::delete(&world.authority, operator(), row.id, None).await.unwrap();
        subscriptions::delete(&world.authority, operator(), row.id, None).await.unwrap();
        world.token("then", &["a"]).await;
        told(&world).await;
        assert_eq!(receiver.count(), 1);
    }
}

/// The list of types is written by hand; the code is what makes events.
#[test]
fn every_event_that_the_code_writes_can_be_subscribed_to() {
    fn files(folder: &std::path::Path, out: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, out);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                out.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut texts = Vec::new();
    files(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut texts);
    let all = types(&["*"]);
    let mut found = 0;
    for text in texts {
        for call in text.split("Event::new(").skip(1) {
            let Some(literal) = call.trim_start().strip_prefix('"') else { continue };
            let kind = literal.split('"').next().unwrap();
            // What a user does with the links in mails is nobody else's.
            let personal =
                kind.ends_with("_requested") || matches!(kind, "user.invited_again" | "user.profile_changed");
            // One import may bring a million of these: they are told to those who name them.
            assert!(all.cover(kind) != (kind == "token.imported"), "{kind}");
            assert!(personal || EVENT_TYPES.contains(&kind), "{kind} is missing in EVENT_TYPES");
            found += 1;
        }
    }
    assert!(found > 40, "{found}");
}
