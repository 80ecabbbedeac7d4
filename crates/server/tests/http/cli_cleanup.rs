//! `POST /system/cleanup` and `keywright cleanup`.

use serde_json::{Value, json};

use crate::harness::remote::done;
use crate::harness::{TestApp, on_both_engines};

on_both_engines![what_is_over_is_told_and_goes];

async fn clean_up(app: &TestApp, arguments: &[&str]) -> Value {
    let printed = done(app, &[&["cleanup"], arguments].concat()).await;
    if arguments.contains(&"--json") { printed.json() } else { Value::String(printed.stdout) }
}

fn of(answer: &Value, kind: &str) -> (u64, u64) {
    let item = answer["items"].as_array().unwrap().iter().find(|item| item["kind"] == kind).unwrap();
    (item["due"].as_u64().unwrap(), item["left"].as_u64().unwrap())
}

async fn what_is_over_is_told_and_goes(app: &TestApp) {
    let token = app.mint("over", &["a"]).await;
    let mut database = app.database().await;
    let past = database.moment(&app.now().plus_days(-8).to_string());
    let sql = format!("UPDATE service_tokens SET expires_at = {past} WHERE token_name = 'over'");
    assert_eq!(database.execute(&sql).await, 1);
    let told = clean_up(app, &["--dry-run", "--json"]).await;
    assert_eq!((&told["dry_run"], of(&told, "service_tokens_expired")), (&json!(true), (1, 1)));
    assert_eq!(told["items"].as_array().unwrap().len(), 15);
    let shown = async || app.admin().get(&token.path()).await.expect(200)["is_active"].clone();
    assert_eq!(shown().await, true);
    let table = clean_up(app, &["--dry-run"]).await;
    assert!(table.as_str().unwrap().contains("service_tokens_expired"), "{table}");
    let done = clean_up(app, &["--json"]).await;
    assert_eq!((&done["dry_run"], of(&done, "service_tokens_expired")), (&json!(false), (1, 0)));
    assert_eq!(shown().await, false);
    let events = app.admin().get("/audit/security-events?type=platform.cleaned_up").await.expect(200);
    assert_eq!(events["items"].as_array().unwrap().len(), 1);
    assert_eq!(events["items"][0]["details"]["service_tokens_expired"], 1);
    app.caller(&["system_status"])
        .await
        .post("/system/cleanup", json!({"dry_run": true}))
        .await
        .refused(403, "insufficient_scope");
    app.admin().post("/system/cleanup", json!({"dry_run": "yes"})).await.bad_field("dry_run", "invalid_type");
}
