//! `GET /auth/verify/stream`: what caches elsewhere are told.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::events::Events;
use crate::harness::{Engine, Minted, TestApp, eventually, id, on_both_engines};

on_both_engines![
    what_changes_is_told_once_it_is_in_force,
    a_stream_begins_with_hello_and_a_flush_and_beats,
    a_stream_goes_on_where_it_was_left,
    what_is_not_remembered_is_a_flush,
    an_emergency_is_a_flush,
    whoever_may_not_ask_may_not_listen,
    a_stream_ends_with_the_credential_that_asked_for_it,
    a_stream_ends_when_its_credential_is_narrowed,
    an_asker_of_a_publisher_cannot_tell_what_changed_elsewhere,
    no_credential_has_more_streams_than_there_may_be,
    no_publisher_has_more_streams_than_there_may_be,
    only_what_the_stream_follows_may_be_kept,
];

/// What a cache may keep of a decision on a token.
async fn kept(app: &TestApp, token: &str) -> Value {
    app.verify_body(json!({"token": token, "cacheable": true})).await.decided("valid")["cache"].clone()
}

fn tells(data: &Value, kept: &Value) -> bool {
    let marks = kept["depends_on"].as_array().unwrap();
    data.as_array().is_some_and(|told| told.iter().any(|mark| marks.contains(mark)))
}

async fn what_changes_is_told_once_it_is_in_force(app: &TestApp) {
    let mut events = Events::open(app, app.admin_token(), None).await.unwrap();
    events.next_of(&["beat"]).await;
    let revoked = app.mint("revoked", &["a"]).await;
    let changed = app.mint("changed", &["a"]).await;
    let other = app.mint("other", &["a"]).await;
    let mut marks = Vec::new();
    for token in [&revoked, &changed, &other] {
        marks.push(kept(app, &token.secret).await);
    }
    app.admin().delete(&revoked.path()).await.expect(204);
    while !tells(&events.next_of(&["change"]).await.data, &marks[0]) {}
    app.verify(&revoked.secret).await.decided("revoked");
    app.admin().patch(&changed.path(), json!({"permissions": ["b"]})).await.expect(200);
    let change = loop {
        let change = events.next_of(&["change"]).await;
        assert!(!tells(&change.data, &marks[2]), "{change:?}");
        // Among nodes each change is told twice: when it is made, and when its notification is heard.
        if tells(&change.data, &marks[1]) {
            break change;
        }
    };
    // A mark says nothing of the id that it stands for.
    let text = change.data.to_string();
    assert!(!text.contains(&changed.id) && !text.contains(&changed.id.replace('-', "")), "{text}");
    assert!(!kept(app, &changed.secret).await.to_string().contains(&changed.id));
}

async fn a_stream_begins_with_hello_and_a_flush_and_beats(app: &TestApp) {
    let mut events = Events::open(app, app.admin_token(), None).await.unwrap();
    let hello = events.next().await.unwrap();
    assert_eq!((hello.name.as_str(), hello.id), ("hello", None));
    let node = app.authority().node().to_string();
    let expected = json!({"node": node, "beat_milliseconds": 500, "unconfirmed_after_milliseconds": 1500});
    assert_eq!(hello.data, expected);
    let flush = events.next().await.unwrap();
    assert_eq!((flush.name.as_str(), &flush.data), ("flush", &Value::Null));
    assert!(flush.id.unwrap().starts_with(&format!("{node}.")));
    // A node that has just begun may not know yet; then it does.
    let mut last = i64::MIN;
    for _ in 0..2 {
        let mut confirmed = None;
        while confirmed.is_none_or(|confirmed| confirmed <= last) {
            confirmed = events.next_of(&["beat"]).await.data["confirmed_microseconds"].as_i64();
        }
        last = confirmed.unwrap();
    }
}

async fn a_stream_goes_on_where_it_was_left(app: &TestApp) {
    let token = app.mint("revoked meanwhile", &["a"]).await;
    let marks = kept(app, &token.secret).await;
    let mut events = Events::open(app, app.admin_token(), None).await.unwrap();
    let left_at = events.next_of(&["flush"]).await.id.unwrap();
    drop(events);
    app.admin().delete(&token.path()).await.expect(204);
    let mut events = Events::open(app, app.admin_token(), Some(&left_at)).await.unwrap();
    assert_eq!(events.next().await.unwrap().name, "hello");
    // What was missed, and nothing else before the first beat.
    let mut told = Vec::new();
    loop {
        let event = events.next().await.unwrap();
        match event.name.as_str() {
            "change" => told.push(event),
            "beat" => break,
            other => panic!("{other} where only changes were missed"),
        }
    }
    assert!(told.iter().any(|event| tells(&event.data, &marks)), "{told:?}");
    let again = told.last().unwrap().id.clone().unwrap();
    let mut events = Events::open(app, app.admin_token(), Some(&again)).await.unwrap();
    assert_eq!(events.next().await.unwrap().name, "hello");
    assert_ne!(events.next().await.unwrap().name, "flush", "it is remembered");
}

async fn what_is_not_remembered_is_a_flush(app: &TestApp) {
    let mut events = Events::open(app, app.admin_token(), None).await.unwrap();
    let early = events.next_of(&["flush"]).await.id.unwrap();
    let (node, number) = early.split_once('.').unwrap();
    for n in 0..1_100 {
        app.authority().verifier().invalidate([Uuid::from_u128(n)]);
    }
    let another_boot = format!("{}.{number}", Uuid::nil());
    let never_told = format!("{node}.{}", u64::MAX);
    for last in [early.as_str(), &another_boot, &never_told, "nonsense", "", &format!("{node}.-1")] {
        let mut events = Events::open(app, app.admin_token(), Some(last)).await.unwrap();
        assert_eq!(events.next().await.unwrap().name, "hello", "{last}");
        assert_eq!(events.next().await.unwrap().name, "flush", "{last}");
    }
}

async fn an_emergency_is_a_flush(app: &TestApp) {
    let mut events = Events::open(app, app.admin_token(), None).await.unwrap();
    events.next_of(&["beat"]).await;
    let body = json!({"reason": "breach", "scope": {"all": true}, "keep_caller": true});
    app.admin().post("/auth/emergency-revoke", body).await.expect(200);
    events.next_of(&["flush"]).await;
}

async fn whoever_may_not_ask_may_not_listen(app: &TestApp) {
    let token = app.mint("may nothing", &["tokens:read"]).await;
    assert_eq!(Events::open(app, &token.secret, None).await.err(), Some(403));
    assert_eq!(Events::open(app, "sk_nonsense", None).await.err(), Some(401));
    app.nobody().get("/auth/verify/stream").await.refused(401, "missing_credential");
    app.admin().get("/auth/verify/stream?since=1").await.refused(422, "unknown_field");
}

async fn a_stream_ends_with_the_credential_that_asked_for_it(app: &TestApp) {
    let asker = app.mint("asker", &["tokens:verify"]).await;
    let token = app.mint("revoked later", &["a"]).await;
    let marks = kept(app, &token.secret).await;
    let mut events = Events::open(app, &asker.secret, None).await.unwrap();
    events.next_of(&["beat"]).await;
    app.admin().delete(&asker.path()).await.expect(204);
    app.admin().delete(&token.path()).await.expect(204);
    let rest = events.rest().await;
    assert!(!rest.iter().any(|event| tells(&event.data, &marks)), "{rest:?}");
    assert_eq!(Events::open(app, &asker.secret, None).await.err(), Some(401));
}

async fn a_stream_ends_when_its_credential_is_narrowed(app: &TestApp) {
    for change in
        [json!({"permissions": ["a"]}), json!({"is_active": false}), json!({"ip_allowlist": ["192.0.2.1"]})]
    {
        let asker = app.mint(&change.to_string().replace('"', ""), &["tokens:verify"]).await;
        let mut events = Events::open(app, &asker.secret, None).await.unwrap();
        events.next_of(&["beat"]).await;
        app.admin().patch(&asker.path(), change).await.expect(200);
        events.rest().await;
    }
}

/// A publisher with a service account that may ask, and a token of it.
pub(crate) async fn verifier_of(app: &TestApp, name: &str) -> (Value, Minted) {
    let publisher = app.publisher(name).await;
    let account = json!({"name": format!("gate of {name}"), "service_type": "internal",
        "scopes": ["tokens:verify", "works:read"], "publisher_id": id(&publisher)});
    let account = app.account(account).await;
    let token = app.token_of(&account, json!({"token_name": format!("token of {name}")})).await;
    (publisher, token)
}

async fn an_asker_of_a_publisher_cannot_tell_what_changed_elsewhere(app: &TestApp) {
    let (_, asker) = verifier_of(app, "Song & Co").await;
    let (_, stranger) = verifier_of(app, "Strangers").await;
    let mut events = Events::open(app, &asker.secret, None).await.unwrap();
    events.next_of(&["beat"]).await;
    // What it may know of is its own, and that it is told of.
    let own = app.bearing(&asker.secret);
    let body = |token: &str| json!({"token": token, "cacheable": true});
    let mine = own.post("/auth/verify", body(&asker.secret)).await.decided("valid")["cache"].clone();
    let theirs = own.post("/auth/verify", body(&stranger.secret)).await.decided("not_found");
    assert_eq!(theirs.get("cache"), None);
    let path = format!("/service-accounts/{}", stranger.body["service_account_id"].as_str().unwrap());
    app.admin().patch(&path, json!({"scopes": ["works:read"]})).await.expect(200);
    let change = events.next_of(&["change", "flush"]).await;
    assert!(!tells(&change.data, &mine), "{change:?}");
    let text = change.data.to_string();
    for secret in [&stranger.id, stranger.body["service_account_id"].as_str().unwrap()] {
        assert!(!text.contains(secret), "{text}");
    }
}

async fn no_credential_has_more_streams_than_there_may_be(app: &TestApp) {
    let (one, other) =
        (app.mint("one", &["tokens:verify"]).await, app.mint("other", &["tokens:verify"]).await);
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(Events::open(app, &one.secret, None).await.unwrap());
    }
    let refused = app.bearing(&one.secret).get("/auth/verify/stream").await;
    refused.refused(429, "too_many_streams");
    assert!(Events::open(app, &other.secret, None).await.is_ok());
    open.pop();
    eventually("a place is free again", async || Events::open(app, &one.secret, None).await.is_ok()).await;
}

async fn no_publisher_has_more_streams_than_there_may_be(app: &TestApp) {
    let ((_, first), (_, stranger)) =
        (verifier_of(app, "Song & Co").await, verifier_of(app, "Strangers").await);
    let more = format!("/service-accounts/{}/tokens", first.body["service_account_id"].as_str().unwrap());
    let mut secrets = vec![first.secret];
    for name in ["second", "third"] {
        let made = app.admin().post(&more, json!({"token_name": name})).await.expect(201);
        secrets.push(made["token"].as_str().unwrap().to_owned());
    }
    let mut open = Vec::new();
    for secret in &secrets[..2] {
        for _ in 0..100 {
            open.push(Events::open(app, secret, None).await.unwrap());
        }
    }
    // A store that is slow to answer ends streams: their places are taken first.
    for _ in 0..100 {
        match Events::open(app, &secrets[2], None).await {
            Ok(more) => open.push(more),
            Err(status) => {
                assert_eq!(status, 429);
                break;
            }
        }
    }
    assert!(open.len() < 300, "the publisher's places come to an end before those of its third credential");
    assert!(Events::open(app, &stranger.secret, None).await.is_ok());
    open.pop();
    eventually("a place is free again", async || Events::open(app, &secrets[2], None).await.is_ok()).await;
}

async fn only_what_the_stream_follows_may_be_kept(app: &TestApp) {
    let ask = async |token: &str, more: Value| {
        let mut body = json!({"token": token, "cacheable": true});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.verify_body(body).await.expect(200)
    };
    let listed = json!({"token_name": "listed", "permissions": ["a"], "ip_allowlist": ["192.0.2.0/24", "2001:db8::/32"]});
    let listed = app.mint_as(listed).await;
    let inside = ask(&listed.secret, json!({"ip_address": "192.0.2.1"})).await;
    assert_eq!(inside["cache"]["ip_allowlists"], json!([["192.0.2.0/24", "2001:db8::/32"]]));
    assert_eq!(inside["cache"]["node"], json!(app.authority().node().to_string()));
    assert_eq!(ask(&listed.secret, json!({"ip_address": "198.51.100.1"})).await.get("cache"), None);
    assert_eq!(
        ask(&listed.secret, json!({"ip_address": "192.0.2.1", "required_scopes": ["b"]})).await.get("cache"),
        None
    );
    let limited = json!({"token_name": "limited", "permissions": ["a"], "rate_limits": {"per_minute": 9, "per_hour": null}});
    let limited = app.mint_as(limited).await;
    assert_eq!(ask(&limited.secret, json!({})).await.get("cache"), None, "limits are counted here");
    let brief = app.mint_as(json!({"token_name": "brief", "permissions": ["a"], "expires_in_days": 1})).await;
    assert_eq!(ask(&brief.secret, json!({})).await["cache"]["for_microseconds"], 300_000_000);
    app.admin()
        .post(&format!("{}/rotate", brief.path()), json!({"reason": "r", "grace_seconds": 60}))
        .await
        .expect(200);
    let life = ask(&brief.secret, json!({})).await["cache"]["for_microseconds"].as_i64().unwrap();
    assert!((1..=60_000_000).contains(&life), "no longer than its grace: {life}");
    let plain = app.verify_body(json!({"token": brief.secret, "cacheable": false})).await.decided("valid");
    assert_eq!(plain.get("cache"), None);
    let own =
        app.bearing(&brief.secret).post("/auth/verify", json!({"cacheable": true})).await.decided("valid");
    assert_eq!(own.get("cache"), None, "of the caller's own nothing may be kept");
    let batch = json!({"items": [{"token": listed.secret, "ip_address": "192.0.2.1", "cacheable": true}, {"token": brief.secret}]});
    let batch = app.admin().post("/auth/verify/batch", batch).await.expect(200);
    assert!(batch["items"][0]["cache"].is_object() && batch["items"][1].get("cache").is_none(), "{batch}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_node_changes_is_told_here() {
    let Some(one) = TestApp::start(Engine::Postgres).await else { return };
    let other = one.another(None, &[]).await;
    for round in 0..5 {
        let token = one.mint(&format!("round {round}"), &["a"]).await;
        let mut events = Events::open(&one, one.admin_token(), None).await.unwrap();
        events.next_of(&["beat"]).await;
        let marks = kept(&one, &token.secret).await;
        other.admin().delete(&token.path()).await.expect(204);
        while !tells(&events.next_of(&["change"]).await.data, &marks) {}
        // It was in force here before it was told.
        one.verify(&token.secret).await.decided("revoked");
    }
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_leaves_ends_its_streams() {
    let Some(app) = TestApp::start(Engine::Sqlite).await else { return };
    let mut events = Events::open(&app, app.admin_token(), None).await.unwrap();
    events.next_of(&["beat"]).await;
    let (_, _rest) = tokio::join!(events.rest(), app.stop());
}
