//! `/users/me/tokens`: making personal tokens, what they carry, and how they end.

use keywright_core::BuiltInRole::{PublisherAdmin, PublisherEditor, PublisherViewer};
use serde_json::{Value, json};

use crate::harness::logins::{Person, Tenant};
use crate::harness::{Caller, Minted, TestApp, on_both_engines, sha256};

on_both_engines![
    a_token_is_made_shown_verified_and_revoked,
    a_miss_asks_once_a_hit_nothing_and_a_typo_nothing,
    nobody_grants_what_they_lack,
    a_demotion_narrows_at_once_and_a_promotion_widens_no_chosen_scope,
    whoever_leaves_a_publisher_loses_their_tokens_there,
    several_publishers_each_give_what_the_owner_may_there,
    a_token_does_not_manage_its_owners_account,
    bad_bodies_name_their_fields,
    names_are_free_once_their_bearer_is_dead,
    a_request_is_repeatable,
    disabled_and_deleted_users_have_no_tokens,
    a_platform_administrators_token_acts_at_platform_level,
    what_calls_is_told_who_it_is,
];

/// A user with a role, and what calls for them.
pub(crate) async fn person(
    app: &TestApp,
    email: &str,
    tenant: &Tenant,
    role: keywright_core::BuiltInRole,
) -> (Person, Caller) {
    let person = app.member_of(email, tenant, role).await;
    let caller = app.bearing(&app.login_for(&person, tenant).await.access);
    (person, caller)
}

pub(crate) async fn make(caller: &Caller, body: Value) -> Minted {
    let answer = caller.post("/users/me/tokens", body).await;
    answer.expect(201);
    Minted::of(&answer)
}

pub(crate) fn path(token: &Minted) -> String {
    format!("/users/me/tokens/{}", token.id)
}

async fn a_token_is_made_shown_verified_and_revoked(app: &TestApp) {
    let tenant = app.tenant("Songs").await;
    let (ada, me) = person(app, "ada@example.com", &tenant, PublisherEditor).await;
    let answer = me
        .post(
            "/users/me/tokens",
            json!({"name": "deploy", "scopes": ["tokens:read"], "publisher_ids": [tenant.id],
                "rate_limits": {"per_minute": 5}, "ip_allowlist": ["127.0.0.1", "10.0.0.0/8"]}),
        )
        .await;
    let body = answer.expect(201);
    assert_eq!(answer.header("cache-control"), "no-store");
    let token = Minted::of(&answer);
    assert_eq!(answer.header("location"), format!("/api/v1{}", path(&token)));
    assert!(token.secret.starts_with("pat_") && token.secret.len() == 76);
    assert_eq!(body["user_id"], json!(ada.id));
    assert_eq!(body["publisher_ids"], json!([tenant.id]));
    assert_eq!(
        body["approvals"],
        json!([{"publisher_id": tenant.id, "approval": "not_required", "approved_at": null}])
    );
    assert_eq!(body["ip_allowlist"], json!(["10.0.0.0/8", "127.0.0.1/32"]));
    assert_eq!(body["rate_limits"], json!({"per_minute": 5, "per_hour": null}));
    assert_eq!(body["created_by"]["id"], json!(ada.id));

    let shown = me.get(&path(&token)).await;
    assert_eq!(shown.header("etag"), "\"1\"");
    let shown = shown.expect(200);
    assert!(shown.get("token").is_none() && shown["token_hint"] == body["token_hint"]);
    let listed = me.get("/users/me/tokens?name=deploy&status=active&never_used=true").await.expect(200);
    assert_eq!(listed["items"], json!([shown]));

    let decision = app.verify(&token.secret).await.decided("valid");
    assert_eq!(decision["token_type"], "personal");
    assert_eq!(decision["principal"], json!({"type": "user", "id": ada.id, "name": "ada@example.com"}));
    assert_eq!(decision["publisher_id"], json!(tenant.id));
    assert_eq!(decision["scopes"], json!(["tokens:read"]));
    assert_eq!(decision["context"]["inherit_user_permissions"], false);
    assert_eq!(decision["context"]["token_id"], json!(token.id));

    me.delete(&format!("{}?reason=done", path(&token))).await.expect(204);
    app.verify(&token.secret).await.decided("revoked");
    me.delete(&path(&token)).await.expect(204);
    let shown = me.get(&path(&token)).await.expect(200);
    assert_eq!((&shown["status"], &shown["revoked_reason"]), (&json!("revoked"), &json!("done")));
    let events = me.get(&format!("{}/security-events", path(&token))).await.expect(200);
    let kinds: Vec<_> =
        events["items"].as_array().unwrap().iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["personal_token.revoked", "personal_token.created"]);
    let hash = hex::encode(sha256(&token.secret));
    assert!(!events.to_string().contains(&token.secret) && !events.to_string().contains(&hash));
}

async fn a_miss_asks_once_a_hit_nothing_and_a_typo_nothing(app: &TestApp) {
    let tenant = app.tenant("Songs").await;
    let (_, me) = person(app, "ada@example.com", &tenant, PublisherEditor).await;
    let token = make(&me, json!({"name": "n", "scopes": ["tokens:read"]})).await;
    let before = app.loads();
    app.verify(&token.secret).await.decided("valid");
    assert_eq!(app.loads(), before + 1);
    app.verify(&token.secret).await.decided("valid");
    let typo = format!("{}{}", &token.secret[..75], if token.secret.ends_with('0') { '1' } else { '0' });
    app.verify(&typo).await.decided("malformed");
    assert_eq!(app.loads(), before + 1);
}

async fn nobody_grants_what_they_lack(app: &TestApp) {
    let tenant = app.tenant("Songs").await;
    let stranger = app.tenant("Others").await;
    let (_, editor) = person(app, "ada@example.com", &tenant, PublisherEditor).await;
    let try_to = async |caller: &Caller, body: Value| caller.post("/users/me/tokens", body).await;
    for scopes in [json!(["users:admin"]), json!(["tokens:*"]), json!(["*"])] {
        try_to(&editor, json!({"name": "n", "scopes": scopes})).await.refused(403, "scope_exceeds_grantor");
    }
    let foreign = json!({"name": "n", "scopes": [], "publisher_ids": [tenant.id, stranger.id]});
    let refused = try_to(&editor, foreign).await;
    assert_eq!(refused.bad_fields(422, "validation_failed")[0].0, "publisher_ids[1]");
    let (_, viewer) = person(app, "bob@example.com", &tenant, PublisherViewer).await;
    try_to(&viewer, json!({"name": "n", "scopes": []})).await.refused(403, "insufficient_scope");
    let token = app.mint("not a person", &["*"]).await;
    try_to(&app.bearing(&token.secret), json!({"name": "n", "scopes": []}))
        .await
        .refused(403, "user_required");
    let listed = editor.get("/users/me/tokens").await.expect(200);
    assert_eq!(listed["items"], json!([]));
    let grantable = editor.get("/users/me/tokens/scopes").await.expect(200);
    assert_eq!(grantable["items"].as_array().unwrap().len(), 1);
    assert_eq!(grantable["items"][0]["publisher_id"], json!(tenant.id));
    assert_eq!(grantable["items"][0]["may_create"], true);
    assert_eq!(viewer.get("/users/me/tokens/scopes").await.expect(200)["items"][0]["may_create"], false);
}

async fn a_demotion_narrows_at_once_and_a_promotion_widens_no_chosen_scope(app: &TestApp) {
    let tenant = app.tenant("Songs").await;
    let (ada, me) = person(app, "ada@example.com", &tenant, PublisherAdmin).await;
    app.member_of("boss@example.com", &tenant, PublisherAdmin).await;
    let chosen = make(&me, json!({"name": "chosen", "scopes": ["tokens:read", "works:write"]})).await;
    let all = make(&me, json!({"name": "all", "inherit_user_permissions": true})).await;
    let scopes = async |token: &Minted| app.verify(&token.secret).await.decided("valid")["scopes"].clone();
    assert_eq!(scopes(&chosen).await, json!(["tokens:read", "works:write"]));
    assert_eq!(scopes(&all).await, json!(["*"]));
    let role = async |role| {
        let path = format!("/publishers/{}/members/{}", tenant.id, ada.id);
        app.admin().patch(&path, json!({"role_id": tenant.role(role)})).await.expect(200);
    };
    role(PublisherViewer).await;
    assert_eq!(scopes(&chosen).await, json!(["tokens:read"]));
    let viewer: Vec<_> = PublisherViewer.permissions().iter().map(ToString::to_string).collect();
    assert_eq!(scopes(&all).await, json!(viewer));
    // What was made stays within reach of its owner: to narrow it needs nothing.
    let narrowed = me.patch(&path(&chosen), json!({"scopes": ["tokens:read"]})).await;
    assert_eq!(narrowed.expect(200)["scopes"], json!(["tokens:read"]));
    me.patch(&path(&chosen), json!({"scopes": ["tokens:read", "users:read"]}))
        .await
        .refused(403, "scope_exceeds_grantor");
    role(PublisherAdmin).await;
    assert_eq!(scopes(&chosen).await, json!(["tokens:read"]));
    assert_eq!(scopes(&all).await, json!(["*"]));
}

async fn whoever_leaves_a_publisher_loses_their_tokens_there(app: &TestApp) {
    let [one, two] = [app.tenant("One").await, app.tenant("Two").await];
    let (ada, me) = person(app, "ada@example.com", &one, PublisherEditor).await;
    app.join(&ada, &two, PublisherEditor).await;
    let here = make(&me, json!({"name": "here", "scopes": [], "publisher_ids": [one.id]})).await;
    let all = make(&me, json!({"name": "all", "scopes": []})).await;
    let ask = async |token: &Minted, tenant: &Tenant| {
        app.verify_body(json!({"token": token.secret, "publisher_id": tenant.id})).await.expect(200)["code"]
            .clone()
    };
    assert_eq!(
        (ask(&here, &one).await, ask(&all, &one).await, ask(&all, &two).await),
        (json!("valid"), json!("valid"), json!("valid"))
    );
    assert_eq!(ask(&here, &two).await, "wrong_publisher");
    app.admin().delete(&format!("/publishers/{}/members/{}", one.id, ada.id)).await.expect(204);
    assert_eq!(
        (ask(&here, &one).await, ask(&all, &one).await, ask(&all, &two).await),
        (json!("wrong_publisher"), json!("wrong_publisher"), json!("valid"))
    );
    // Whoever comes back does not find them alive.
    let back = json!({"user_id": ada.id, "role_id": one.role(PublisherEditor)});
    app.admin().post(&format!("/publishers/{}/members", one.id), back).await.expect(201);
    assert_eq!(
        (ask(&here, &one).await, ask(&all, &one).await, ask(&all, &two).await),
        (json!("revoked"), json!("revoked"), json!("valid"))
    );
    let me = app.bearing(&app.login_for(&ada, &one).await.access);
    assert_eq!(me.get(&path(&here)).await.expect(200)["status"], "revoked");
    assert_eq!(
        me.get("/users/me/tokens?status=active").await.expect(200)["items"].as_array().unwrap().len(),
        1
    );
}

async fn several_publishers_each_give_what_the_owner_may_there(app: &TestApp) {
    let [one, two, three] = [app.tenant("One").await, app.tenant("Two").await, app.tenant("Three").await];
    let (ada, me) = person(app, "ada@example.com", &one, PublisherAdmin).await;
    app.join(&ada, &two, PublisherEditor).await;
    app.join(&ada, &three, PublisherEditor).await;
    let beyond = json!({"name": "n", "scopes": ["users:read"], "publisher_ids": [one.id, two.id]});
    me.post("/users/me/tokens", beyond).await.refused(403, "scope_exceeds_grantor");
    let token =
        make(&me, json!({"name": "n", "inherit_user_permissions": true, "publisher_ids": [one.id, two.id]}))
            .await;
    let ask = async |tenant: &Tenant, scope: &str| {
        let body = json!({"token": token.secret, "publisher_id": tenant.id, "required_scopes": [scope]});
        app.verify_body(body).await.expect(200)["code"].clone()
    };
    assert_eq!(ask(&one, "users:admin").await, "valid");
    assert_eq!(ask(&two, "users:admin").await, "insufficient_scope");
    assert_eq!(ask(&two, "tokens:read").await, "valid");
    assert_eq!(ask(&three, "tokens:read").await, "wrong_publisher");
    // It acts for the one that it names, and for no other.
    let bearer = app.bearing(&token.secret);
    let acting = bearer.with("x-publisher-id", &two.id.to_string()).get("/auth/me").await.expect(200);
    assert_eq!(acting["publisher_id"], json!(two.id));
    bearer
        .with("x-publisher-id", &three.id.to_string())
        .get("/auth/me")
        .await
        .refused(403, "wrong_publisher");
}

async fn a_token_does_not_manage_its_owners_account(app: &TestApp) {
    let tenant = app.tenant("Songs").await;
    let (_, me) = person(app, "ada@example.com", &tenant, PublisherAdmin).await;
    let token = make(&me, json!({"name": "all", "inherit_user_permissions": true})).await;
    let script = app.bearing(&token.secret);
    script.get("/users").await.expect(200);
    let rotate = format!("{}/rotate", path(&token));
    for (method, path, body) in [
        ("POST", "/users/me/tokens", Some(json!({"name": "more", "scopes": []}))),
        ("GET", "/users/me/tokens", None),
        ("POST", rotate.as_str(), Some(json!({"reason": "r"}))),
        ("PATCH", path(&token).as_str(), Some(json!({"name": "x"}))),
        ("POST", "/users/me/tokens/revoke-all", None),
        ("PATCH", "/auth/me", Some(json!({"display_name": "Mallory"}))),
        ("POST", "/auth/password/change", Some(json!({"current_password": "a", "new_password": "b"}))),
    ] {
        script.send(method, path, body.as_ref()).await.refused(403, "user_required");
    }
    script.delete("/auth/tokens/self").await.expect(204);
    app.verify(&token.secret).await.decided("revoked");
}

async fn bad_bodies_name_their_fields(app: &TestApp) {
    let tenant = app.tenant("Songs").await;
    let (_, me) = person(app, "ada@example.com", &tenant, PublisherAdmin).await;
    let post = async |body: Value| me.post("/users/me/tokens", body).await;
    post(json!({"name": "n"})).await.bad_field("scopes", "required");
    post(json!({"name": "n", "scopes": ["a"], "inherit_user_permissions": true}))
        .await
        .bad_field("scopes", "conflict");
    post(json!({"name": "n", "scopes": [], "publisher_ids": []}))
        .await
        .bad_field("publisher_ids", "too_short");
    for bad in ["10.0.0.0/33", "10.0.0.1/8", "010.0.0.0/8", "nonsense"] {
        post(json!({"name": "n", "scopes": [], "ip_allowlist": [bad]}))
            .await
            .bad_field("ip_allowlist[0]", "invalid_format");
    }
    post(json!({"name": "n", "scopes": [], "expires_at": "2001-01-01T00:00:00Z"}))
        .await
        .bad_field("expires_at", "out_of_range");
    for (field, value) in [
        ("user_id", json!("0198c0de-0000-7000-8000-000000000000")),
        ("usage_count", json!(7)),
        ("revoked_at", Value::Null),
    ] {
        let answer = post(json!({"name": "n", "scopes": [], field: value})).await;
        assert_eq!(answer.bad_fields(403, "forbidden_field")[0].0, field);
    }
    post(json!({"name": "n", "scopes": [], "colour": "red"})).await.bad_field("colour", "unknown_field");
    let mapped = make(&me, json!({"name": "n", "scopes": [], "ip_allowlist": ["::ffff:10.0.0.1"]})).await;
    assert_eq!(mapped.body["ip_allowlist"], json!(["10.0.0.1/32"]));
    let ask = async |address: &str| {
        app.verify_body(json!({"token": mapped.secret, "ip_address": address})).await.expect(200)["code"]
            .clone()
    };
    assert_eq!(ask("10.0.0.1").await, "valid");
    assert_eq!(ask("::ffff:10.0.0.1").await, "valid");
    assert_eq!(ask("10.0.0.2").await, "ip_not_allowed");
    app.bearing(&mapped.secret).get("/auth/me").await.refused(403, "ip_not_allowed");
}

async fn names_are_free_once_their_bearer_is_dead(app: &TestApp) {
    let tenant = app.tenant("Songs").await;
    let (_, me) = person(app, "ada@example.com", &tenant, PublisherEditor).await;
    let (_, other) = person(app, "bob@example.com", &tenant, PublisherEditor).await;
    let body = json!({"name": "deploy", "scopes": []});
    let first = make(&me, body.clone()).await;
    make(&other, body.clone()).await;
    me.post("/users/me/tokens", body.clone()).await.refused(409, "name_taken");
    let second = make(&me, json!({"name": "second", "scopes": []})).await;
    me.patch(&path(&second), json!({"name": "deploy"})).await.refused(409, "name_taken");
    let revoked = me.post("/users/me/tokens/revoke-all", json!({"reason": "lost laptop"})).await.expect(200);
    assert_eq!(revoked, json!({"revoked": 2}));
    for token in [&first, &second] {
        app.verify(&token.secret).await.decided("revoked");
    }
    let again = make(&me, body).await;
    app.verify(&again.secret).await.decided("valid");
    other.get(&path(&again)).await.refused(404, "not_found");
    other.delete(&path(&again)).await.refused(404, "not_found");
    app.verify(&again.secret).await.decided("valid");
}

async fn a_request_is_repeatable(app: &TestApp) {
    let tenant = app.tenant("Songs").await;
    let (_, me) = person(app, "ada@example.com", &tenant, PublisherEditor).await;
    let keyed = me.with("idempotency-key", "0123456789abcdef");
    let body = json!({"name": "once", "scopes": []});
    let first = keyed.post("/users/me/tokens", body.clone()).await;
    let again = keyed.post("/users/me/tokens", body).await;
    assert_eq!(first.expect(201), again.expect(201));
    assert_eq!(again.header("idempotency-replayed"), "true");
    keyed
        .post("/users/me/tokens", json!({"name": "other", "scopes": []}))
        .await
        .refused(409, "idempotency_mismatch");
    let token = Minted::of(&first);
    let rotate = format!("{}/rotate", path(&token));
    let rotated =
        me.with("idempotency-key", "fedcba9876543210").post(&rotate, json!({"reason": "yearly"})).await;
    let new = Minted::of(&rotated);
    assert_eq!((&new.body["rotated_from_id"], &new.body["name"]), (&json!(token.id), &json!("once")));
    let again =
        me.with("idempotency-key", "fedcba9876543210").post(&rotate, json!({"reason": "yearly"})).await;
    assert_eq!(Minted::of(&again).secret, new.secret);
    me.post(&rotate, json!({"reason": "again"})).await.refused(409, "rotation_in_progress");
    assert_eq!(app.verify(&token.secret).await.decided("valid")["rotation"]["superseded"], true);
    app.verify(&new.secret).await.decided("valid");
    me.post(&format!("{}/rotate", path(&new)), json!({"reason": "leak", "grace_seconds": 0}))
        .await
        .expect(200);
    app.verify(&new.secret).await.decided("expired");
}

async fn disabled_and_deleted_users_have_no_tokens(app: &TestApp) {
    let tenant = app.tenant("Songs").await;
    let (ada, me) = person(app, "ada@example.com", &tenant, PublisherEditor).await;
    let token = make(&me, json!({"name": "Ada's laptop", "scopes": []})).await;
    app.verify(&token.secret).await.decided("valid");
    app.admin().post(&format!("/users/{}/disable", ada.id), json!({})).await.expect(200);
    app.verify(&token.secret).await.decided("revoked");
    app.admin().post(&format!("/users/{}/enable", ada.id), json!({})).await.expect(200);
    app.verify(&token.secret).await.decided("revoked");
    let (bob, me) = person(app, "bob@example.com", &tenant, PublisherEditor).await;
    let token = make(&me, json!({"name": "Bob's laptop", "scopes": []})).await;
    app.verify(&token.secret).await.decided("valid");
    app.admin().delete(&format!("/users/{}", bob.id)).await.expect(204);
    app.verify(&token.secret).await.decided("revoked");
    let rows = app.database().await.dump().await;
    let (_, tokens) = rows.iter().find(|(table, _)| table == "personal_tokens").unwrap();
    assert!(!tokens.contains("Bob"), "{tokens}");
}

async fn a_platform_administrators_token_acts_at_platform_level(app: &TestApp) {
    let root = app.person("root@example.com", Some(keywright_core::BuiltInRole::PlatformAdmin)).await;
    let me = app.bearing(&app.login(&root).await.access);
    let tenant = app.tenant("Songs").await;
    let all = make(&me, json!({"name": "all", "inherit_user_permissions": true})).await;
    app.bearing(&all.secret).post("/publishers", json!({"name": "Made by a token"})).await.expect(201);
    let confined =
        make(&me, json!({"name": "one", "inherit_user_permissions": true, "publisher_ids": [tenant.id]}))
            .await;
    let script = app.bearing(&confined.secret);
    script.get(&format!("/publishers/{}", tenant.id)).await.expect(200);
    script.post("/publishers", json!({"name": "Not made"})).await.refused(403, "insufficient_scope");
    let path = format!("/users/{}", root.id);
    let other = app.person("second@example.com", Some(keywright_core::BuiltInRole::PlatformAdmin)).await;
    assert!(other.id != root.id);
    app.admin().patch(&path, json!({"platform_role": null})).await.expect(200);
    let left = app.verify(&all.secret).await.decided("valid");
    assert_eq!(left["scopes"], json!([]));
    app.verify(&confined.secret).await.decided("wrong_publisher");
}

async fn what_calls_is_told_who_it_is(app: &TestApp) {
    let [one, two] = [app.tenant("One").await, app.tenant("Two").await];
    let (ada, me) = person(app, "ada@example.com", &one, PublisherEditor).await;
    app.join(&ada, &two, PublisherEditor).await;
    let token =
        make(&me, json!({"name": "script", "scopes": ["tokens:read"], "publisher_ids": [one.id]})).await;
    let told = app.bearing(&token.secret).get("/auth/me").await.expect(200);
    assert_eq!(told["principal"], json!({"type": "user", "id": ada.id, "name": "ada@example.com"}));
    assert_eq!(told["user"]["email"], "ada@example.com");
    assert_eq!((&told["publishers"], &told["publisher_id"]), (&json!([one.id]), &json!(one.id)));
    assert_eq!(told["permissions"], json!(["tokens:read"]));
    assert_eq!(told["credential"]["token_type"], "personal");
    assert_eq!(
        (&told["credential"]["name"], &told["credential"]["id"]),
        (&json!("script"), &json!(token.id))
    );
    assert_eq!(told["credential"]["token_hint"], token.body["token_hint"]);
    assert!(told.get("session").is_none());
}
