//! `POST /audit/cicd-event`: what pipelines tell is in the audit trail.

use keywright_core::BuiltInRole::PublisherAdmin;
use serde_json::{Value, json};

use crate::harness::{TestApp, on_both_engines};
use crate::users_me_tokens::person;

on_both_engines![
    what_a_pipeline_tells_is_a_security_event,
    it_is_in_the_trail_of_the_publisher_that_the_call_is_about,
    the_same_key_records_it_once,
    a_body_is_read_strictly,
    a_credential_that_a_pipeline_passes_on_is_not_kept,
    who_lost_the_permission_records_nothing,
];

const PATH: &str = "/audit/cicd-event";

async fn recorded(app: &TestApp) -> Vec<Value> {
    let page = app.admin().get("/audit/security-events?order=asc&limit=200").await.expect(200);
    let events = page["items"].as_array().unwrap().iter();
    events.filter(|event| event["type"].as_str().unwrap().starts_with("cicd.")).cloned().collect()
}

async fn what_a_pipeline_tells_is_a_security_event(app: &TestApp) {
    let pipeline = app.mint("pipeline", &["audit_log"]).await;
    let caller = app.bearing(&pipeline.secret).with("user-agent", "actions/1").with("x-request-id", "run-1");
    let body = json!({
        "event_type": "deployment", "status": "success", "repository": "songtrust/catalog", "workflow": "Deploy",
        "run_id": "42", "commit": "0123456789abcdef0123456789abcdef01234567", "environment": "production",
        "details": {"version": "1.2.3", "parts": [1, {"name": "api"}], "nothing": null},
    });
    let made = caller.post(PATH, body.clone()).await.expect(201);
    assert_eq!((&made["type"], &made["request_id"]), (&json!("cicd.deployment"), &json!("run-1")));
    assert_eq!(made["actor"]["id"], pipeline.id);
    assert_eq!(made["subject"], json!({"type": "cicd", "id": null, "name": "songtrust/catalog"}));
    let mut told = body.as_object().unwrap().clone();
    told.remove("event_type");
    assert_eq!(made["details"], Value::Object(told));
    let listed = app.admin().get("/audit/security-events?type=cicd.deployment").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    for field in ["id", "occurred_at", "actor", "subject", "details", "user_agent", "ip_address"] {
        assert_eq!(listed["items"][0][field], made[field], "{field}");
    }
    let bare = caller.post(PATH, json!({"event_type": "scan", "status": "started"})).await.expect(201);
    assert_eq!((&bare["details"], &bare["subject"]["name"]), (&json!({"status": "started"}), &Value::Null));
    caller.get("/audit/security-events").await.refused(403, "insufficient_scope");
}

async fn it_is_in_the_trail_of_the_publisher_that_the_call_is_about(app: &TestApp) {
    let (songs, films) = (app.tenant("Songs").await, app.tenant("Films").await);
    let pipeline = app.caller(&["audit_log"]).await;
    let body = json!({"event_type": "deployment", "status": "success"});
    let platforms = pipeline.post(PATH, body.clone()).await.expect(201);
    assert_eq!(platforms["publisher_id"], Value::Null);
    let named = |id: &str| pipeline.with("x-publisher-id", id);
    let made = named(&songs.id.to_string()).post(PATH, body.clone()).await.expect(201);
    assert_eq!(made["publisher_id"], json!(songs.id));
    for (tenant, email, expected) in
        [(&songs, "ada@example.com", vec![&made["id"]]), (&films, "eve@example.com", vec![])]
    {
        let (_, reader) = person(app, email, tenant, PublisherAdmin).await;
        let seen = reader.get("/audit/security-events?type=cicd.deployment").await.expect(200);
        let ids: Vec<_> = seen["items"].as_array().unwrap().iter().map(|event| &event["id"]).collect();
        assert_eq!(ids, expected, "{email}");
    }
    named("0198c0de-0000-7000-8000-000000000000").post(PATH, body).await.refused(403, "wrong_publisher");
    assert_eq!(recorded(app).await.len(), 2);
}

async fn the_same_key_records_it_once(app: &TestApp) {
    let keyed = app.admin().with("idempotency-key", "pipeline-run-0042");
    let body = json!({"event_type": "deployment", "status": "success"});
    let first = keyed.post(PATH, body.clone()).await.expect(201);
    let again = keyed.post(PATH, body).await.expect(201);
    assert_eq!((&first["id"], &first["details"]), (&again["id"], &again["details"]));
    let other = json!({"event_type": "deployment", "status": "failure"});
    keyed.post(PATH, other).await.refused(409, "idempotency_mismatch");
    // A key is for one operation: it does not make a token either.
    let token = json!({"token_name": "t", "permissions": []});
    keyed.post("/auth/tokens", token).await.refused(409, "idempotency_mismatch");
    assert_eq!(recorded(app).await.len(), 1);
}

async fn a_body_is_read_strictly(app: &TestApp) {
    for (field, value, code) in [
        ("event_type", json!(null), "required"),
        ("event_type", json!("Deployment"), "invalid_format"),
        ("event_type", json!("a b"), "invalid_format"),
        ("event_type", json!("x".repeat(65)), "too_long"),
        ("status", json!(""), "too_short"),
        ("status", json!(1), "invalid_type"),
        ("repository", json!("x".repeat(256)), "too_long"),
        ("workflow", json!("a\nb"), "invalid_format"),
        ("run_id", json!(42), "invalid_type"),
        ("commit", json!("0".repeat(65)), "too_long"),
        ("environment", json!(""), "too_short"),
        ("details", json!([]), "invalid_type"),
        ("details", json!({"a": "x".repeat(9_000)}), "too_long"),
        ("actor", json!("somebody"), "unknown_field"),
        ("occurred_at", json!("2020-01-01T00:00:00Z"), "unknown_field"),
    ] {
        let mut body = json!({"event_type": "scan", "status": "success"});
        body[field] = value.clone();
        if value.is_null() {
            body.as_object_mut().unwrap().remove(field);
        }
        app.admin().post(PATH, body).await.bad_field(field, code);
    }
    assert_eq!(recorded(app).await, Vec::<Value>::new());
}

async fn a_credential_that_a_pipeline_passes_on_is_not_kept(app: &TestApp) {
    let secret = format!("sk_{}", "5ec7".repeat(16));
    let body = json!({
        "event_type": "scan", "status": "found", "repository": secret, "workflow": format!("with {secret}"),
        "environment": secret,
        "details": {"log": format!("token={secret} x"), "list": [secret], &secret: {"deep": secret}},
    });
    let made = app.admin().post(PATH, body).await;
    made.expect(201);
    assert!(!made.text().contains("5ec75ec7"), "{}", made.text());
    assert_eq!(made.json()["details"]["details"]["log"], "token=sk_");
    for (table, rows) in app.database().await.dump().await {
        assert!(!rows.contains("5ec75ec7"), "in {table}");
    }
}

async fn who_lost_the_permission_records_nothing(app: &TestApp) {
    let pipeline = app.mint("pipeline", &["audit_log"]).await;
    let caller = app.bearing(&pipeline.secret);
    let body = json!({"event_type": "scan", "status": "success"});
    caller.post(PATH, body.clone()).await.expect(201);
    app.admin().patch(&pipeline.path(), json!({"permissions": ["audit:read"]})).await.expect(200);
    caller.post(PATH, body.clone()).await.refused(403, "insufficient_scope");
    app.admin().delete(&pipeline.path()).await.expect(204);
    caller.post(PATH, body).await.refused(401, "revoked");
    assert_eq!(recorded(app).await.len(), 1);
}
