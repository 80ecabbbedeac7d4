//! `POST /users/{id}/enable`: nobody lets in who may do more than they.

use keywright_core::BuiltInRole::{PlatformAdmin, PublisherAdmin, PublisherViewer};
use serde_json::{Value, json};

use crate::harness::logins::Person;
use crate::harness::{Caller, TestApp, on_both_engines};

on_both_engines![
    nobody_lets_in_who_may_do_more_than_they,
    why_somebody_is_let_in_is_told,
    who_is_let_in_already_changes_nothing,
];

/// What a viewer may do.
const VIEWER: [&str; 4] = ["service_accounts:read", "tokens:read", "users:read", "monitoring:read"];

async fn disabled(app: &TestApp, person: &Person) -> String {
    let path = format!("/users/{}", person.id);
    app.admin().post(&format!("{path}/disable"), json!({})).await.expect(200);
    path
}

async fn enable(caller: &Caller, path: &str) -> crate::harness::Answer {
    caller.post(&format!("{path}/enable"), json!({})).await
}

async fn status(app: &TestApp, path: &str) -> Value {
    app.admin().get(path).await.expect(200)["status"].clone()
}

async fn nobody_lets_in_who_may_do_more_than_they(app: &TestApp) {
    let songs = app.tenant("Songs").await;
    app.member_of("grace@example.com", &songs, PublisherAdmin).await;
    let viewer = app.member_of("ada@example.com", &songs, PublisherViewer).await;
    let boss = app.member_of("boss@example.com", &songs, PublisherAdmin).await;
    let scopes = [VIEWER.as_slice(), &["users:admin"]].concat();
    let body =
        json!({"name": "desk", "service_type": "internal", "publisher_id": songs.id, "scopes": scopes});
    let desk = app.account(body).await;
    let narrow = app.token_of(&desk, json!({"token_name": "narrow", "permissions": ["users:admin"]})).await;
    let wide = app.token_of(&desk, json!({"token_name": "wide"})).await;
    let (narrow, wide) = (app.bearing(&narrow.secret), app.bearing(&wide.secret));
    let (viewer, boss) = (disabled(app, &viewer).await, disabled(app, &boss).await);
    for (caller, path) in [(&narrow, &viewer), (&narrow, &boss), (&wide, &boss)] {
        enable(caller, path).await.refused(403, "scope_exceeds_grantor");
        assert_eq!(status(app, path).await, "disabled");
    }
    enable(&wide, &viewer).await.expect(200);
    assert_eq!(status(app, &viewer).await, "active");
    // And so at platform level.
    app.person("root@example.com", Some(PlatformAdmin)).await;
    let root = app.person("second@example.com", Some(PlatformAdmin)).await;
    let root = disabled(app, &root).await;
    enable(&app.caller(&["users:*", "publishers:*"]).await, &root)
        .await
        .refused(403, "scope_exceeds_grantor");
    assert_eq!(status(app, &root).await, "disabled");
    enable(&app.admin(), &root).await.expect(200);
}

async fn why_somebody_is_let_in_is_told(app: &TestApp) {
    let ada = app.person("ada@example.com", None).await;
    let path = disabled(app, &ada).await;
    app.admin().post(&format!("{path}/enable"), json!({"reason": "back from leave"})).await.expect(200);
    let told = app.admin().get("/audit/security-events?type=user.enabled").await.expect(200);
    assert_eq!(told["items"][0]["reason"], "back from leave");
}

async fn who_is_let_in_already_changes_nothing(app: &TestApp) {
    let ada = app.person("ada@example.com", Some(PlatformAdmin)).await;
    let shown = app.admin().get(&format!("/users/{}", ada.id)).await.expect(200);
    let again = enable(&app.caller(&["users:admin"]).await, &format!("/users/{}", ada.id)).await.expect(200);
    assert_eq!(again, shown);
    let told = app.admin().get("/audit/security-events?type=user.enabled").await.expect(200);
    assert_eq!(told["items"], json!([]));
}
