//! What a caller presents: one credential in one spelling, and nothing else reaches the store.

use serde_json::json;

use crate::harness::{Raw, TestApp, on_both_engines, sha256};

on_both_engines![
    a_token_in_any_other_spelling_is_malformed_and_costs_no_query,
    a_header_that_spells_the_token_otherwise_is_malformed_and_costs_no_query,
    what_is_stored_is_no_credential,
    a_known_token_costs_one_query_ever,
    many_who_ask_at_once_cost_one_query,
    two_credentials_are_a_conflict_unless_they_are_the_same,
    a_credential_in_the_address_is_refused,
    other_kinds_of_credential_are_not_taken_for_service_tokens,
];

/// The token, spelled wrongly.
fn misspelled(secret: &str) -> Vec<String> {
    let hash = hex::encode(sha256(secret));
    let digits = &secret[3..];
    vec![
        secret[..66].to_owned(),
        format!("{secret}0"),
        secret.to_ascii_uppercase(),
        format!("sk_{}", digits.to_ascii_uppercase()),
        format!("SK_{digits}"),
        format!("{secret} "),
        format!(" {secret}"),
        format!("{secret}\n"),
        format!("{secret}\0"),
        format!("{secret}\0garbage"),
        format!("sk_{}g", &digits[..63]),
        format!("sk_{}\u{ff10}", &digits[..63]),
        format!("sk-{digits}"),
        format!("sk_sk_{digits}"),
        digits.to_owned(),
        format!("Bearer {secret}"),
        format!("\"{secret}\""),
        hash,
        String::new(),
        "sk_".to_owned(),
        "null".to_owned(),
        "x".repeat(60_000),
    ]
}

async fn a_token_in_any_other_spelling_is_malformed_and_costs_no_query(app: &TestApp) {
    // Upper and lower case differ in letters only.
    let mut token = app.mint("spelled", &["a"]).await;
    while token.secret[3..].bytes().all(|b| b.is_ascii_digit()) {
        token = app.mint("spelled again", &["a"]).await;
    }
    app.verify_body(json!({"token": token.secret})).await.decided("valid");
    let before = app.loads();
    for text in misspelled(&token.secret) {
        let decision = app.verify_body(json!({"token": text})).await.decided("malformed");
        assert_eq!(decision.as_object().unwrap().len(), 3, "{decision}");
    }
    assert_eq!(app.loads(), before);
}

async fn a_header_that_spells_the_token_otherwise_is_malformed_and_costs_no_query(app: &TestApp) {
    let token = app.mint("spelled", &["a"]).await;
    app.verify(&token.secret).await.decided("valid");
    let before = app.loads();
    let good_headers = |text: &&String| !text.is_empty() && text.bytes().all(|b| (b' '..0x7f).contains(&b));
    for text in misspelled(&token.secret).iter().filter(good_headers).filter(|text| text.len() < 1_000) {
        // White space around a header's value belongs to no value (RFC 9110 §5.5).
        let code = if text.trim_end() == token.secret { "valid" } else { "malformed" };
        let header = format!("Authorization: Bearer {text}");
        let answer = post(app, "/auth/verify", &header).await;
        answer.decided(code);
        if code == "malformed" {
            post(app, "/auth/tokens/cleanup", &header).await.refused(401, "malformed");
        }
    }
    for header in ["Authorization: Bearer", "Authorization: Bearer ", "X-API-Key:", "X-API-Key: \u{e9}"] {
        post(app, "/auth/verify", header).await.decided("malformed");
        post(app, "/auth/tokens/cleanup", header).await.refused(401, "malformed");
    }
    assert_eq!(app.loads(), before);
}

/// Sends a header as it stands.
async fn post(app: &TestApp, path: &str, header: &str) -> crate::harness::Answer {
    let mut raw = Raw::connect(app.address()).await;
    let request =
        format!("POST /api/v1{path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\nContent-Length: 0\r\n\r\n");
    raw.send(request).await;
    raw.answer().await.unwrap()
}

async fn what_is_stored_is_no_credential(app: &TestApp) {
    let token = app.mint("stored", &["*"]).await;
    let hash = sha256(&token.secret);
    let hint = token.body["token_hint"].as_str().unwrap().to_owned();
    let hex = hex::encode(hash);
    for text in [hex.clone(), format!("sk_{hex}"), hint, token.id.clone(), format!("sk_{}", token.id)] {
        let code = if text == format!("sk_{hex}") { "not_found" } else { "malformed" };
        app.verify_body(json!({"token": text})).await.decided(code);
        if text.is_ascii() {
            app.bearing(&text).get("/auth/me").await.refused(401, code);
        }
    }
}

async fn a_known_token_costs_one_query_ever(app: &TestApp) {
    let token = app.mint("cached", &["a"]).await;
    app.verify_body(json!({"token": token.secret})).await.decided("valid");
    let before = app.loads();
    for _ in 0..50 {
        app.verify(&token.secret).await.decided("valid");
        app.verify_body(json!({"token": token.secret, "required_scopes": ["b"]}))
            .await
            .decided("insufficient_scope");
    }
    assert_eq!(app.loads(), before);
    let statistics = app.authority().verifier().statistics();
    assert!(statistics.hits >= 100, "{statistics:?}");
}

async fn many_who_ask_at_once_cost_one_query(app: &TestApp) {
    let token = app.mint("asked for at once", &["a"]).await;
    let before = app.loads();
    let asked = (0..64).map(|_| app.verify(&token.secret));
    for answer in futures::future::join_all(asked).await {
        answer.decided("valid");
    }
    assert_eq!(app.loads(), before + 1);
}

async fn two_credentials_are_a_conflict_unless_they_are_the_same(app: &TestApp) {
    let (one, other) = (app.mint("one", &["*"]).await.secret, app.mint("other", &["*"]).await.secret);
    let before = app.loads();
    let both = app.bearing(&one).with("x-api-key", &other);
    for answer in [
        both.send("POST", "/auth/verify", None).await,
        both.post("/auth/verify", json!({"token": one})).await,
        both.get("/auth/me").await,
        both.delete("/auth/tokens/self").await,
        app.bearing(&one).bearing(&other).get("/auth/me").await,
        app.bearing(&one).with("x-api-key", "").get("/auth/me").await,
    ] {
        answer.refused(400, "conflicting_credentials");
        let challenge = "Bearer realm=\"keywright\", error=\"invalid_request\"";
        assert_eq!(answer.header("www-authenticate"), challenge);
    }
    assert_eq!(app.loads(), before);
    app.bearing(&one).with("x-api-key", &one).get("/auth/me").await.expect(200);
    app.verify(&one).await.decided("valid");
}

async fn a_credential_in_the_address_is_refused(app: &TestApp) {
    let token = app.mint("leaky", &["*"]).await;
    let before = app.loads();
    for name in ["token", "access_token", "api_key", "key"] {
        let query = format!("/auth/verify?{name}={}", token.secret);
        let answer = app.nobody().send("POST", &query, None).await;
        assert!(matches!(answer.status, 403 | 422), "{answer:?}");
        assert!(!answer.text().contains(&token.secret[3..]), "{}", answer.text());
        let query = format!("/auth/me?{name}={}", token.secret);
        app.nobody().get(&query).await.refused(401, "missing_credential");
    }
    assert_eq!(app.loads(), before);
}

async fn other_kinds_of_credential_are_not_taken_for_service_tokens(app: &TestApp) {
    let before = app.loads();
    let digits = "0c".repeat(32);
    for text in [
        format!("pat_{digits}01234567"),
        format!("rt_{digits}"),
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.".to_owned(),
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln".to_owned(),
    ] {
        app.verify(&text).await.decided("malformed");
        app.bearing(&text).get("/auth/tokens").await.refused(401, "malformed");
    }
    let jwt = app.nobody().with("cf-access-jwt-assertion", "eyJhbGciOiJub25lIn0.e30.");
    jwt.get("/auth/me").await.refused(401, "malformed");
    assert_eq!(app.loads(), before);
}
