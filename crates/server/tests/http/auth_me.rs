//! `GET /auth/me`.

use serde_json::json;

use crate::harness::{TestApp, on_both_engines};

on_both_engines![a_caller_sees_itself, a_caller_that_was_rotated_is_told, a_change_shows_at_once];

async fn a_caller_sees_itself(app: &TestApp) {
    let token = app.mint("ci-cd-token", &["b:write", "a:read"]).await;
    let me = app.bearing(&token.secret).get("/auth/me").await;
    assert_eq!(me.header("cache-control"), "no-store");
    let expected = json!({
        "principal": {"type": "service_token", "id": token.id, "name": "ci-cd-token"},
        "publishers": [],
        "permissions": token.body["permissions"],
        "credential": {
            "id": token.id, "token_type": "service", "name": "ci-cd-token",
            "token_hint": token.body["token_hint"], "status": "active", "scopes": token.body["permissions"],
            "expires_at": token.body["expires_at"],
            "rotation": {"superseded": false, "grace_expires_at": null},
        },
        "publisher_id": null,
    });
    assert_eq!(me.expect(200), expected);
    app.nobody().get("/auth/me").await.refused(401, "missing_credential");
}

async fn a_caller_that_was_rotated_is_told(app: &TestApp) {
    let token = app.mint("old", &["a"]).await;
    app.admin().post(&format!("{}/rotate", token.path()), json!({"reason": "yearly"})).await.expect(200);
    let me = app.bearing(&token.secret).get("/auth/me").await.expect(200);
    assert_eq!(me["credential"]["status"], "superseded");
    assert_eq!(me["credential"]["name"], format!("old~{}", &token.id[28..]));
    assert!(me["credential"]["rotation"]["grace_expires_at"].is_string(), "{me}");
}

async fn a_change_shows_at_once(app: &TestApp) {
    let token = app.mint("changing", &["a"]).await;
    let me = app.bearing(&token.secret);
    me.get("/auth/me").await.expect(200);
    app.admin()
        .patch(&token.path(), json!({"permissions": ["b"], "token_name": "changed"}))
        .await
        .expect(200);
    let seen = me.get("/auth/me").await.expect(200);
    assert_eq!((&seen["permissions"], &seen["principal"]["name"]), (&json!(["b"]), &json!("changed")));
    app.admin().delete(&token.path()).await.expect(204);
    me.get("/auth/me").await.refused(401, "revoked");
}
