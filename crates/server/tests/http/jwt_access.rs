//! Access tokens of our own, presented: what is read, what is refused, and that it is in force at once.

use serde_json::{Value, json};

use crate::harness::people::{People, TestKey, id, merged};
use crate::harness::{TestApp, on_both_engines};

on_both_engines![
    a_user_is_known_by_an_access_token,
    a_token_that_was_seen_before_asks_the_store_nothing,
    what_is_no_access_token_is_malformed,
    what_is_not_ours_is_not_found,
    nothing_that_a_token_names_is_fetched,
    a_token_expires_half_a_minute_after_its_end,
    a_token_carries_what_it_claims_and_what_its_owner_may,
    a_token_is_for_one_publisher,
    a_session_that_ended_takes_its_tokens_with_it,
    a_key_that_is_revoked_takes_its_tokens_with_it,
    a_key_of_tomorrow_is_found_when_it_is_needed,
    a_platform_administrator_acts_for_any_publisher,
];

async fn a_user_is_known_by_an_access_token(app: &TestApp) {
    let people = People::settle(app).await;
    let token = people.token(app, &json!({}));
    let decision = app.verify(&token).await.decided("valid");
    let expected = json!({
        "token_type": "user", "credential_id": people.session, "name": "ada@example.com",
        "principal": {"type": "user", "id": people.user, "name": "ada@example.com"},
        "publisher_id": people.publisher, "publishers": [people.publisher],
        "scopes": ["works:read", "works:write"], "context": people.claims(app),
    });
    for (name, value) in expected.as_object().unwrap() {
        if name == "context" {
            assert_eq!(decision["context"]["session_id"], value["session_id"]);
            assert_eq!(decision["context"]["type"], "user");
            continue;
        }
        assert_eq!(&decision[name], value, "{name}");
    }
    assert_eq!(decision["expires_at"].as_str().map(str::len), Some(20), "{decision}");
    let other = app.verify_body(json!({"token": token, "required_scopes": ["works:write"]})).await;
    other.decided("valid");
}

async fn a_token_that_was_seen_before_asks_the_store_nothing(app: &TestApp) {
    let people = People::settle(app).await;
    let token = people.token(app, &json!({}));
    app.verify(&token).await.decided("valid");
    let loads = app.loads();
    for _ in 0..3 {
        app.verify(&token).await.decided("valid");
    }
    assert_eq!(app.loads(), loads);
    assert_eq!(app.app().tokens().remembered(), 1);
}

async fn what_is_no_access_token_is_malformed(app: &TestApp) {
    let people = People::settle(app).await;
    let claims = people.claims(app);
    let signed = |header: Value| people.key.sign(&header, &claims);
    let kid = people.key.id;
    for (token, why) in [
        (signed(json!({"alg": "none", "typ": "at+jwt", "kid": kid})), "no signature"),
        (signed(json!({"alg": "HS256", "typ": "at+jwt", "kid": kid})), "a shared secret"),
        (signed(json!({"alg": "EdDSA", "typ": "JWT", "kid": kid})), "another type"),
        (
            signed(json!({"alg": "EdDSA", "typ": "token-introspection+jwt", "kid": kid})),
            "an answer about a token",
        ),
        (signed(json!({"alg": "EdDSA", "kid": kid})), "no type"),
        (signed(json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid, "crit": ["exp"]})), "crit"),
        (signed(json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid, "b64": false})), "b64"),
        (people.token(app, &json!({"exp": "1"})), "exp as a text"),
        (people.token(app, &json!({"exp": -1})), "exp below zero"),
        (people.token(app, &json!({"type": "service"})), "not of a user"),
        (people.token(app, &json!({"session_id": null})), "no session"),
        (people.token(app, &json!({"session_id": "../x"})), "a session that is none"),
        (people.token(app, &json!({"publisher_id": 7})), "a publisher that is none"),
        (people.token(app, &json!({"permissions": "works:read"})), "permissions that are none"),
        (people.token(app, &json!({"permissions": [7]})), "permissions of another type"),
        (people.token(app, &json!({"permissions": null})), "no permissions"),
        (people.token(app, &json!({"exp": null})), "no end"),
        (raw(&people, &claims, "\"exp\":1e400"), "exp beyond a number"),
        (raw(&people, &claims, "\"exp\":null"), "exp null"),
        (raw(&people, &claims, "\"exp\":9999999999,\"exp\":1"), "exp twice"),
        (format!("rt_{}", "0".repeat(64)), "a refresh token"),
        (format!("{}=", people.token(app, &json!({}))), "padding"),
    ] {
        let decision = app.verify(&token).await.decided("malformed");
        assert!(decision["principal"].is_null(), "{why}");
        app.bearing(&token).get("/auth/me").await.refused(401, "malformed");
    }
}

/// A token with claims that no JSON writer would write.
fn raw(people: &People, claims: &Value, exp: &str) -> String {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().remove("exp");
    let text = claims.to_string();
    let payload = format!("{},{exp}}}", text.strip_suffix('}').unwrap());
    people.key.sign_text(&people.header().to_string(), &payload)
}

async fn what_is_not_ours_is_not_found(app: &TestApp) {
    let people = People::settle(app).await;
    let good = people.token(app, &json!({}));
    app.verify(&good).await.decided("valid");
    let stranger = TestKey::new(8);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let header = |kid: &str| json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid});
    let claims = people.claims(app);
    for (token, why) in [
        (format!("{head}.{other}{}", &signature[1..]), "another signature"),
        (stranger.sign(&people.header(), &claims), "signed by another"),
        (stranger.sign(&header(&stranger.id.to_string()), &claims), "an unknown key"),
        (people.key.sign(&header("../../etc/passwd"), &claims), "a kid like a path"),
        (people.key.sign(&json!({"alg": "EdDSA", "typ": "at+jwt"}), &claims), "no kid"),
        (
            people.key.sign(&json!({"alg": "ES256", "typ": "at+jwt", "kid": people.key.id}), &claims),
            "another algorithm",
        ),
        (people.token(app, &json!({"iss": "https://evil.example"})), "another issuer"),
        (people.token(app, &json!({"iss": null})), "no issuer"),
        (people.token(app, &json!({"aud": "https://other.example"})), "another audience"),
        (people.token(app, &json!({"aud": null})), "no audience"),
        (people.token(app, &json!({"nbf": 4_000_000_000_u64})), "not yet"),
        (people.token(app, &json!({"session_id": id(77)})), "a session that never was"),
    ] {
        let decision = app.verify(&token).await.decided("not_found");
        assert!(decision["principal"].is_null(), "{why}");
    }
}

async fn nothing_that_a_token_names_is_fetched(app: &TestApp) {
    let people = People::settle(app).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let trap = format!("http://{}/keys", listener.local_addr().unwrap());
    let stranger = TestKey::new(8);
    let header = json!({
        "alg": "EdDSA", "typ": "at+jwt", "kid": trap, "jku": trap, "x5u": trap, "jwk": stranger.jwk("x"),
    });
    app.verify(&stranger.sign(&header, &people.claims(app))).await.decided("not_found");
    let claims = merged(people.claims(app), &json!({"iss": trap}));
    app.verify(&stranger.sign(&header, &claims)).await.decided("not_found");
    let called = futures::FutureExt::now_or_never(listener.accept());
    assert!(called.is_none(), "somebody called");
}

async fn a_token_expires_half_a_minute_after_its_end(app: &TestApp) {
    let people = People::settle(app).await;
    let end = app.now().plus_days(1).as_micros() / 1_000_000;
    let token = people.token(app, &json!({"exp": end}));
    app.verify(&token).await.decided("valid");
    let moment = keywright_core::Timestamp::EPOCH.plus_seconds(end);
    let ask = async || app.verify(&token).await;
    app.at(moment.plus_seconds(-30), ask).await.decided("valid");
    app.at(moment.plus_seconds(30), ask).await.decided("expired");
}

async fn a_token_carries_what_it_claims_and_what_its_owner_may(app: &TestApp) {
    let people = People::settle(app).await;
    let narrow = people.token(app, &json!({"permissions": ["works:read"]}));
    assert_eq!(app.verify(&narrow).await.decided("valid")["scopes"], json!(["works:read"]));
    let wide = people.token(app, &json!({"permissions": ["*"]}));
    assert_eq!(app.verify(&wide).await.decided("valid")["scopes"], json!(["works:read", "works:write"]));
    app.bearing(&wide).get("/auth/tokens").await.refused(403, "insufficient_scope");
}

async fn a_token_is_for_one_publisher(app: &TestApp) {
    let people = People::settle(app).await;
    let mut database = app.database().await;
    let other = id(11);
    people.publisher(&mut database, other, id(13), "Other").await;
    people.member(&mut database, people.user, other, id(13)).await;
    let token = people.token(app, &json!({}));
    let about = |publisher| json!({"token": token, "publisher_id": publisher});
    app.verify_body(about(json!(people.publisher))).await.decided("valid");
    app.verify_body(about(json!(other))).await.decided("wrong_publisher");
    app.bearing(&token)
        .with("x-publisher-id", &other.to_string())
        .get("/auth/me")
        .await
        .refused(403, "wrong_publisher");
}

async fn a_session_that_ended_takes_its_tokens_with_it(app: &TestApp) {
    let people = People::settle(app).await;
    let token = people.token(app, &json!({}));
    app.verify(&token).await.decided("valid");
    let mut database = app.database().await;
    let (session, now) = (database.uuid(people.session), database.moment("2026-01-01T00:00:00Z"));
    database.execute(&format!("UPDATE sessions SET revoked_at = {now} WHERE id = {session}")).await;
    app.authority().verifier().invalidate([people.session]);
    app.verify(&token).await.decided("revoked");
}

async fn a_key_that_is_revoked_takes_its_tokens_with_it(app: &TestApp) {
    let people = People::settle(app).await;
    let token = people.token(app, &json!({}));
    app.verify(&token).await.decided("valid");
    let mut database = app.database().await;
    let (key, now) = (database.uuid(people.key.id), database.moment("2026-01-01T00:00:00Z"));
    database.execute(&format!("UPDATE signing_keys SET revoked_at = {now} WHERE id = {key}")).await;
    database.execute("UPDATE platform SET keys_version = keys_version + 1").await;
    let keys = database.number("SELECT keys_version FROM platform").await;
    let told = keywright_core::Epochs { keys: u64::try_from(keys).unwrap(), ..Default::default() };
    app.authority().verifier().raise_epochs(told);
    app.verify(&token).await.decided("not_found");
    assert_eq!(app.app().tokens().remembered(), 0);
}

async fn a_key_of_tomorrow_is_found_when_it_is_needed(app: &TestApp) {
    let people = People::settle(app).await;
    app.verify(&people.token(app, &json!({}))).await.decided("valid");
    let next = TestKey::new(9);
    next.insert(&mut app.database().await).await;
    let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": next.id});
    let token = next.sign(&header, &people.claims(app));
    crate::harness::eventually("the new key is known", async || {
        app.verify(&token).await.json()["code"] == "valid"
    })
    .await;
}

async fn a_platform_administrator_acts_for_any_publisher(app: &TestApp) {
    let people = People::settle(app).await;
    let mut database = app.database().await;
    people.user(&mut database, id(21), "root@example.com").await;
    let user = database.uuid(id(21));
    database.execute(&format!("UPDATE users SET platform_role = 'platform_admin' WHERE id = {user}")).await;
    people.session(&mut database, id(24), id(21)).await;
    let token = people.token(
        app,
        &json!({"sub": id(21), "session_id": id(24), "publisher_id": null, "permissions": ["*"]}),
    );
    let bearer = app.bearing(&token);
    bearer.get("/auth/tokens").await.expect(200);
    let body = json!({"token_name": "made by a person", "permissions": ["works:read"]});
    assert_eq!(bearer.post("/auth/tokens", body).await.expect(201)["created_by"]["id"], json!(id(21)));
    assert_eq!(app.verify(&token).await.decided("valid")["publisher_id"], Value::Null);
    let about = json!({"token": token, "publisher_id": people.publisher});
    assert_eq!(app.verify_body(about).await.decided("valid")["publisher_id"], json!(people.publisher));
    let about = json!({"token": token, "publisher_id": id(404)});
    app.verify_body(about).await.decided("wrong_publisher");
}
