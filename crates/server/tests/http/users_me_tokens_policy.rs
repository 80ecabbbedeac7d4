//! What publishers say of personal tokens: whether there may be any, how long they live, and who approves them.

use keywright_core::BuiltInRole::{PlatformAdmin, PublisherAdmin, PublisherEditor};
use serde_json::{Value, json};

use crate::harness::logins::Tenant;
use crate::harness::{Caller, TestApp, on_both_engines};
use crate::users_me_tokens::{make, path, person};

on_both_engines![
    a_publisher_may_forbid_them,
    a_publisher_may_bound_their_life,
    a_publisher_may_approve_them_before_their_first_use,
    what_widens_is_approved_anew,
    a_put_replaces_and_takes_what_is_only_shown,
    lists_agree_with_what_is_shown,
    lists_of_a_platform_administrator_agree_with_what_is_shown,
    expired_ones_are_swept_up,
];

async fn policy(app: &TestApp, tenant: &Tenant, policy: Value) {
    let path = format!("/publishers/{}/settings", tenant.id);
    let settings = app.admin().patch(&path, json!({"personal_tokens": policy})).await.expect(200);
    for (name, value) in policy.as_object().unwrap() {
        assert_eq!(settings["personal_tokens"][name], *value);
    }
}

async fn code(app: &TestApp, token: &str, tenant: &Tenant) -> String {
    let body = json!({"token": token, "publisher_id": tenant.id});
    app.verify_body(body).await.expect(200)["code"].as_str().unwrap().to_owned()
}

async fn a_publisher_may_forbid_them(app: &TestApp) {
    let [one, two] = [app.tenant("One").await, app.tenant("Two").await];
    let (ada, me) = person(app, "ada@example.com", &one, PublisherEditor).await;
    app.join(&ada, &two, PublisherEditor).await;
    let token = make(&me, json!({"name": "all", "scopes": []})).await;
    assert_eq!(code(app, &token.secret, &one).await, "valid");
    policy(app, &one, json!({"allowed": false})).await;
    assert_eq!(code(app, &token.secret, &one).await, "wrong_publisher");
    assert_eq!(code(app, &token.secret, &two).await, "valid");
    let body = json!({"name": "n", "scopes": [], "publisher_ids": [two.id, one.id]});
    me.post("/users/me/tokens", body).await.refused(403, "personal_tokens_not_allowed");
    me.post("/users/me/tokens", json!({"name": "n", "scopes": []}))
        .await
        .refused(403, "personal_tokens_not_allowed");
    let rotate = format!("{}/rotate", path(&token));
    me.post(&rotate, json!({"reason": "r"})).await.refused(403, "personal_tokens_not_allowed");
    policy(app, &one, json!({"allowed": true})).await;
    assert_eq!(code(app, &token.secret, &one).await, "valid");
}

async fn a_publisher_may_bound_their_life(app: &TestApp) {
    let tenant = app.tenant("One").await;
    let (_, me) = person(app, "ada@example.com", &tenant, PublisherEditor).await;
    let before = make(&me, json!({"name": "before", "scopes": [], "expires_at": null})).await;
    assert_eq!(before.body["expires_at"], Value::Null);
    policy(app, &tenant, json!({"max_days": 30})).await;
    for end in [
        json!({"expires_at": null}),
        json!({"expires_in_days": 31}),
        json!({"expires_at": "2399-01-01T00:00:00Z"}),
    ] {
        let mut body = json!({"name": "n", "scopes": []});
        body.as_object_mut().unwrap().extend(end.as_object().unwrap().clone());
        let refused = me.post("/users/me/tokens", body).await.refused(422, "validation_failed");
        assert_eq!(refused["errors"][0]["field"], "expires_at");
        let latest = app.now().plus_days(30).to_string();
        assert!(refused["errors"][0]["detail"].as_str().unwrap().contains(&latest[..10]), "{refused}");
    }
    make(&me, json!({"name": "most", "scopes": [], "expires_in_days": 30})).await;
    let default = make(&me, json!({"name": "default", "scopes": []})).await;
    let most = app.now().plus_days(30).to_string();
    assert_eq!(default.body["expires_at"].as_str().unwrap()[..10], most[..10]);
    // Also of those that were made before it was said.
    app.verify(&before.secret).await.decided("valid");
    app.at(app.now().plus_days(31), async || {
        app.verify(&before.secret).await.decided("expired");
    })
    .await;
    me.patch(&path(&default), json!({"expires_at": null})).await.bad_field("expires_at", "out_of_range");
    let rotated = me.post(&format!("{}/rotate", path(&before)), json!({"reason": "r"})).await.expect(200);
    assert!(rotated["expires_at"].is_string(), "{rotated}");
}

async fn a_publisher_may_approve_them_before_their_first_use(app: &TestApp) {
    let [one, two] = [app.tenant("One").await, app.tenant("Two").await];
    let (ada, me) = person(app, "ada@example.com", &one, PublisherEditor).await;
    app.join(&ada, &two, PublisherEditor).await;
    let (_, boss) = person(app, "boss@example.com", &one, PublisherAdmin).await;
    let (_, other) = person(app, "other@example.com", &two, PublisherAdmin).await;
    policy(app, &one, json!({"require_approval": true})).await;
    let token = make(&me, json!({"name": "n", "scopes": [], "publisher_ids": [one.id]})).await;
    assert_eq!(token.body["status"], "inactive");
    assert_eq!(token.body["approvals"][0]["approval"], "pending");
    assert_eq!(code(app, &token.secret, &one).await, "inactive");
    let all = make(&me, json!({"name": "all", "scopes": []})).await;
    assert_eq!(all.body["status"], "active", "it is of use in the other publisher");
    assert_eq!(
        (code(app, &all.secret, &one).await.as_str(), code(app, &all.secret, &two).await.as_str()),
        ("inactive", "valid")
    );

    let approve = format!("/users/{}/tokens/{}/approve", ada.id, token.id);
    me.post(&approve, json!({})).await.refused(403, "insufficient_scope");
    other.post(&approve, json!({})).await.refused(404, "not_found");
    me.post(&format!("{}/approve", path(&token)), json!({})).await.refused(403, "insufficient_scope");
    let approved = boss.post(&approve, json!({})).await.expect(200);
    assert_eq!(
        (&approved["status"], &approved["approvals"][0]["approval"]),
        (&json!("active"), &json!("approved"))
    );
    assert_eq!(code(app, &token.secret, &one).await, "valid");
    boss.post(&approve, json!({})).await.expect(200);
    let both = make(&me, json!({"name": "both", "scopes": [], "publisher_ids": [one.id, two.id]})).await;
    let told =
        boss.post(&format!("/users/{}/tokens/{}/approve", ada.id, both.id), json!({})).await.expect(200);
    assert!(!told.to_string().contains(&two.id.to_string()), "{told}");
    // What it is rotated to is the same token.
    let rotated = me.post(&format!("{}/rotate", path(&token)), json!({"reason": "r"})).await.expect(200);
    assert_eq!(rotated["status"], "active");
    assert_eq!(code(app, rotated["token"].as_str().unwrap(), &one).await, "valid");
    let own = make(&boss, json!({"name": "own", "scopes": []})).await;
    assert_eq!(code(app, &own.secret, &one).await, "inactive");
    boss.post(&format!("{}/approve", path(&own)), json!({})).await.expect(200);
    assert_eq!(code(app, &own.secret, &one).await, "valid");
}

async fn what_widens_is_approved_anew(app: &TestApp) {
    let tenant = app.tenant("One").await;
    let (ada, me) = person(app, "ada@example.com", &tenant, PublisherEditor).await;
    let (_, boss) = person(app, "boss@example.com", &tenant, PublisherAdmin).await;
    policy(app, &tenant, json!({"require_approval": true})).await;
    let token = make(
        &me,
        json!({"name": "n", "scopes": ["tokens:read", "audit:read"], "rate_limits": {"per_minute": 10},
        "ip_allowlist": ["10.0.0.0/8"], "expires_in_days": 9}),
    )
    .await;
    let approve = format!("/users/{}/tokens/{}/approve", ada.id, token.id);
    let state = async || {
        let shown = me.get(&path(&token)).await.expect(200);
        shown["approvals"][0]["approval"].as_str().unwrap().to_owned()
    };
    boss.post(&approve, json!({})).await.expect(200);
    for narrower in [
        json!({"name": "other"}),
        json!({"scopes": ["tokens:read"]}),
        json!({"rate_limits": {"per_minute": 9}}),
        json!({"ip_allowlist": ["10.1.0.0/16"]}),
        json!({"is_active": false}),
        json!({"is_active": true}),
    ] {
        me.patch(&path(&token), narrower.clone()).await.expect(200);
        assert_eq!(state().await, "approved", "{narrower}");
    }
    for wider in [
        json!({"scopes": ["tokens:read", "audit:read"]}),
        json!({"inherit_user_permissions": true}),
        json!({"rate_limits": {"per_minute": null}}),
        json!({"ip_allowlist": null}),
        json!({"expires_at": null}),
    ] {
        me.patch(&path(&token), wider.clone()).await.expect(200);
        assert_eq!(state().await, "pending", "{wider}");
        let asked = json!({"token": token.secret, "ip_address": "10.1.0.1"});
        app.verify_body(asked).await.decided("inactive");
        boss.post(&approve, json!({})).await.expect(200);
    }
}

async fn a_put_replaces_and_takes_what_is_only_shown(app: &TestApp) {
    let tenant = app.tenant("One").await;
    let (_, me) = person(app, "ada@example.com", &tenant, PublisherEditor).await;
    let token =
        make(&me, json!({"name": "n", "inherit_user_permissions": true, "rate_limits": {"per_hour": 9}}))
            .await;
    let answer = me.get(&path(&token)).await;
    let (tag, mut shown) = (answer.header("etag").to_owned(), answer.expect(200));
    assert_eq!(me.put(&path(&token), shown.clone()).await.expect(200), shown);
    shown["name"] = json!("renamed");
    let matching = me.with("if-match", &tag);
    let changed = matching.put(&path(&token), shown.clone()).await.expect(200);
    assert_eq!((&changed["name"], &changed["rate_limits"]), (&json!("renamed"), &shown["rate_limits"]));
    matching.put(&path(&token), shown.clone()).await.refused(412, "precondition_failed");
    let mut odd = changed.clone();
    odd["usage_count"] = json!(7);
    assert_eq!(me.put(&path(&token), odd).await.bad_fields(403, "forbidden_field")[0].0, "usage_count");
    let bare = json!({"name": "bare", "scopes": ["tokens:read"], "expires_at": changed["expires_at"]});
    let bare = me.put(&path(&token), bare).await.expect(200);
    assert_eq!((&bare["rate_limits"], &bare["inherit_user_permissions"]), (&Value::Null, &json!(false)));
    me.delete(&path(&token)).await.expect(204);
    me.patch(&path(&token), json!({"name": "x"})).await.refused(409, "already_revoked");
}

async fn names(caller: &Caller, query: &str) -> Vec<String> {
    let listed = caller.get(&format!("/users/me/tokens{query}")).await.expect(200);
    let name = |token: &Value| token["name"].as_str().unwrap().to_owned();
    let mut names: Vec<_> = listed["items"].as_array().unwrap().iter().map(name).collect();
    names.sort();
    names
}

async fn lists_agree_with_what_is_shown(app: &TestApp) {
    let [one, two] = [app.tenant("One").await, app.tenant("Two").await];
    let (ada, me) = person(app, "ada@example.com", &one, PublisherEditor).await;
    app.join(&ada, &two, PublisherEditor).await;
    policy(app, &one, json!({"require_approval": true})).await;
    for (name, publishers) in [
        ("one", json!([one.id])),
        ("two", json!([two.id])),
        ("both", json!([one.id, two.id])),
        ("all", Value::Null),
    ] {
        make(&me, json!({"name": name, "scopes": [], "publisher_ids": publishers})).await;
    }
    let old = make(&me, json!({"name": "old", "scopes": []})).await;
    me.post(&format!("{}/rotate", path(&old)), json!({"reason": "r"})).await.expect(200);
    let gone = make(&me, json!({"name": "gone", "scopes": []})).await;
    me.delete(&path(&gone)).await.expect(204);
    let off = make(&me, json!({"name": "off", "scopes": [], "expires_in_days": 1})).await;
    me.patch(&path(&off), json!({"is_active": false})).await.expect(200);
    let listed = me.get("/users/me/tokens").await.expect(200);
    let mut seen = 0;
    for status in ["active", "superseded", "inactive", "expired", "revoked"] {
        let of_status = |token: &&Value| token["status"] == status;
        let name = |token: &Value| token["name"].as_str().unwrap().to_owned();
        let mut expected: Vec<_> =
            listed["items"].as_array().unwrap().iter().filter(of_status).map(name).collect();
        expected.sort();
        assert_eq!(names(&me, &format!("?status={status}")).await, expected, "{status}");
        seen += expected.len();
    }
    assert_eq!(seen, 8);
    assert_eq!(names(&me, "?status=inactive").await, ["off", "one"]);
    assert!(!names(&me, &format!("?publisher_id={}", two.id)).await.contains(&"one".to_owned()));
    assert_eq!(names(&me, "?expiring_within_days=2").await, Vec::<String>::new(), "it is switched off");
    assert_eq!(names(&me, "?q=O").await.len(), 7);
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = me.get(&format!("/users/me/tokens?limit=3{cursor}")).await.expect(200);
        pages.extend(page["items"].as_array().unwrap().iter().map(|token| token["id"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(pages.len(), 8);
}

/// Who acts by a role of the platform belongs to no publisher, and may name any.
async fn lists_of_a_platform_administrator_agree_with_what_is_shown(app: &TestApp) {
    let [one, two] = [app.tenant("One").await, app.tenant("Two").await];
    let root = app.person("root@example.com", Some(PlatformAdmin)).await;
    let me = app.bearing(&app.login(&root).await.access);
    let (_, boss) = person(app, "boss@example.com", &one, PublisherAdmin).await;
    policy(app, &one, json!({"require_approval": true})).await;
    let token = async |name: &str, publishers: Value| {
        make(&me, json!({"name": name, "scopes": [], "publisher_ids": publishers})).await
    };
    token("waits", json!([one.id])).await;
    let approved = token("approved", json!([one.id])).await;
    token("elsewhere too", json!([one.id, two.id])).await;
    token("everywhere", Value::Null).await;
    boss.post(&format!("/users/{}/tokens/{}/approve", root.id, approved.id), json!({}))
        .await
        .refused(404, "not_found");
    let acting = me.with("x-publisher-id", &one.id.to_string());
    acting.post(&format!("{}/approve", path(&approved)), json!({})).await.expect(200);
    let of = async |tokens: &str, caller: &Caller| {
        let mut found = Vec::new();
        for status in ["active", "inactive"] {
            let listed = caller.get(&format!("{tokens}?status={status}")).await.expect(200);
            for token in listed["items"].as_array().unwrap() {
                assert_eq!(token["status"], status, "{token}");
                found.push(token["name"].as_str().unwrap().to_owned());
            }
        }
        found
    };
    let expected = ["everywhere", "elsewhere too", "approved", "waits"];
    assert_eq!(of("/users/me/tokens", &me).await, expected);
    assert_eq!(of(&format!("/users/{}/tokens", root.id), &app.admin()).await, expected);
}

async fn expired_ones_are_swept_up(app: &TestApp) {
    let tenant = app.tenant("One").await;
    let (_, me) = person(app, "ada@example.com", &tenant, PublisherEditor).await;
    let token = make(&me, json!({"name": "n", "scopes": []})).await;
    let mut database = app.database().await;
    let past = database.moment("1970-01-01T00:00:01Z");
    database.execute(&format!("UPDATE personal_tokens SET expires_at = {past}")).await;
    let shown = me.get(&path(&token)).await.expect(200);
    assert_eq!((&shown["status"], &shown["is_active"]), (&json!("expired"), &json!(true)));
    let swept = me.post("/users/me/tokens/cleanup-expired", json!({})).await.expect(200);
    assert_eq!(swept, json!({"deactivated": 1, "removed": 0}));
    assert_eq!(me.get(&path(&token)).await.expect(200)["is_active"], false);
    let swept =
        me.post("/users/me/tokens/cleanup-expired", json!({"deactivate_only": false})).await.expect(200);
    assert_eq!(swept, json!({"deactivated": 0, "removed": 1}));
    me.get(&path(&token)).await.refused(404, "not_found");
}
