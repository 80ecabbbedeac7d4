//! The example of the reference text: a developer gives a pipeline a token that may do less than they may.

use keywright_core::BuiltInRole::PublisherAdmin;
use serde_json::json;

use crate::harness::{TestApp, on_both_engines};
use crate::users_me_tokens::{make, path, person};

on_both_engines![ci_cd_pipeline];

async fn ci_cd_pipeline(app: &TestApp) {
    let tenant = app.tenant("Promptcraft").await;
    let (ada, me) = person(app, "ada@example.com", &tenant, PublisherAdmin).await;
    app.member_of("boss@example.com", &tenant, PublisherAdmin).await;

    // A token for the deploy script: three months, from the runners' network, no more than it needs.
    let token = make(
        &me,
        json!({"name": "deploy from CI", "scopes": ["works:write", "audit_log"], "publisher_ids": [tenant.id],
            "expires_in_days": 90, "ip_allowlist": ["127.0.0.0/8", "192.0.2.0/24"], "rate_limits": {"per_hour": 1000}}),
    )
    .await;

    // The pipeline writes what it did into the audit trail, and the API that it deploys to asks who it is.
    let runner = app.bearing(&token.secret);
    let event = json!({"event_type": "deployment", "repository": "promptcraft/api", "environment": "production", "status": "success"});
    runner.post("/audit/cicd-event", event).await.expect(201);
    let asked = |scope: &str, address: &str| json!({"token": token.secret, "required_scopes": [scope], "ip_address": address, "method": "POST", "endpoint": "/works"});
    let decision = app.verify_body(asked("works:write", "192.0.2.7")).await.decided("valid");
    assert_eq!(decision["principal"]["id"], json!(ada.id));
    assert_eq!(decision["context"]["name"], "deploy from CI");
    app.verify_body(asked("works:delete", "192.0.2.7")).await.decided("insufficient_scope");
    app.verify_body(asked("works:write", "198.51.100.1")).await.decided("ip_not_allowed");
    runner.get("/users").await.refused(403, "insufficient_scope");
    runner
        .post("/users/me/tokens", json!({"name": "more", "scopes": []}))
        .await
        .refused(403, "insufficient_scope");

    // She sees where it was used, rotates it without a failed build, and kills it.
    app.recorded().await;
    let shown = me.get(&path(&token)).await.expect(200);
    assert!(shown["usage_count"].as_u64().unwrap() >= 1 && shown["last_used_at"].is_string(), "{shown}");
    let usage = me.get(&format!("{}/usage?days=7", path(&token))).await.expect(200);
    assert_eq!(usage["token_name"], "deploy from CI");
    assert!(usage["denials"].as_u64().unwrap() >= 2, "{usage}");
    let rotate = json!({"reason": "runner image rebuilt", "grace_seconds": 3600});
    let rotated = me.post(&format!("{}/rotate", path(&token)), rotate).await.expect(200);
    let new = rotated["token"].as_str().unwrap();
    for secret in [&token.secret, new] {
        app.bearing(secret).get("/auth/me").await.expect(200);
    }
    me.delete(&format!("/users/me/tokens/{}?reason=runner%20leaked", rotated["id"].as_str().unwrap()))
        .await
        .expect(204);
    app.verify(new).await.decided("revoked");
    me.delete(&path(&token)).await.expect(204);
    app.verify(&token.secret).await.decided("revoked");
}
