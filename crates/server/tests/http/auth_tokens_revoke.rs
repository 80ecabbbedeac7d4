//! `DELETE /auth/tokens/{id}` and `DELETE /auth/tokens/self`.

use serde_json::json;

use crate::harness::{Database, Raw, TestApp, eventually, on_both_engines};

on_both_engines![
    a_revoked_token_is_denied_before_the_call_returns,
    revoking_again_changes_nothing,
    every_token_may_revoke_itself,
    a_reason_is_kept_and_has_bounds,
    what_does_not_exist_cannot_be_revoked,
    a_version_that_was_not_seen_is_not_revoked,
    a_client_that_hangs_up_cannot_stop_a_revocation,
    a_revoked_administrator_cannot_finish_what_began_before,
];

async fn a_revoked_token_is_denied_before_the_call_returns(app: &TestApp) {
    for round in 0..20 {
        let token = app.mint(&format!("round {round}"), &["*"]).await;
        app.verify(&token.secret).await.decided("valid");
        let answer = app.admin().delete(&token.path()).await;
        answer.expect(204);
        assert!(answer.body.is_empty());
        let asked = (0..8).map(|_| app.verify(&token.secret));
        for answer in futures::future::join_all(asked).await {
            answer.decided("revoked");
        }
        app.bearing(&token.secret).get("/auth/me").await.refused(401, "revoked");
    }
}

async fn revoking_again_changes_nothing(app: &TestApp) {
    let token = app.mint("twice", &["a"]).await;
    app.admin().delete(&format!("{}?reason=first", token.path())).await.expect(204);
    let before = app.admin().get(&token.path()).await.expect(200);
    app.admin().delete(&format!("{}?reason=second", token.path())).await.expect(204);
    assert_eq!(app.admin().get(&token.path()).await.expect(200), before);
    let events = format!("/audit/security-events?credential_id={}&type=token.revoked", token.id);
    assert_eq!(app.admin().get(&events).await.expect(200)["items"].as_array().unwrap().len(), 1);
}

async fn every_token_may_revoke_itself(app: &TestApp) {
    let token = app.mint("leaving", &[]).await;
    app.bearing(&token.secret).delete("/auth/tokens/self?reason=done").await.expect(204);
    app.verify(&token.secret).await.decided("revoked");
    app.bearing(&token.secret).delete("/auth/tokens/self").await.refused(401, "revoked");
    let seen = app.admin().get(&token.path()).await.expect(200);
    assert_eq!((&seen["status"], &seen["revoked_reason"]), (&json!("revoked"), &json!("done")));
    // By its id it would need the permission.
    let other = app.mint("staying", &["a"]).await;
    app.bearing(&other.secret).delete(&other.path()).await.refused(403, "insufficient_scope");
}

async fn a_reason_is_kept_and_has_bounds(app: &TestApp) {
    let token = app.mint("reasoned", &["a"]).await;
    for (query, field, code) in [
        ("reason=".to_owned(), "reason", "too_short"),
        (format!("reason={}", "x".repeat(501)), "reason", "too_long"),
        ("reason=a%00b".to_owned(), "reason", "invalid_format"),
        ("reason=a&reason=b".to_owned(), "reason", "duplicate"),
        ("because=a".to_owned(), "because", "unknown_field"),
    ] {
        app.admin().delete(&format!("{}?{query}", token.path())).await.bad_field(field, code);
    }
    app.verify(&token.secret).await.decided("valid");
    app.admin().delete(&format!("{}?reason=l%C3%A4kt+%26+gone", token.path())).await.expect(204);
    assert_eq!(app.admin().get(&token.path()).await.expect(200)["revoked_reason"], "läkt & gone");
}

async fn what_does_not_exist_cannot_be_revoked(app: &TestApp) {
    for id in ["0198c0de-0000-7000-8000-000000000000", "nonsense", "SELF"] {
        app.admin().delete(&format!("/auth/tokens/{id}")).await.refused(404, "not_found");
    }
}

async fn a_version_that_was_not_seen_is_not_revoked(app: &TestApp) {
    let token = app.mint("versioned", &["a"]).await;
    let tag = app.admin().get(&token.path()).await.header("etag").to_owned();
    for stale in ["\"99\"", "\"x\"", "W/\"1\""] {
        let caller = app.admin().with("if-match", stale);
        caller.delete(&token.path()).await.refused(412, "precondition_failed");
        let own = app.bearing(&token.secret).with("if-match", stale);
        own.delete("/auth/tokens/self").await.refused(412, "precondition_failed");
    }
    app.verify(&token.secret).await.decided("valid");
    app.admin().with("if-match", &tag).delete(&token.path()).await.expect(204);
    app.verify(&token.secret).await.decided("revoked");
}

async fn a_client_that_hangs_up_cannot_stop_a_revocation(app: &TestApp) {
    for round in 0..20 {
        let token = app.mint(&format!("round {round}"), &["a"]).await;
        app.verify(&token.secret).await.decided("valid");
        let mut raw = Raw::connect(app.address()).await;
        let head = format!("DELETE /api/v1{} HTTP/1.1\r\nHost: localhost\r\n", token.path());
        raw.send(format!("{head}Authorization: Bearer {}\r\n\r\n", app.admin_token())).await;
        drop(raw);
        eventually("the token is denied", async || {
            app.verify(&token.secret).await.json()["code"] == "revoked"
        })
        .await;
    }
}

async fn a_revoked_administrator_cannot_finish_what_began_before(app: &TestApp) {
    let rogue = app.mint("rogue", &["*"]).await;
    app.verify(&rogue.secret).await.decided("valid");
    // Revoked by another, who has not committed yet: the door still lets the rogue in.
    let mut another = app.database().await;
    another.begin().await;
    if matches!(another, Database::Postgres(_)) {
        // As every change does: it holds what it changes.
        let (_, number) = rogue.id.parse::<uuid::Uuid>().unwrap().as_u64_pair();
        another.execute(&format!("SELECT pg_advisory_xact_lock({})", number.cast_signed())).await;
    }
    let now = another.moment("2026-01-01T00:00:00Z");
    let revoke = format!("UPDATE service_tokens SET revoked_at = {now} WHERE token_name = 'rogue'");
    assert_eq!(another.execute(&revoke).await, 1);
    let hits = || app.authority().verifier().statistics().hits;
    let before = hits();
    let caller = app.bearing(&rogue.secret).with("x-request-id", "made-by-rogue");
    let asked = tokio::spawn(async move {
        caller.post("/auth/tokens", json!({"token_name": "made by rogue", "permissions": ["*"]})).await
    });
    eventually("the door lets the rogue in", async || hits() > before).await;
    another.execute("COMMIT").await;
    asked.await.unwrap().refused(401, "revoked");
    let list = app.admin().get("/auth/tokens?name=made%20by%20rogue").await.expect(200);
    assert_eq!(list["items"], json!([]));
    app.recorded().await;
    assert_eq!(another.codes_of("made-by-rogue").await, ["revoked"]);
}
