//! `POST /auth/tokens/cleanup`.

use serde_json::json;

use crate::harness::{TestApp, on_both_engines};

on_both_engines![
    expired_tokens_are_switched_off_and_live_ones_left_alone,
    what_is_dead_for_longer_than_the_audit_is_kept_can_be_removed,
    only_what_expired_long_enough_ago_is_swept,
    what_is_asked_must_be_well_formed,
];

async fn expired_tokens_are_switched_off_and_live_ones_left_alone(app: &TestApp) {
    let live = app.mint("live", &["a"]).await;
    let expired = app.mint("expired", &["a"]).await;
    app.database().await.expire("expired").await;
    let sweep = async || app.admin().send("POST", "/auth/tokens/cleanup", None).await.expect(200);
    assert_eq!(sweep().await, json!({"deactivated": 1, "removed": 0}));
    assert_eq!(sweep().await, json!({"deactivated": 0, "removed": 0}));
    let seen = app.admin().get(&expired.path()).await.expect(200);
    assert_eq!((&seen["is_active"], &seen["status"]), (&json!(false), &json!("expired")));
    app.verify(&live.secret).await.decided("valid");
    app.verify(&expired.secret).await.decided("expired");
    let events = app.admin().get("/audit/security-events?type=tokens.deactivated").await.expect(200);
    assert_eq!(events["items"][0]["details"]["credential_ids"], json!([expired.id]));
    assert_eq!(events["items"].as_array().unwrap().len(), 1);
}

async fn what_is_dead_for_longer_than_the_audit_is_kept_can_be_removed(app: &TestApp) {
    let revoked = app.mint("revoked now", &["a"]).await;
    app.admin().delete(&revoked.path()).await.expect(204);
    let ancient = app.mint("ancient", &["a"]).await;
    app.verify(&ancient.secret).await.decided("valid");
    app.database().await.expire("ancient").await;
    let body = json!({"deactivate_only": false});
    let swept = app.admin().post("/auth/tokens/cleanup", body).await.expect(200);
    assert_eq!(swept, json!({"deactivated": 1, "removed": 1}));
    app.admin().get(&ancient.path()).await.refused(404, "not_found");
    app.verify(&ancient.secret).await.decided("not_found");
    app.admin().get(&revoked.path()).await.expect(200);
    let events = app.admin().get(&format!("/audit/security-events?credential_id={}", ancient.id)).await;
    assert!(!events.expect(200)["items"].as_array().unwrap().is_empty());
}

async fn only_what_expired_long_enough_ago_is_swept(app: &TestApp) {
    app.mint("long ago", &["a"]).await;
    app.database().await.expire("long ago").await;
    let sweep = async |days: u32| {
        let body = json!({"older_than_days": days});
        app.admin().post("/auth/tokens/cleanup", body).await.expect(200)["deactivated"].clone()
    };
    assert_eq!(sweep(36_500).await, 0);
    assert_eq!(sweep(10_000).await, 1);
}

async fn what_is_asked_must_be_well_formed(app: &TestApp) {
    let sweep = async |body| app.admin().post("/auth/tokens/cleanup", body).await;
    sweep(json!({"deactivate_only": "yes"})).await.bad_field("deactivate_only", "invalid_type");
    sweep(json!({"deactivate_only": null})).await.bad_field("deactivate_only", "required");
    sweep(json!({"older_than_days": -1})).await.bad_field("older_than_days", "out_of_range");
    sweep(json!({"older_than_days": 36_501})).await.bad_field("older_than_days", "out_of_range");
    sweep(json!({"older_than": 1})).await.bad_field("older_than", "unknown_field");
    let poor = app.caller(&["tokens:read"]).await;
    poor.post("/auth/tokens/cleanup", json!({})).await.refused(403, "insufficient_scope");
}
