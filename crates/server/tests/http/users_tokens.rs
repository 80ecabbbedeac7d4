//! `/users/{id}/tokens`: what administrators see of the personal tokens of users; and emergencies.

use keywright_core::BuiltInRole::{PublisherAdmin, PublisherEditor};
use serde_json::{Value, json};

use crate::harness::logins::Tenant;
use crate::harness::{Caller, Minted, TestApp, eventually, on_both_engines};
use crate::users_me_tokens::{make, path, person};

on_both_engines![
    an_administrator_sees_what_is_for_their_publisher,
    a_token_for_others_too_is_taken_out_and_lives_on,
    every_publisher_that_a_token_reaches_has_its_changes_in_its_trail,
    all_tokens_of_a_user_die_within_the_callers_reach,
    an_emergency_reaches_personal_tokens_within_its_scope,
    a_personal_token_that_calls_is_spared_only_if_it_asks,
];

async fn code(app: &TestApp, token: &Minted, tenant: &Tenant) -> String {
    let body = json!({"token": token.secret, "publisher_id": tenant.id});
    app.verify_body(body).await.expect(200)["code"].as_str().unwrap().to_owned()
}

async fn an_administrator_sees_what_is_for_their_publisher(app: &TestApp) {
    let [one, two] = [app.tenant("One").await, app.tenant("Two").await];
    let (ada, me) = person(app, "ada@example.com", &one, PublisherEditor).await;
    app.join(&ada, &two, PublisherEditor).await;
    let (_, boss) = person(app, "boss@example.com", &one, PublisherAdmin).await;
    let both = make(&me, json!({"name": "both", "scopes": [], "publisher_ids": [one.id, two.id]})).await;
    let other = make(&me, json!({"name": "two", "scopes": [], "publisher_ids": [two.id]})).await;
    make(&me, json!({"name": "all", "scopes": []})).await;
    let tokens = format!("/users/{}/tokens", ada.id);
    let listed = boss.get(&tokens).await.expect(200);
    let names: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|token| token["name"].clone()).collect();
    assert_eq!(names, ["all", "both"]);
    assert!(!listed.to_string().contains(&two.id.to_string()), "{listed}");
    let shown = boss.get(&format!("{tokens}/{}", both.id)).await.expect(200);
    assert_eq!(shown["publisher_ids"], json!([one.id]));
    boss.get(&format!("{tokens}/{}", other.id)).await.refused(404, "not_found");
    boss.delete(&format!("{tokens}/{}", other.id)).await.refused(404, "not_found");
    // Not even by a filter is it told which other publishers a token is for.
    let asked = boss.get(&format!("{tokens}?publisher_id={}", two.id)).await.expect(200);
    assert_eq!(asked["items"], json!([]));
    let all = app.admin().get(&tokens).await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 3);
    let (_, editor) = person(app, "carl@example.com", &one, PublisherEditor).await;
    editor.get(&tokens).await.refused(403, "insufficient_scope");
}

async fn a_token_for_others_too_is_taken_out_and_lives_on(app: &TestApp) {
    let [one, two] = [app.tenant("One").await, app.tenant("Two").await];
    let (ada, me) = person(app, "ada@example.com", &one, PublisherEditor).await;
    app.join(&ada, &two, PublisherEditor).await;
    let (_, boss) = person(app, "boss@example.com", &one, PublisherAdmin).await;
    let both = make(&me, json!({"name": "both", "scopes": [], "publisher_ids": [one.id, two.id]})).await;
    let all = make(&me, json!({"name": "all", "scopes": []})).await;
    let only = make(&me, json!({"name": "only", "scopes": [], "publisher_ids": [one.id]})).await;
    for token in [&both, &all, &only] {
        assert_eq!(code(app, token, &one).await, "valid");
        let path = format!("/users/{}/tokens/{}", ada.id, token.id);
        boss.delete(&path).await.expect(204);
        boss.delete(&path).await.expect(204);
    }
    assert_eq!(code(app, &only, &one).await, "revoked");
    for token in [&both, &all] {
        assert_eq!(
            (code(app, token, &one).await.as_str(), code(app, token, &two).await.as_str()),
            ("wrong_publisher", "valid")
        );
        let shown = me.get(&path(token)).await.expect(200);
        assert_eq!(
            (&shown["excluded_publisher_ids"], &shown["status"]),
            (&json!([one.id]), &json!("active"))
        );
    }
    let events = boss.get("/audit/security-events?type=personal_token.excluded").await.expect(200);
    assert_eq!(events["items"].as_array().unwrap().len(), 2);
    // At platform level it is the whole token.
    app.admin().delete(&format!("/users/{}/tokens/{}", ada.id, both.id)).await.expect(204);
    assert_eq!(code(app, &both, &two).await, "revoked");
}

/// The types of the events of an object, oldest first, and whether each is a copy.
async fn trail(caller: &Caller, id: &str) -> Vec<(String, bool)> {
    let path = format!("/audit/security-events?credential_id={id}&order=asc");
    let events = caller.get(&path).await.expect(200);
    let told = |event: &Value| {
        let kind = event["type"].as_str().unwrap().trim_start_matches("personal_token.").to_owned();
        (kind, event["details"]["copy_of"].is_string())
    };
    events["items"].as_array().unwrap().iter().map(told).collect()
}

fn told(kinds: &[(&str, bool)]) -> Vec<(String, bool)> {
    kinds.iter().map(|(kind, is_copy)| ((*kind).to_owned(), *is_copy)).collect()
}

async fn every_publisher_that_a_token_reaches_has_its_changes_in_its_trail(app: &TestApp) {
    let [one, two, three] = [app.tenant("One").await, app.tenant("Two").await, app.tenant("Three").await];
    let (ada, me) = person(app, "ada@example.com", &one, PublisherEditor).await;
    app.join(&ada, &two, PublisherEditor).await;
    let (_, of_one) = person(app, "one@example.com", &one, PublisherAdmin).await;
    let (_, of_two) = person(app, "two@example.com", &two, PublisherAdmin).await;
    let (_, of_three) = person(app, "three@example.com", &three, PublisherAdmin).await;

    let both = make(&me, json!({"name": "both", "scopes": [], "publisher_ids": [one.id, two.id]})).await;
    me.patch(&path(&both), json!({"publisher_ids": [one.id]})).await.expect(200);
    me.patch(&path(&both), json!({"name": "only one"})).await.expect(200);
    assert_eq!(
        trail(&of_one, &both.id).await,
        told(&[("created", false), ("updated", false), ("updated", false)])
    );
    assert_eq!(trail(&of_two, &both.id).await, told(&[("created", true), ("updated", true)]));
    assert_eq!(trail(&of_three, &both.id).await, []);
    assert_eq!(trail(&app.admin(), &both.id).await.len(), 5);
    let own = me.get(&format!("{}/security-events", path(&both))).await.expect(200);
    assert_eq!(own["items"].as_array().unwrap().len(), 3, "each change once: {own}");
    let seen = of_two.get(&format!("/audit/security-events?credential_id={}", both.id)).await.expect(200);
    assert!(!seen.to_string().contains(&one.id.to_string()), "{seen}");

    let all = make(&me, json!({"name": "all", "scopes": []})).await;
    let rotated = Minted::of(&me.post(&format!("{}/rotate", path(&all)), json!({"reason": "r"})).await);
    app.admin().delete(&format!("/users/{}/tokens/{}", ada.id, rotated.id)).await.expect(204);
    for (caller, is_copy) in [(&of_one, false), (&of_two, true)] {
        assert_eq!(trail(caller, &all.id).await, told(&[("created", is_copy), ("rotated", is_copy)]));
        assert_eq!(trail(caller, &rotated.id).await, told(&[("created", is_copy), ("revoked", true)]));
    }
    me.post("/users/me/tokens/revoke-all", json!({"reason": "done"})).await.expect(200);
    for (caller, is_copy) in [(&of_one, false), (&of_two, true)] {
        let events = trail(caller, &ada.id.to_string()).await;
        assert_eq!(events.last(), told(&[("all_revoked", is_copy)]).last());
    }
    let verified = app.admin().get("/audit/security-events/verify").await.expect(200);
    assert_eq!(verified["holds"], true, "{verified}");
}

async fn all_tokens_of_a_user_die_within_the_callers_reach(app: &TestApp) {
    let [one, two] = [app.tenant("One").await, app.tenant("Two").await];
    let (ada, me) = person(app, "ada@example.com", &one, PublisherEditor).await;
    app.join(&ada, &two, PublisherEditor).await;
    let (_, boss) = person(app, "boss@example.com", &one, PublisherAdmin).await;
    let all = make(&me, json!({"name": "all", "scopes": []})).await;
    let only = make(&me, json!({"name": "only", "scopes": [], "publisher_ids": [one.id]})).await;
    code(app, &all, &one).await;
    let revoke = format!("/users/{}/tokens/revoke-all", ada.id);
    assert_eq!(boss.post(&revoke, json!({})).await.expect(200), json!({"revoked": 2}));
    assert_eq!(
        (code(app, &all, &one).await.as_str(), code(app, &all, &two).await.as_str()),
        ("revoked", "valid")
    );
    assert_eq!(code(app, &only, &one).await, "revoked");
    eventually("the row is marked", async || {
        me.get(&path(&only)).await.expect(200)["revoked_at"].is_string()
    })
    .await;
    assert_eq!(me.get(&path(&all)).await.expect(200)["status"], "active");
    assert_eq!(app.admin().post(&revoke, json!({})).await.expect(200), json!({"revoked": 1}));
    assert_eq!(code(app, &all, &two).await, "revoked");
}

async fn revoke(app: &TestApp, scope: Value) -> Value {
    let body = json!({"reason": "breach", "scope": scope, "include": ["personal"], "keep_caller": true});
    app.admin().post("/auth/emergency-revoke", body).await.expect(200)["revoked"].clone()
}

async fn an_emergency_reaches_personal_tokens_within_its_scope(app: &TestApp) {
    let [one, two] = [app.tenant("One").await, app.tenant("Two").await];
    let (ada, me) = person(app, "ada@example.com", &one, PublisherEditor).await;
    app.join(&ada, &two, PublisherEditor).await;
    let (bob, other) = person(app, "bob@example.com", &two, PublisherEditor).await;
    let all = make(&me, json!({"name": "all", "scopes": []})).await;
    let bobs = make(&other, json!({"name": "bobs", "scopes": []})).await;
    for token in [&all, &bobs] {
        assert_eq!(code(app, token, &two).await, "valid");
    }
    let counts = |personal: u64| json!({"service": 0, "personal": personal, "sessions": 0});
    assert_eq!(revoke(app, json!({"publisher_id": one.id})).await, counts(1));
    assert_eq!(
        (code(app, &all, &one).await.as_str(), code(app, &all, &two).await.as_str()),
        ("revoked", "valid")
    );
    assert_eq!(revoke(app, json!({"user_id": bob.id})).await, counts(1));
    assert_eq!(
        (code(app, &bobs, &two).await.as_str(), code(app, &all, &two).await.as_str()),
        ("revoked", "valid")
    );
    assert_eq!(revoke(app, json!({"all": true})).await, counts(1));
    // It asks about itself: the caller was spared, and is asked for again when its node hears of that.
    let loads = app.loads();
    let of_itself = app.bearing(&all.secret).post("/auth/verify", json!({"publisher_id": two.id})).await;
    assert_eq!(of_itself.expect(200)["code"], "revoked");
    assert_eq!(app.loads(), loads, "the dead cost no query");
    me.get("/auth/me").await.expect(200);
    let after = make(&me, json!({"name": "all", "scopes": []})).await;
    assert_eq!(code(app, &after, &one).await, "valid");
}

async fn a_personal_token_that_calls_is_spared_only_if_it_asks(app: &TestApp) {
    let tenant = app.tenant("One").await;
    let (_, me) = person(app, "ada@example.com", &tenant, PublisherAdmin).await;
    let token = make(&me, json!({"name": "caller", "inherit_user_permissions": true})).await;
    let twin = make(&me, json!({"name": "twin", "inherit_user_permissions": true})).await;
    let script = app.bearing(&token.secret);
    let body = |keep: bool| json!({"reason": "r", "scope": {"publisher_id": tenant.id}, "include": ["personal"], "keep_caller": keep});
    let revoked = script.post("/auth/emergency-revoke", body(true)).await.expect(200);
    assert_eq!(revoked["revoked"]["personal"], 1);
    assert_eq!(
        (code(app, &token, &tenant).await.as_str(), code(app, &twin, &tenant).await.as_str()),
        ("valid", "revoked")
    );
    script.post("/auth/emergency-revoke", body(false)).await.expect(200);
    assert_eq!(code(app, &token, &tenant).await, "revoked");
}
