//! `POST /auth/login` and `GET /.well-known/jwks.json`.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keywright_core::BuiltInRole::{PlatformAdmin, PublisherAdmin, PublisherViewer};
use keywright_verify::jwt::jwk::KeySet;
use serde_json::{Value, json};

use crate::harness::logins::{PASSWORD, Session};
use crate::harness::{Answer, Engine, TestApp, on_both_engines, standing_still};

on_both_engines![
    a_login_gives_tokens_that_say_who_and_for_whom,
    the_published_keys_verify_what_was_signed_and_nothing_secret_is_published,
    a_stranger_is_not_told_whether_there_is_an_account,
    every_spelling_of_an_address_is_one_account,
    a_right_password_is_told_why_it_is_refused,
    several_publishers_and_none_named_is_the_default_one,
    every_attempt_is_recorded_before_it_is_answered,
    what_is_asked_must_be_well_formed,
];

standing_still![
    too_many_failures_wait_longer_and_longer_but_not_where_the_user_is_known,
    fifty_guesses_at_once_are_not_fifty_guesses,
];

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

async fn a_login_gives_tokens_that_say_who_and_for_whom(app: &TestApp) {
    let tenant = app.tenant("Songtrust").await;
    let ada = app.member_of("Ada@Example.com", &tenant, PublisherViewer).await;
    let answer = app.try_login(&ada.email, PASSWORD).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let session = Session::of(&answer);
    let body = &session.body;
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(body["refresh_expires_in"], json!(14 * 86_400));
    assert_eq!(body["publisher_id"], json!(tenant.id));
    assert_eq!(body["user"], json!({"id": ada.id, "email": "Ada@example.com", "display_name": null}));
    assert!(session.refresh.starts_with("rt_") && session.refresh.len() == 67);

    let header = part(&session.access, 0);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("EdDSA")));
    let mut claims = part(&session.access, 1);
    let members = claims.as_object_mut().unwrap();
    let (iat, exp) = (members.remove("iat").unwrap(), members.remove("exp").unwrap());
    assert_eq!(exp.as_i64().unwrap() - iat.as_i64().unwrap(), 900);
    assert!(members.remove("jti").unwrap().as_str().unwrap().len() == 36);
    let permissions = members.remove("permissions").unwrap();
    let mut granted: Vec<_> = permissions.as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    granted.sort_unstable();
    assert_eq!(granted, ["monitoring:read", "service_accounts:read", "tokens:read", "users:read"]);
    let expected = json!({
        "sub": ada.id, "type": "user", "email": "Ada@example.com", "publisher_id": tenant.id,
        "publishers": [tenant.id], "role": "publisher_viewer", "session_id": session.id,
        "iss": "https://auth.example.com", "aud": "https://auth.example.com", "client_id": "keywright",
    });
    assert_eq!(claims, expected);
}

async fn the_published_keys_verify_what_was_signed_and_nothing_secret_is_published(app: &TestApp) {
    let ada = app.person("ada@example.com", Some(PlatformAdmin)).await;
    let session = app.login(&ada).await;
    let answer = app.nobody().get("/.well-known/jwks.json").await;
    let keys = answer.expect(200);
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let set = KeySet::parse(&answer.body).unwrap();
    let key = set.get(part(&session.access, 0)["kid"].as_str().unwrap()).unwrap();
    let (signed, signature) = session.access.rsplit_once('.').unwrap();
    assert!(key.verifies(signed.as_bytes(), &BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap()));
    for key in keys["keys"].as_array().unwrap() {
        let members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
    }
    let listed = app.admin().get("/signing-keys").await.expect(200);
    assert_eq!(listed["items"][0]["status"], "active");
    assert_eq!(listed["items"][0]["id"], part(&session.access, 0)["kid"]);
}

/// What is the same for everybody.
fn bare(answer: &Answer) -> Value {
    let mut problem = answer.refused(401, "invalid_credentials");
    problem.as_object_mut().unwrap().remove("request_id");
    problem
}

async fn a_stranger_is_not_told_whether_there_is_an_account(app: &TestApp) {
    let known = app.person("known@example.com", None).await;
    let disabled = app.person("disabled@example.com", None).await;
    let mut database = app.database().await;
    let now = database.moment("2026-01-01T00:00:00Z");
    database.execute(&format!("UPDATE users SET disabled_at = {now} WHERE email LIKE 'disabled%'")).await;
    let wrong = bare(&app.try_login(&known.email, "wrong password 123").await);
    for (email, password) in [
        ("nobody@example.com", PASSWORD),
        ("not an address", PASSWORD),
        (&disabled.email, "wrong password 123"),
        (&known.email, ""),
    ] {
        assert_eq!(bare(&app.try_login(email, password).await), wrong, "{email}");
    }
}

async fn every_spelling_of_an_address_is_one_account(app: &TestApp) {
    let ada = app.person("ada@example.com", None).await;
    for email in ["ADA@example.COM", " ada@example.com ", "Ada@Example.com"] {
        let session = Session::of(&app.try_login(email, PASSWORD).await);
        assert_eq!(session.body["user"]["id"], json!(ada.id), "{email}");
    }
}

async fn too_many_failures_wait_longer_and_longer_but_not_where_the_user_is_known(app: &TestApp) {
    let (ada, bob) = (app.person("ada@example.com", None).await, app.person("bob@example.com", None).await);
    let guess = async |email: &str| app.try_login(email, "wrong password 123").await;
    for email in [ada.email.as_str(), "unknown@example.com"] {
        // The sixth is tried and makes the seventh wait.
        for _ in 0..6 {
            guess(email).await.refused(401, "invalid_credentials");
        }
        for wait in [1, 2, 4, 8] {
            let answer = guess(email).await;
            answer.refused(429, "too_many_attempts");
            assert_eq!(answer.header("retry-after"), wait.to_string(), "{email}");
            // Who comes too early is not counted, and does not wait longer for it.
            app.advance(wait - 1);
            let early = guess(email).await;
            early.refused(429, "too_many_attempts");
            assert_eq!(early.header("retry-after"), "1", "{email}");
            app.advance(1);
            guess(email).await.refused(401, "invalid_credentials");
        }
        // The right password has to wait as well.
        app.try_login(email, PASSWORD).await.refused(429, "too_many_attempts");
    }
    // Somebody else from the same network does not.
    app.login(&bob).await;
    // A user is counted apart where they have logged in before.
    for _ in 0..6 {
        guess(&bob.email).await.refused(401, "invalid_credentials");
    }
    let mut database = app.database().await;
    assert_eq!(database.number("SELECT COUNT(*) FROM login_networks").await, 1);
    let kept = database.texts("SELECT display_name FROM users").await;
    assert_eq!(kept.len(), 2);
    // All is forgotten in time, and a login that goes through forgets the failures before it.
    app.advance(2 * 86_400);
    app.login(&ada).await;
    guess(&ada.email).await.refused(401, "invalid_credentials");
}

async fn fifty_guesses_at_once_are_not_fifty_guesses(app: &TestApp) {
    let ada = app.person("ada@example.com", None).await;
    let guesses = (0..50).map(|_| app.try_login(&ada.email, "wrong password 123"));
    let answers = futures::future::join_all(guesses).await;
    let tried = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(tried, 6);
    assert!(answers.iter().all(|answer| matches!(answer.status, 401 | 429)));
}

async fn a_right_password_is_told_why_it_is_refused(app: &TestApp) {
    let tenant = app.tenant("Songtrust").await;
    let other = app.tenant("Spirit").await;
    let ada = app.member_of("ada@example.com", &tenant, PublisherAdmin).await;
    let log_in_for = async |publisher: Value| {
        let body = json!({"email": ada.email, "password": PASSWORD, "publisher_id": publisher});
        app.nobody().post("/auth/login", body).await
    };
    log_in_for(json!(other.id)).await.refused(403, "wrong_publisher");
    log_in_for(json!("0198c0de-0000-7000-8000-000000000000")).await.refused(403, "wrong_publisher");
    let mut database = app.database().await;
    let now = database.moment("2026-01-01T00:00:00Z");
    for (change, back, status, code) in [
        (
            "publishers SET suspended_at = NOW",
            "publishers SET suspended_at = NULL",
            401,
            "publisher_suspended",
        ),
        ("users SET email_verified_at = NULL", "users SET email_verified_at = NOW", 403, "email_unverified"),
        ("users SET disabled_at = NOW", "users SET disabled_at = NULL", 401, "principal_disabled"),
        (
            "publishers SET settings = '{\"allowed_login_domains\": [\"other.com\"]}'",
            "publishers SET settings = '{}'",
            403,
            "domain_not_allowed",
        ),
    ] {
        database.execute(&format!("UPDATE {}", change.replace("NOW", &now))).await;
        // As often as one likes: the password was right.
        for _ in 0..8 {
            log_in_for(json!(tenant.id)).await.refused(status, code);
        }
        database.execute(&format!("UPDATE {}", back.replace("NOW", &now))).await;
    }
    log_in_for(json!(tenant.id)).await.expect(200);
    assert_eq!(database.number("SELECT COUNT(*) FROM sessions").await, 1);
}

async fn several_publishers_and_none_named_is_the_default_one(app: &TestApp) {
    let (first, second) = (app.tenant("First").await, app.tenant("Second").await);
    let ada = app.member_of("ada@example.com", &first, PublisherAdmin).await;
    app.join(&ada, &second, PublisherViewer).await;
    assert_eq!(app.login(&ada).await.body["publisher_id"], json!(first.id));
    assert_eq!(app.login_for(&ada, &second).await.body["publisher_id"], json!(second.id));
    let mut database = app.database().await;
    let id = database.bytes(second.id.0.as_bytes());
    let id =
        if matches!(database, crate::harness::Database::Sqlite(_)) { id } else { format!("'{}'", second.id) };
    database.execute(&format!("UPDATE users SET default_publisher_id = {id}")).await;
    let session = app.login(&ada).await;
    assert_eq!(session.body["publisher_id"], json!(second.id));
    let claims = part(&session.access, 1);
    assert_eq!(claims["publishers"], json!([second.id, first.id]));
    // Who is of the platform acts for nobody unless they say so, and everywhere if they do.
    let root = app.person("root@example.com", Some(PlatformAdmin)).await;
    let session = app.login(&root).await;
    assert_eq!(session.body["publisher_id"], Value::Null);
    let claims = part(&session.access, 1);
    assert_eq!((&claims["role"], &claims["permissions"]), (&json!("platform_admin"), &json!(["*"])));
    assert_eq!(app.login_for(&root, &first).await.body["publisher_id"], json!(first.id));
}

async fn every_attempt_is_recorded_before_it_is_answered(app: &TestApp) {
    let ada = app.person("ada@example.com", None).await;
    let good = app.try_login(&ada.email, PASSWORD).await;
    let bad = app.try_login(&ada.email, "wrong password 123").await;
    let unknown = app.try_login("nobody@example.com", PASSWORD).await;
    // What is no address may be a password in the wrong field.
    let odd = app.try_login("hunter2hunter2hunter2", PASSWORD).await;
    app.recorded().await;
    for (answer, code, email, principal) in [
        (&good, "valid", Some("ada@example.com"), true),
        (&bad, "invalid_credentials", Some("ada@example.com"), true),
        (&unknown, "invalid_credentials", Some("nobody@example.com"), false),
        (&odd, "invalid_credentials", None, false),
    ] {
        let events = app.admin().get("/audit/authentication-events").await.expect(200);
        let mut events = events["items"].as_array().unwrap().iter();
        let event = events.find(|event| event["request_id"] == answer.request_id()).unwrap();
        assert_eq!((&event["type"], &event["code"]), (&json!("login"), &json!(code)), "{event}");
        assert_eq!(event["user_email"], json!(email));
        assert_eq!(event["principal_id"].is_string(), principal, "{event}");
        assert!(event["ip_address"].is_string());
    }
}

async fn what_is_asked_must_be_well_formed(app: &TestApp) {
    let send = async |body: Value| app.nobody().post("/auth/login", body).await;
    send(json!({"password": "p"})).await.bad_field("email", "required");
    send(json!({"email": "a@b.c"})).await.bad_field("password", "required");
    send(json!({"email": 1, "password": "p"})).await.bad_field("email", "invalid_type");
    send(json!({"email": "a", "password": "p", "otp": "1"})).await.refused(422, "unknown_field");
    send(json!({"email": "a", "password": "p", "publisher_id": "x"}))
        .await
        .bad_field("publisher_id", "invalid_format");
    app.nobody().send("POST", "/auth/login", None).await.refused(400, "invalid_json");
}

/// On each engine with settings of its own.
async fn on_each_engine(settings: &[(&str, &str)], check: impl AsyncFn(&TestApp)) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(app) = TestApp::start_still(engine, settings).await else { continue };
        check(&app).await;
        app.stop().await;
    }
}

fn lives(session: &Session) -> (i64, i64) {
    let claims = part(&session.access, 1);
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(session.body["expires_in"], json!(life));
    (life, session.body["refresh_expires_in"].as_i64().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_asks_for_shorter_lives_and_gets_no_longer_ones() {
    let settings = [
        ("sessions.access_token_minutes", "30"),
        ("sessions.refresh_token_days", "10"),
        ("sessions.session_days", "40"),
    ];
    on_each_engine(&settings, async |app| {
        let (strict, lax) = (app.tenant("Strict").await, app.tenant("Lax").await);
        let ask = async |tenant: &crate::harness::logins::Tenant, minutes: i64, days: i64| {
            let body = json!({"access_token_max_minutes": minutes, "session_max_days": days});
            app.admin().patch(&format!("/publishers/{}/settings", tenant.id), body).await.expect(200);
        };
        ask(&strict, 20, 3).await;
        ask(&lax, 60, 90).await;
        let ada = app.member_of("ada@example.com", &strict, PublisherViewer).await;
        app.join(&ada, &lax, PublisherViewer).await;
        let there = app.login_for(&ada, &strict).await;
        assert_eq!(lives(&there), (1_200, 3 * 86_400));
        assert_eq!(lives(&app.login_for(&ada, &lax).await), (1_800, 10 * 86_400));
        // The end of the session does not move with its use, and access tokens end with it.
        app.advance(3 * 86_400 - 600);
        let there = Session::of(&app.refresh(&there.refresh).await);
        assert_eq!(lives(&there), (600, 600));
        app.advance(600);
        app.refresh(&there.refresh).await.refused(401, "expired");
        // A ceiling that is lowered counts for the sessions that there are.
        let open = app.login_for(&ada, &lax).await;
        app.advance(86_400);
        ask(&lax, 15, 2).await;
        let open = Session::of(&app.refresh(&open.refresh).await);
        assert_eq!(lives(&open), (900, 86_400));
        ask(&lax, 15, 1).await;
        app.refresh(&open.refresh).await.refused(401, "expired");
    })
    .await;
}
