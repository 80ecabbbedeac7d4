//! `POST /auth/verify`: who may ask what, and what is decided.

use keywright_core::BuiltInRole::{PlatformAdmin, PublisherAdmin, PublisherViewer};
use serde_json::{Value, json};

use crate::harness::{Answer, TestApp, eventually, on_both_engines, sha256};

on_both_engines![
    a_token_verifies_itself,
    a_caller_with_the_permission_asks_about_another,
    asking_about_another_needs_the_permission,
    nothing_is_decided_for_nobody,
    an_empty_body_is_about_the_bearer,
    every_denial_has_its_code_and_says_no_more_than_it_may,
    a_token_expires_exactly_at_its_end,
    a_superseded_token_is_valid_until_exactly_the_end_of_its_grace,
    each_set_of_scopes_is_decided_anew,
    wildcards_cover_what_is_under_them_and_nothing_else,
    an_unknown_token_is_valid_soon_after_it_is_made,
    a_change_is_in_force_when_its_call_returns,
    what_is_asked_must_be_well_formed,
    a_verifier_of_a_publisher_learns_nothing_of_what_is_elsewhere,
];

async fn a_token_verifies_itself(app: &TestApp) {
    let body =
        json!({"token_name": "ci-cd-token", "permissions": ["catalog:read"], "metadata": {"team": "ops"}});
    let token = app.mint_as(body).await;
    let decision = app.verify(&token.secret).await.decided("valid");
    let expected = json!({
        "valid": true, "code": "valid", "token_type": "service", "credential_id": token.id,
        "name": "ci-cd-token",
        "principal": {"type": "service_token", "id": token.id, "name": "ci-cd-token"},
        "publisher_id": null, "publishers": [], "scopes": ["catalog:read"],
        "expires_at": token.body["expires_at"], "rate_limit": null,
        "rotation": {"superseded": false, "grace_expires_at": null},
        "context": {
            "service_account_id": null, "service_name": "ci-cd-token", "publisher_id": null,
            "scopes": ["catalog:read"], "rate_limits": {"per_minute": null, "per_hour": null},
            "metadata": {"team": "ops"},
        },
        "request_id": decision["request_id"],
    });
    assert_eq!(decision, expected);
    let by_key = app.nobody().with("x-api-key", &token.secret).send("POST", "/auth/verify", None).await;
    by_key.decided("valid");
}

async fn a_caller_with_the_permission_asks_about_another(app: &TestApp) {
    let token = app.mint("asked about", &["a"]).await;
    let asker = app.caller(&["tokens:verify"]).await;
    let decision = asker.post("/auth/verify", json!({"token": token.secret})).await.decided("valid");
    assert_eq!((&decision["credential_id"], &decision["scopes"]), (&json!(token.id), &json!(["a"])));
}

async fn asking_about_another_needs_the_permission(app: &TestApp) {
    let token = app.mint("asked about", &["a"]).await;
    for permissions in [&["a"][..], &["tokens:read", "tokens:rotate_self"], &[]] {
        let asker = app.caller(permissions).await;
        let answer = asker.post("/auth/verify", json!({"token": token.secret})).await;
        let problem = answer.refused(403, "insufficient_scope");
        assert!(problem["detail"].as_str().unwrap().contains("tokens:verify"), "{problem}");
        // Its own credential in the body is another's, too: the permission is about the form.
        asker.post("/auth/verify", json!({})).await.decided("valid");
    }
    let body = json!({"token": token.secret});
    app.nobody().post("/auth/verify", body.clone()).await.refused(401, "missing_credential");
    app.bearing("sk_x").post("/auth/verify", body).await.refused(401, "malformed");
}

async fn nothing_is_decided_for_nobody(app: &TestApp) {
    let nobody = app.nobody();
    let answer = nobody.send("POST", "/auth/verify", None).await;
    answer.refused(401, "missing_credential");
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"keywright\"");
    nobody
        .with("authorization", "Basic eDp5")
        .send("POST", "/auth/verify", None)
        .await
        .refused(401, "missing_credential");
}

async fn an_empty_body_is_about_the_bearer(app: &TestApp) {
    let token = app.mint("bearer", &["a"]).await;
    let bearer = app.bearing(&token.secret);
    for body in [json!({}), json!({"token": null}), json!({"required_scopes": ["a"], "method": "GET"})] {
        bearer.post("/auth/verify", body).await.decided("valid");
    }
    let json = bearer.with("content-type", "application/json");
    json.send_bytes("POST", "/auth/verify", b" \r\n".to_vec()).await.refused(400, "invalid_json");
}

/// What a denial tells beside `valid`, `code` and `request_id`.
const TOLD: [&str; 6] = ["credential_id", "expires_at", "name", "principal", "rotation", "token_type"];

fn told(decision: &Value) -> Vec<&str> {
    let mut names: Vec<_> = decision.as_object().unwrap().keys().map(String::as_str).collect();
    names.retain(|name| !["valid", "code", "request_id"].contains(name));
    names.sort_unstable();
    names
}

async fn both_ways(app: &TestApp, secret: &str, code: &str) -> Value {
    let own = app.verify(secret).await.decided(code);
    let asked = app.verify_body(json!({"token": secret})).await.decided(code);
    assert_eq!(told(&own), told(&asked));
    asked
}

async fn every_denial_has_its_code_and_says_no_more_than_it_may(app: &TestApp) {
    assert!(told(&both_ways(app, "sk_nonsense", "malformed").await).is_empty());
    let unknown = format!("sk_{}", "0a".repeat(32));
    assert!(told(&both_ways(app, &unknown, "not_found").await).is_empty());

    let revoked = app.mint("to be revoked", &["a"]).await;
    app.admin().delete(&revoked.path()).await.expect(204);
    assert_eq!(told(&both_ways(app, &revoked.secret, "revoked").await), TOLD);

    let inactive = app.mint("to be switched off", &["a"]).await;
    app.admin().patch(&inactive.path(), json!({"is_active": false})).await.expect(200);
    assert_eq!(told(&both_ways(app, &inactive.secret, "inactive").await), TOLD);

    let retired = app.mint("to be rotated", &["a"]).await;
    let rotation = json!({"reason": "leak", "grace_seconds": 0});
    app.admin().post(&format!("{}/rotate", retired.path()), rotation).await.expect(200);
    assert_eq!(told(&both_ways(app, &retired.secret, "expired").await), TOLD);

    let poor = app.mint("poor", &["a"]).await;
    let body = json!({"token": poor.secret, "required_scopes": ["a", "b", "c:d"]});
    let denial = app.verify_body(body).await.decided("insufficient_scope");
    assert_eq!(denial["missing_scopes"], json!(["b", "c:d"]));
    let body = json!({"token": poor.secret, "any_scopes": ["b", "c:d"]});
    let denial = app.verify_body(body).await.decided("insufficient_scope");
    assert_eq!(denial["missing_scopes"], json!(["b", "c:d"]));

    // The first that applies, in the order of the contract.
    app.admin().delete(&inactive.path()).await.expect(204);
    app.verify_body(json!({"token": inactive.secret, "required_scopes": ["z"]})).await.decided("revoked");
}

async fn a_token_expires_exactly_at_its_end(app: &TestApp) {
    let token =
        app.mint_as(json!({"token_name": "ten days", "permissions": [], "expires_in_days": 10})).await;
    let end: keywright_core::Timestamp = token.body["expires_at"].as_str().unwrap().parse().unwrap();
    let ask = async || app.verify(&token.secret).await;
    // The clock goes on while the request is on its way: a minute before is before.
    app.at(end.plus_seconds(-60), ask).await.decided("valid");
    app.at(end, ask).await.decided("expired");
    app.at(end.plus_days(400), ask).await.decided("expired");
    app.at(end.plus_seconds(-60), ask).await.decided("valid");
    ask().await.decided("valid");
}

async fn a_superseded_token_is_valid_until_exactly_the_end_of_its_grace(app: &TestApp) {
    let old = app.mint("rotated", &["a"]).await;
    let rotation = json!({"reason": "yearly", "grace_seconds": 36_000});
    app.admin().post(&format!("{}/rotate", old.path()), rotation).await.expect(200);
    let decision = app.verify(&old.secret).await.decided("valid");
    assert_eq!(decision["rotation"]["superseded"], true);
    let end = decision["rotation"]["grace_expires_at"].as_str().unwrap().parse().unwrap();
    let ask = async || app.verify(&old.secret).await;
    app.at(keywright_core::Timestamp::plus_seconds(end, -60), ask).await.decided("valid");
    app.at(end, ask).await.decided("expired");
}

async fn each_set_of_scopes_is_decided_anew(app: &TestApp) {
    let token = app.mint("two scopes", &["a:read", "b:read"]).await;
    let ask = async |required: Value, any: Value| -> Answer {
        app.verify_body(json!({"token": token.secret, "required_scopes": required, "any_scopes": any})).await
    };
    ask(json!(["a:read"]), Value::Null).await.decided("valid");
    ask(json!(["c:read"]), Value::Null).await.decided("insufficient_scope");
    ask(json!(["b:read"]), Value::Null).await.decided("valid");
    ask(json!(["a:read", "b:read"]), json!(["c:read", "b:read"])).await.decided("valid");
    ask(json!(["a:read", "c:read"]), json!(["b:read"])).await.decided("insufficient_scope");
    ask(json!([]), json!(["c:read"])).await.decided("insufficient_scope");
    ask(json!([]), Value::Null).await.decided("valid");
}

async fn wildcards_cover_what_is_under_them_and_nothing_else(app: &TestApp) {
    for (held, wanted, code) in [
        ("*", "anything:at:all", "valid"),
        ("a:*", "a:b:c", "valid"),
        ("a:*", "a", "insufficient_scope"),
        ("a:*", "ab:c", "insufficient_scope"),
        ("a:admin", "a:anything", "valid"),
        ("a:admin", "a:*", "valid"),
        ("a:b", "a:*", "insufficient_scope"),
        ("a:b", "*", "insufficient_scope"),
        ("a", "A", "invalid"),
    ] {
        let token = app.mint(&format!("{held} for {wanted}"), &[held]).await;
        let answer = app.verify_body(json!({"token": token.secret, "required_scopes": [wanted]})).await;
        match code {
            "invalid" => answer.bad_field("required_scopes[0]", "invalid_format"),
            code => drop(answer.decided(code)),
        }
    }
}

async fn an_unknown_token_is_valid_soon_after_it_is_made(app: &TestApp) {
    // A secret cannot be chosen, so one that exists is hidden until this node knows it as unknown.
    let token = app.mint("hidden", &["a"]).await;
    let mut database = app.database().await;
    let (hash, other) = (database.bytes(&sha256(&token.secret)), database.bytes(&[7; 32]));
    let set =
        |hash: &str| format!("UPDATE service_tokens SET token_hash = {hash} WHERE token_name = 'hidden'");
    assert_eq!(database.execute(&set(&other)).await, 1);
    app.verify(&token.secret).await.decided("not_found");
    assert_eq!(database.execute(&set(&hash)).await, 1);
    eventually("the token is known", async || app.verify(&token.secret).await.json()["valid"] == true).await;
}

async fn a_change_is_in_force_when_its_call_returns(app: &TestApp) {
    let token = app.mint("changing", &["a"]).await;
    let wants = |scope: &str| json!({"token": token.secret, "required_scopes": [scope]});
    let patch = async |body: Value| app.admin().patch(&token.path(), body).await.expect(200);
    for _ in 0..10 {
        app.verify_body(wants("a")).await.decided("valid");
        patch(json!({"permissions": ["b"]})).await;
        app.verify_body(wants("a")).await.decided("insufficient_scope");
        patch(json!({"is_active": false, "permissions": ["a"]})).await;
        app.verify_body(wants("a")).await.decided("inactive");
        patch(json!({"is_active": true})).await;
    }
    app.verify_body(wants("a")).await.decided("valid");
    app.admin().delete(&token.path()).await.expect(204);
    app.verify_body(wants("a")).await.decided("revoked");
}

async fn what_is_asked_must_be_well_formed(app: &TestApp) {
    let token = app.admin_token();
    for (body, field, code) in [
        (json!({"token": 7}), "token", "invalid_type"),
        (json!({"token": ["a"]}), "token", "invalid_type"),
        (json!({"required_scopes": "a"}), "required_scopes", "invalid_type"),
        (json!({"required_scopes": ["a", ""]}), "required_scopes[1]", "too_short"),
        (json!({"required_scopes": ["a", 1]}), "required_scopes[1]", "invalid_type"),
        (json!({"required_scopes": ["a:*:b"]}), "required_scopes[0]", "invalid_format"),
        (json!({"required_scopes": vec!["a"; 101]}), "required_scopes", "too_many"),
        (json!({"required_scopes": ["x".repeat(101)]}), "required_scopes[0]", "too_long"),
        (json!({"any_scopes": []}), "any_scopes", "too_short"),
        (json!({"any_scopes": ["a b"]}), "any_scopes[0]", "invalid_format"),
        (json!({"cost": -1}), "cost", "out_of_range"),
        (json!({"cost": 10_001}), "cost", "out_of_range"),
        (json!({"cost": 0.5}), "cost", "invalid_type"),
        (json!({"cost": "1"}), "cost", "invalid_type"),
        (json!({"ip_address": 1}), "ip_address", "invalid_type"),
        (json!({"publisher_id": "acme"}), "publisher_id", "invalid_format"),
        (json!({"scopes": ["a"]}), "scopes", "unknown_field"),
    ] {
        app.bearing(token).post("/auth/verify", body).await.bad_field(field, code);
    }
    // Facts of somebody else's request are kept as far as they can be, and never a reason to refuse.
    let facts = json!({
        "token": token, "ip_address": "no address", "user_agent": "x".repeat(5_000), "method": "\u{1}",
        "endpoint": "/\u{202e}gpj", "cloudflare_ray_id": "", "cost": 0,
    });
    app.bearing(token).post("/auth/verify", facts).await.decided("valid");
}

/// Whatever it is, and whatever becomes of it: byte for byte what is said of a token that nobody has.
async fn a_verifier_of_a_publisher_learns_nothing_of_what_is_elsewhere(app: &TestApp) {
    let (home, elsewhere) = (app.tenant("Home").await, app.tenant("Elsewhere").await);
    let verifier = app.member_of("boss@home.example", &home, PublisherAdmin).await;
    let verifier = app.bearing(&app.login(&verifier).await.access);
    let ada = app.member_of("ada@elsewhere.example", &elsewhere, PublisherAdmin).await;
    let both = app.member_of("tom@elsewhere.example", &elsewhere, PublisherViewer).await;
    app.join(&both, &home, PublisherViewer).await;
    let root = app.person("root@example.com", Some(PlatformAdmin)).await;
    let own = app.login_for(&both, &home).await;
    let foreign = app.login_for(&ada, &elsewhere).await;
    let tokens = [
        foreign.access.clone(),
        app.login_for(&both, &elsewhere).await.access,
        app.login_for(&root, &elsewhere).await.access,
    ];
    let signed = own.access.rsplit_once('.').unwrap().0;
    let unknown = format!("{signed}.{}", "A".repeat(86));
    let nobody = format!("sk_{}", "0e".repeat(32));
    let ask = async |token: &str, more: Value| {
        let mut body = json!({"token": token});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = verifier.post("/auth/verify", body).await;
        answer.decided("not_found");
        let names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        (names, answer.text().replace(answer.request_id(), "REQUEST"))
    };
    let facts = [
        json!({}),
        json!({"required_scopes": ["works:read"]}),
        json!({"publisher_id": elsewhere.id}),
        json!({"publisher_id": home.id}),
        json!({"publisher_id": "0198c0de-0000-7000-8000-000000000000"}),
    ];
    let check = async || {
        for more in &facts {
            let expected = ask(&unknown, more.clone()).await;
            assert_eq!(ask(&nobody, more.clone()).await, expected);
            for token in &tokens {
                assert_eq!(ask(token, more.clone()).await, expected, "{more}");
            }
        }
    };
    check().await;
    app.admin().delete(&format!("/users/{}/sessions", ada.id)).await.expect(204);
    check().await;
    app.admin().post(&format!("/publishers/{}/suspend", elsewhere.id), json!({})).await.expect(200);
    check().await;
    // What is at home is told, and so is what is wrong with it.
    let own_code = async || verifier.post("/auth/verify", json!({"token": own.access})).await;
    own_code().await.decided("valid");
    app.admin().delete(&format!("/users/{}/sessions", both.id)).await.expect(204);
    own_code().await.decided("revoked");
}
