//! `POST /oauth2/introspect` with an answer that is signed (RFC 9701), and that is nobody's credential.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keywright_core::BuiltInRole::PublisherViewer;
use keywright_verify::jwt::{Compact, KeySet};
use serde_json::{Value, json};

use crate::harness::oauth::claims;
use crate::harness::{Caller, Engine, TestApp, on_both_engines};

on_both_engines![
    an_answer_is_signed_for_whoever_asked,
    what_is_not_active_is_signed_as_that_and_nothing_else_is_told,
    a_signed_answer_is_no_credential_whoever_has_it,
    an_answer_is_signed_where_that_is_preferred,
    who_may_not_ask_is_told_nothing_that_is_signed,
    a_signed_answer_is_one_decision,
];

const SIGNED: &str = "application/token-introspection+jwt";

/// The signed answer about a token.
async fn ask(caller: &Caller, token: &str) -> String {
    let answer = caller.with("accept", SIGNED).form("/oauth2/introspect", &[("token", token)]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, SIGNED), "{}", answer.text());
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.text().to_owned()
}

fn header(jwt: &str) -> Value {
    let header = jwt.split('.').next().unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

async fn an_answer_is_signed_for_whoever_asked(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let asker = app.partner("asker", &["tokens:verify", "works:read"], Some(&publisher)).await;
    let partner = app.partner("asked about", &["works:read"], Some(&publisher)).await;
    let alone = app.caller(&["tokens:verify"]).await;
    let own = alone.get("/auth/me").await.expect(200)["principal"]["id"].clone();
    for token in [&partner.token.secret, &partner.access(app).await] {
        for (caller, aud) in [
            (asker.caller(app), json!(asker.id)),
            (app.bearing(&asker.token.secret), json!(asker.id)),
            (app.bearing(&asker.access(app).await), json!(asker.id)),
            (alone.clone(), own.clone()),
        ] {
            let seconds = || app.now().as_micros() / 1_000_000;
            let (before, jwt) = (seconds(), ask(&caller, token).await);
            let keys = app.nobody().get("/.well-known/jwks.json").await;
            let keys = KeySet::parse(keys.text().as_bytes()).unwrap();
            let compact = Compact::parse(jwt.as_bytes()).unwrap();
            let key = keys.keys().iter().find(|key| key.kid() == compact.kid.as_deref()).unwrap();
            compact.verify(key).expect("a published key has signed it");
            assert_eq!(header(&jwt)["typ"], "token-introspection+jwt");
            let said = claims(&jwt);
            let members: Vec<_> = said.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(members, ["aud", "iat", "iss", "token_introspection"]);
            assert_eq!((&said["iss"], &said["aud"]), (&json!("https://auth.example.com"), &aud));
            assert!((before - 1..=seconds() + 1).contains(&said["iat"].as_i64().unwrap()), "{said} {before}");
            assert_eq!(said["token_introspection"], caller.introspect(token).await);
            assert_eq!(said["token_introspection"]["active"], true);
        }
    }
}

async fn what_is_not_active_is_signed_as_that_and_nothing_else_is_told(app: &TestApp) {
    let (one, other) = (app.publisher("One").await, app.publisher("Other").await);
    let asker = app.partner("asker", &["tokens:verify"], Some(&other)).await;
    let theirs = app.partner("theirs", &["a"], Some(&one)).await;
    let revoked = app.mint("revoked", &["a"]).await;
    app.admin().delete(&revoked.path()).await.expect(204);
    let unknown = format!("sk_{}", "0a".repeat(32));
    for token in [theirs.token.secret.as_str(), &revoked.secret, &unknown, "nonsense"] {
        let said = claims(&ask(&asker.caller(app), token).await);
        assert_eq!(said["token_introspection"], json!({"active": false}), "{token}");
    }
}

async fn a_signed_answer_is_no_credential_whoever_has_it(app: &TestApp) {
    let asker = app.partner("asker", &["*"], None).await;
    let tenant = app.tenant("Songs").await;
    let ada = app.member_of("ada@example.com", &tenant, PublisherViewer).await;
    let session = app.login(&ada).await;
    for token in [&asker.token.secret, &asker.access(app).await, &session.access] {
        let jwt = ask(&asker.caller(app), token).await;
        assert_eq!(claims(&jwt)["token_introspection"]["active"], true);
        app.verify(&jwt).await.decided("malformed");
        assert_eq!(asker.caller(app).introspect(&jwt).await, json!({"active": false}));
        let inner = claims(&ask(&asker.caller(app), &jwt).await);
        assert_eq!(inner["token_introspection"], json!({"active": false}));
        for caller in [app.bearing(&jwt), app.nobody().with("cf-access-jwt-assertion", &jwt)] {
            caller.get("/auth/me").await.refused(401, "malformed");
            caller.send("POST", "/auth/verify", None).await.decided("malformed");
        }
        app.bearing(&jwt)
            .form("/oauth2/introspect", &[("token", token)])
            .await
            .oauth_error(401, "invalid_token");
        let as_secret = app.nobody().as_client(&asker.id, &jwt);
        as_secret.client_credentials(&[]).await.oauth_error(401, "invalid_client");
        // Nor does it end what it tells of.
        assert_eq!(app.nobody().form("/oauth2/revoke", &[("token", &jwt)]).await.status, 200);
        app.verify(token).await.decided("valid");
    }
}

async fn an_answer_is_signed_where_that_is_preferred(app: &TestApp) {
    let asker = app.partner("asker", &["tokens:verify"], None).await.caller(app);
    let token = app.mint("a", &["a"]).await;
    for (accept, media) in [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html", "application/json"),
        ("application/token-introspection+jwt;q=0", "application/json"),
        ("application/json, application/token-introspection+jwt", "application/json"),
        ("application/json;q=0.9, Application/Token-Introspection+JWT", SIGNED),
        ("application/token-introspection+jwt, application/json", SIGNED),
        ("application/token-introspection+jwt;q=0.5, */*;q=0.1", SIGNED),
    ] {
        let answer =
            asker.with("accept", accept).form("/oauth2/introspect", &[("token", &token.secret)]).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, media), "{accept}");
    }
    let told = app.nobody().get("/.well-known/oauth-authorization-server").await.expect(200);
    let algorithm = header(&ask(&asker, &token.secret).await)["alg"].clone();
    let supported = told["introspection_signing_alg_values_supported"].as_array().unwrap();
    assert!(supported.contains(&algorithm) && !supported.contains(&json!("none")), "{told}");
}

async fn who_may_not_ask_is_told_nothing_that_is_signed(app: &TestApp) {
    let token = app.mint("asked about", &["a"]).await;
    let poor = app.partner("poor", &["a"], None).await;
    let form = [("token", token.secret.as_str())];
    for (caller, status, error) in [
        (app.nobody(), 401, "invalid_client"),
        (poor.caller(app), 403, "insufficient_scope"),
        (app.bearing("nonsense"), 401, "invalid_token"),
    ] {
        caller.with("accept", SIGNED).form("/oauth2/introspect", &form).await.oauth_error(status, error);
    }
    let asker = app.partner("asker", &["tokens:verify"], None).await;
    let nothing = asker.caller(app).with("accept", SIGNED).form("/oauth2/introspect", &[]).await;
    nothing.oauth_error(400, "invalid_request");
}

async fn a_signed_answer_is_one_decision(app: &TestApp) {
    let asker = app.partner("asker", &["tokens:verify"], None).await;
    let body = json!({"token_name": "limited", "permissions": [], "rate_limits": {"per_minute": 2}});
    let token = app.mint_as(body).await;
    for (number, active) in [true, true, false].into_iter().enumerate() {
        let caller = asker.caller(app).with("x-request-id", &format!("signed-{number}"));
        let said = claims(&ask(&caller, &token.secret).await);
        assert_eq!(said["token_introspection"]["active"], active);
    }
    app.recorded().await;
    let mut database = app.database().await;
    for (id, code) in [("signed-0", "valid"), ("signed-1", "valid"), ("signed-2", "rate_limited")] {
        assert_eq!(database.codes_of(id).await, [code], "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_it_has_an_address_nothing_is_signed_and_json_is_told_where_it_is_accepted() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let settings = [("server.public_url", ""), ("mail.folder", "")];
        let Some(app) = TestApp::start_with(engine, &settings).await else { continue };
        let asker = app.partner("asker", &["tokens:verify"], None).await.caller(&app);
        let token = app.mint("a", &["a"]).await;
        let ask = async |accept: &str, id: &str| {
            let caller = asker.with("accept", accept).with("x-request-id", id);
            caller.form("/oauth2/introspect", &[("token", &token.secret)]).await
        };
        ask(SIGNED, "unsigned-0").await.oauth_error(406, "invalid_request");
        let both = ask("application/token-introspection+jwt, application/json;q=0.5", "unsigned-1").await;
        assert_eq!(both.header("content-type"), "application/json");
        assert_eq!(both.expect(200)["active"], true);
        app.recorded().await;
        let mut database = app.database().await;
        // What is not told was not decided, and counts as no use.
        assert!(database.codes_of("unsigned-0").await.is_empty());
        assert_eq!(database.codes_of("unsigned-1").await, ["valid"]);
        app.stop().await;
    }
}
