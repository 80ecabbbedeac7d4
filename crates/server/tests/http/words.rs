//! What things are called and described as: a credential that somebody pastes there is refused, and stands nowhere.

use keywright_core::BuiltInRole::PublisherAdmin;
use serde_json::{Value, json};

use crate::harness::{TestApp, id, on_both_engines};
use crate::users_me_tokens::person;

on_both_engines![
    a_credential_is_no_name_no_description_and_no_metadata,
    nothing_that_is_changed_is_called_by_a_credential,
    what_looks_like_one_and_is_none_is_a_name,
];

/// What no table may hold.
const CANARY: &str = "5ec75ec7";

/// What people paste: the tokens of all kinds, alone or in what they write.
fn pasted() -> Vec<String> {
    let digits = "5ec7".repeat(16);
    let jwt = format!("eyJhbGciOiJFZERTQSJ9.{digits}.{digits}");
    vec![
        format!("sk_{digits}"),
        format!("laptop pat_{digits}5ec75ec7"),
        format!("old-rt_{digits}"),
        format!("mt_{}", digits.to_ascii_uppercase()),
        jwt,
    ]
}

/// A body with a text at a place in it.
fn with(body: &Value, pointer: &str, text: &str) -> Value {
    let mut body = body.clone();
    match body.pointer_mut(pointer) {
        Some(place) => *place = json!(text),
        None => panic!("{body} has no {pointer}"),
    }
    body
}

/// The field that a fault of a place is told of: metadata is told as a whole.
fn field(pointer: &str) -> String {
    let path = pointer.trim_start_matches('/');
    let whole = ["metadata", "preferences"].into_iter().find(|name| path.starts_with(name));
    whole.map_or_else(|| path.replace('/', "."), str::to_owned)
}

async fn nothing_is_kept(app: &TestApp) {
    for (table, rows) in app.database().await.dump().await {
        assert!(!rows.to_ascii_lowercase().contains(CANARY), "{table}");
    }
}

async fn a_credential_is_no_name_no_description_and_no_metadata(app: &TestApp) {
    let songs = app.tenant("Songs").await;
    let (ada, me) = person(app, "ada@example.com", &songs, PublisherAdmin).await;
    let publisher = json!(songs.id);
    let admin = app.admin().with("x-publisher-id", &songs.id.to_string());
    let metadata = json!({"team": "a", "deep": [{"er": "b"}]});
    let account = json!({"name": "n", "description": "d", "service_type": "partner", "scopes": [], "metadata": metadata});
    let window = json!({"name": "n", "cron": "0 2 * * *", "duration_minutes": 60});
    let policy = json!({"publisher_id": publisher, "delivery": {"type": "file", "path": "/run/x"}});
    let user = json!({"email": "eve@example.com", "display_name": "n", "role": "publisher_viewer", "publisher_id": publisher});
    for (caller, path, body, places) in [
        (
            &app.admin(),
            "/auth/tokens",
            json!({"token_name": "n", "permissions": [], "metadata": metadata}),
            &["/token_name", "/metadata/team", "/metadata/deep/0/er"][..],
        ),
        (&admin, "/service-accounts", account, &["/name", "/description", "/metadata/deep/0/er"]),
        (&app.admin(), "/publishers", json!({"name": "n"}), &["/name"]),
        (
            &admin,
            "/roles",
            json!({"name": "n", "description": "d", "permissions": []}),
            &["/name", "/description"],
        ),
        (&admin, "/maintenance-windows", window, &["/name"]),
        (&admin, "/notification-channels", json!({"name": "n", "kind": "log"}), &["/name"]),
        (
            &admin,
            "/event-subscriptions",
            json!({"name": "n", "url": "https://example.com", "event_types": ["*"]}),
            &["/name"],
        ),
        (&app.admin(), "/rotation-policies", policy, &["/delivery/path"]),
        (&app.admin(), "/users", user, &["/display_name"]),
        (&me, "/users/me/tokens", json!({"name": "n", "scopes": []}), &["/name"]),
    ] {
        for place in places {
            for text in pasted() {
                let answer = caller.post(path, with(&body, place, &text)).await;
                answer.bad_field(&field(place), "holds_credential");
                assert!(!answer.text().to_ascii_lowercase().contains(CANARY), "{path}");
            }
        }
    }
    // The name of a member is shown as well.
    let named = json!({"token_name": "n", "permissions": [], "metadata": {pasted()[0].clone(): 1}});
    app.admin().post("/auth/tokens", named).await.bad_field("metadata", "holds_credential");
    let preferences = json!({"preferences": {"theme": pasted()[0]}});
    me.patch("/auth/me", preferences).await.bad_field("preferences", "holds_credential");
    app.verify(&app.login(&ada).await.access).await.decided("valid");
    nothing_is_kept(app).await;
}

async fn nothing_that_is_changed_is_called_by_a_credential(app: &TestApp) {
    let songs = app.tenant("Songs").await;
    let (ada, me) = person(app, "ada@example.com", &songs, PublisherAdmin).await;
    let admin = app.admin().with("x-publisher-id", &songs.id.to_string());
    let token = app.mint("token", &[]).await;
    let account = json!({"name": "account", "service_type": "partner", "scopes": []});
    let account = admin.post("/service-accounts", account).await.expect(201);
    let window = json!({"name": "w", "cron": "0 2 * * *", "duration_minutes": 60});
    let window = admin.post("/maintenance-windows", window).await.expect(201);
    let channel = admin.post("/notification-channels", json!({"name": "c", "kind": "log"})).await.expect(201);
    let role = admin.post("/roles", json!({"name": "r", "permissions": []})).await.expect(201);
    let own = me.post("/users/me/tokens", json!({"name": "laptop", "scopes": []})).await.expect(201);
    for (caller, path, fields) in [
        (&app.admin(), token.path(), &["token_name"][..]),
        (&admin, format!("/service-accounts/{}", id(&account)), &["name", "description"]),
        (&admin, format!("/maintenance-windows/{}", id(&window)), &["name"]),
        (&admin, format!("/notification-channels/{}", id(&channel)), &["name"]),
        (&admin, format!("/roles/{}", id(&role)), &["name", "description"]),
        (&app.admin(), format!("/publishers/{}", songs.id), &["name"]),
        (&app.admin(), format!("/users/{}", ada.id), &["display_name"]),
        (&me, format!("/users/me/tokens/{}", id(&own)), &["name"]),
        (&me, "/auth/me".to_owned(), &["display_name"]),
    ] {
        let before = caller.get(&path).await.expect(200);
        for field in fields {
            let text = &pasted()[1];
            caller.patch(&path, json!({*field: text})).await.bad_field(field, "holds_credential");
        }
        let after = caller.get(&path).await.expect(200);
        let shown = |object: &Value| {
            ["name", "token_name", "description", "display_name", "version"].map(|name| object[name].clone())
        };
        assert_eq!(shown(&after), shown(&before), "{path}");
    }
    let metadata = json!({"metadata": {"note": pasted()[0]}});
    app.admin().patch(&token.path(), metadata.clone()).await.bad_field("metadata", "holds_credential");
    let whole =
        json!({"name": "account", "service_type": "partner", "scopes": [], "metadata": metadata["metadata"]});
    admin
        .put(&format!("/service-accounts/{}", id(&account)), whole)
        .await
        .bad_field("metadata", "holds_credential");
    nothing_is_kept(app).await;
}

async fn what_looks_like_one_and_is_none_is_a_name(app: &TestApp) {
    let digits = "0123456789abcdef".repeat(4);
    for name in [
        format!("sha256:{digits}"),
        format!("cert_{digits}"),
        format!("task_{digits}"),
        "sk_live is how theirs begin".to_owned(),
        "eyJ-heyJoe-production-eu-west-1.songtrust.api.deploy.2026.and-then-some".to_owned(),
    ] {
        let body = json!({"token_name": name, "permissions": [], "metadata": {"image": name}});
        let made = app.admin().post("/auth/tokens", body).await.expect(201);
        assert_eq!((&made["token_name"], &made["metadata"]["image"]), (&json!(name), &json!(name)));
    }
}
