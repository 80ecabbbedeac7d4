//! `/publishers/{id}/settings`.

use serde_json::{Value, json};

use crate::harness::{TestApp, id, on_both_engines};

on_both_engines![
    settings_are_merged_by_a_patch_and_replaced_by_a_put,
    settings_that_cannot_be_are_refused,
    settings_have_the_version_of_their_publisher,
];

fn path(publisher: &Value) -> String {
    format!("/publishers/{}/settings", id(publisher))
}

fn default() -> Value {
    json!({"allowed_login_domains": [], "access_token_max_minutes": null, "session_max_days": null,
        "default_rate_limits": null, "rate_limits": null,
        "personal_tokens": {"allowed": true, "max_days": null, "require_approval": false},
        "anomalies": {"sensitivity": "normal", "off": [], "history_days": 14},
        "require_second_factor": false})
}

async fn settings_are_merged_by_a_patch_and_replaced_by_a_put(app: &TestApp) {
    let made = app.publisher("p").await;
    let mut expected = default();
    assert_eq!(app.admin().get(&path(&made)).await.expect(200), expected);
    let mut change = async |body: Value, seen: Value| {
        expected.as_object_mut().unwrap().extend(seen.as_object().unwrap().clone());
        assert_eq!(app.admin().patch(&path(&made), body).await.expect(200), expected);
        assert_eq!(app.admin().get(&path(&made)).await.expect(200), expected);
    };
    change(
        json!({"allowed_login_domains": ["B.example", "a.example", "b.example"]}),
        json!({"allowed_login_domains": ["a.example", "b.example"]}),
    )
    .await;
    change(
        json!({"access_token_max_minutes": 15, "session_max_days": 1}),
        json!({"access_token_max_minutes": 15, "session_max_days": 1}),
    )
    .await;
    let limits =
        |minute: Value, hour: Value| json!({"default_rate_limits": {"per_minute": minute, "per_hour": hour}});
    change(json!({"default_rate_limits": {"per_minute": 9}}), limits(json!(9), Value::Null)).await;
    change(json!({"default_rate_limits": {"per_hour": 99}}), limits(json!(9), json!(99))).await;
    change(json!({"default_rate_limits": {"per_minute": null}}), limits(Value::Null, json!(99))).await;
    change(json!({"default_rate_limits": null}), json!({"default_rate_limits": null})).await;
    change(json!({"session_max_days": null}), json!({"session_max_days": null})).await;
    let all = json!({"rate_limits": {"per_minute": null, "per_hour": 7}});
    change(json!({"rate_limits": {"per_hour": 7}}), all).await;
    let policy = |allowed: bool, days: Value, approval: bool| json!({"personal_tokens": {"allowed": allowed, "max_days": days, "require_approval": approval}});
    change(json!({"personal_tokens": {"max_days": 30}}), policy(true, json!(30), false)).await;
    change(json!({"personal_tokens": {"require_approval": true}}), policy(true, json!(30), true)).await;
    change(
        json!({"personal_tokens": {"allowed": false, "max_days": null}}),
        policy(false, Value::Null, true),
    )
    .await;
    change(json!({"personal_tokens": null}), policy(true, Value::Null, false)).await;
    let odd = |sensitivity: &str, off: &[&str], days: u32| json!({"anomalies": {"sensitivity": sensitivity, "off": off, "history_days": days}});
    change(json!({"anomalies": {"sensitivity": "high"}}), odd("high", &[], 14)).await;
    let off = json!({"anomalies": {"off": ["unusual_hour", "volume"], "history_days": 21}});
    change(off, odd("high", &["volume", "unusual_hour"], 21)).await;
    change(json!({"anomalies": null}), odd("normal", &[], 14)).await;
    let replaced = app.admin().put(&path(&made), json!({"session_max_days": 60})).await.expect(200);
    let mut expected = default();
    expected["session_max_days"] = json!(60);
    assert_eq!(replaced, expected);
    // What was read can be sent back.
    assert_eq!(app.admin().put(&path(&made), expected.clone()).await.expect(200), expected);
    let shown = app.admin().get(&format!("/publishers/{}", id(&made))).await.expect(200);
    assert_eq!(shown["settings"], expected);
}

async fn settings_that_cannot_be_are_refused(app: &TestApp) {
    let made = app.publisher("p").await;
    for (body, field, code) in [
        (json!({"access_token_max_minutes": 14}), "access_token_max_minutes", "out_of_range"),
        (json!({"access_token_max_minutes": 61}), "access_token_max_minutes", "out_of_range"),
        (json!({"session_max_days": 0}), "session_max_days", "out_of_range"),
        (json!({"default_rate_limits": {"per_minute": 0}}), "default_rate_limits.per_minute", "out_of_range"),
        (json!({"default_rate_limits": {"per_day": 1}}), "default_rate_limits.per_day", "unknown_field"),
        (json!({"personal_tokens": {"max_days": 0}}), "personal_tokens.max_days", "out_of_range"),
        (json!({"personal_tokens": {"allowed": null}}), "personal_tokens.allowed", "required"),
        (json!({"anomalies": {"history_days": 6}}), "anomalies.history_days", "out_of_range"),
        (json!({"anomalies": {"sensitivity": "shrill"}}), "anomalies.sensitivity", "invalid_value"),
        (json!({"anomalies": {"off": ["unknown_tokens"]}}), "anomalies.off[0]", "invalid_value"),
        (json!({"anomalies": {"sensitivity": null}}), "anomalies.sensitivity", "required"),
        (json!({"default_rate_limits": 5}), "default_rate_limits", "invalid_type"),
        (json!({"allowed_login_domains": null}), "allowed_login_domains", "required"),
        (json!({"allowed_login_domains": ["*.example"]}), "allowed_login_domains[0]", "invalid_format"),
        (json!({"require_second_factor": true}), "require_second_factor", "not_available_yet"),
        (json!({"theme": "dark"}), "theme", "unknown_field"),
    ] {
        app.admin().patch(&path(&made), body.clone()).await.bad_field(field, code);
        app.admin().put(&path(&made), body).await.bad_field(field, code);
    }
    assert_eq!(app.admin().get(&path(&made)).await.expect(200), default());
}

async fn settings_have_the_version_of_their_publisher(app: &TestApp) {
    let made = app.publisher("p").await;
    let tag = app.admin().get(&path(&made)).await.header("etag").to_owned();
    let caller = app.admin().with("if-match", &tag);
    app.admin().patch(&format!("/publishers/{}", id(&made)), json!({"name": "q"})).await.expect(200);
    caller.put(&path(&made), json!({})).await.refused(412, "precondition_failed");
    caller.patch(&path(&made), json!({})).await.refused(412, "precondition_failed");
}
