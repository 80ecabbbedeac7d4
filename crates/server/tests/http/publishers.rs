//! `/publishers` and `/publishers/{id}`, with `suspend` and `resume`.

use serde_json::{Value, json};

use crate::harness::{TestApp, id, on_both_engines};

on_both_engines![
    a_publisher_is_made_shown_and_listed,
    a_name_is_taken_by_the_living_only,
    what_is_made_twice_under_one_key_is_made_once,
    what_cannot_be_is_refused_by_name,
    what_is_given_changes_and_the_rest_stays,
    a_change_of_another_version_is_refused,
    a_suspended_publisher_is_acted_for_by_nobody,
    a_deleted_publisher_is_gone_for_all_but_the_audit,
    a_list_goes_page_by_page,
    every_change_is_told,
];

const NOBODY: &str = "0198c0de-0000-7000-8000-000000000000";

fn path(publisher: &Value) -> String {
    format!("/publishers/{}", id(publisher))
}

async fn a_publisher_is_made_shown_and_listed(app: &TestApp) {
    let body = json!({"name": "  Spirit ", "settings": {"session_max_days": 30}});
    let answer = app.admin().post("/publishers", body).await;
    let made = answer.expect(201);
    assert_eq!(answer.header("location"), format!("/api/v1{}", path(&made)));
    assert_eq!((&made["name"], &made["status"]), (&json!("Spirit"), &json!("active")));
    assert_eq!(
        made["settings"],
        json!({"allowed_login_domains": [], "access_token_max_minutes": null, "session_max_days": 30,
            "default_rate_limits": null, "rate_limits": null,
            "personal_tokens": {"allowed": true, "max_days": null, "require_approval": false},
            "anomalies": {"sensitivity": "normal", "off": [], "history_days": 14},
            "require_second_factor": false})
    );
    let shown = app.admin().get(&path(&made)).await;
    assert_eq!((shown.expect(200), shown.header("etag")), (made.clone(), answer.header("etag")));
    let list = app.admin().get("/publishers").await.expect(200);
    assert_eq!(list, json!({"items": [made], "next_cursor": null}));
    let roles = app.admin().get(&format!("/roles?publisher_id={}", id(&made))).await.expect(200);
    let names: Vec<_> = roles["items"].as_array().unwrap().iter().map(|role| role["name"].clone()).collect();
    assert_eq!(names.len(), 3);
    for name in ["publisher_admin", "publisher_editor", "publisher_viewer"] {
        assert!(names.contains(&json!(name)), "{names:?}");
    }
}

async fn a_name_is_taken_by_the_living_only(app: &TestApp) {
    let first = app.publisher("One").await;
    app.admin().post("/publishers", json!({"name": "One"})).await.refused(409, "name_taken");
    let second = app.publisher("Two").await;
    app.admin().patch(&path(&second), json!({"name": "One"})).await.refused(409, "name_taken");
    app.admin().delete(&path(&first)).await.expect(204);
    app.admin().patch(&path(&second), json!({"name": "One"})).await.expect(200);
}

async fn what_is_made_twice_under_one_key_is_made_once(app: &TestApp) {
    let caller = app.admin().with("idempotency-key", "0123456789abcdef");
    let made = caller.post("/publishers", json!({"name": "once"})).await;
    let again = caller.post("/publishers", json!({"name": "once"})).await;
    assert_eq!(made.expect(201), again.expect(201));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.header("location"), made.header("location"));
    caller.post("/publishers", json!({"name": "twice"})).await.refused(409, "idempotency_mismatch");
}

async fn what_cannot_be_is_refused_by_name(app: &TestApp) {
    for (body, field, code) in [
        (json!({}), "name", "required"),
        (json!({"name": NOBODY}), "name", "invalid_format"),
        (json!({"name": ""}), "name", "too_short"),
        (json!({"name": "a\u{202e}b"}), "name", "invalid_format"),
        (json!({"name": "x", "settings": null}), "settings", "required"),
        (
            json!({"name": "x", "settings": {"session_max_days": 91}}),
            "settings.session_max_days",
            "out_of_range",
        ),
        (
            json!({"name": "x", "settings": {"allowed_login_domains": ["ok.example", "no good"]}}),
            "settings.allowed_login_domains[1]",
            "invalid_format",
        ),
        (
            json!({"name": "x", "settings": {"require_second_factor": true}}),
            "settings.require_second_factor",
            "not_available_yet",
        ),
        (json!({"name": "x", "slug": "x"}), "slug", "unknown_field"),
    ] {
        app.admin().post("/publishers", body).await.bad_field(field, code);
    }
    for field in ["id", "status", "created_by"] {
        let answer = app.admin().post("/publishers", json!({"name": "x", field: "y"})).await;
        assert_eq!(answer.bad_fields(403, "forbidden_field")[0].0, field);
    }
    let list = app.admin().get("/publishers").await.expect(200);
    assert_eq!(list["items"], json!([]));
}

async fn what_is_given_changes_and_the_rest_stays(app: &TestApp) {
    let made = app.publisher("before").await;
    let patch = async |body: Value| app.admin().patch(&path(&made), body).await.expect(200);
    assert_eq!(patch(json!({"name": "after"})).await["name"], "after");
    let limits = json!({"settings": {"default_rate_limits": {"per_minute": 5}}});
    let after = patch(limits).await;
    assert_eq!(after["name"], "after");
    assert_eq!(after["settings"]["default_rate_limits"], json!({"per_minute": 5, "per_hour": null}));
    let before = app.admin().get(&path(&made)).await;
    let same = app.admin().patch(&path(&made), json!({"name": "after"})).await;
    assert_eq!(same.header("etag"), before.header("etag"), "a change of nothing changes nothing");
    let nobodys = format!("/publishers/{NOBODY}");
    app.admin().patch(&nobodys, json!({"name": "x"})).await.refused(404, "not_found");
}

async fn a_change_of_another_version_is_refused(app: &TestApp) {
    let made = app.publisher("versioned").await;
    let tag = app.admin().get(&path(&made)).await.header("etag").to_owned();
    let caller = app.admin().with("if-match", &tag);
    caller.patch(&path(&made), json!({"name": "second"})).await.expect(200);
    caller.patch(&path(&made), json!({"name": "third"})).await.refused(412, "precondition_failed");
    for action in ["suspend", "resume"] {
        let path = format!("{}/{action}", path(&made));
        caller.send("POST", &path, None).await.refused(412, "precondition_failed");
    }
    caller.delete(&path(&made)).await.refused(412, "precondition_failed");
    assert_eq!(app.admin().get(&path(&made)).await.expect(200)["name"], "second");
}

async fn a_suspended_publisher_is_acted_for_by_nobody(app: &TestApp) {
    let made = app.publisher("late payer").await;
    let acting = app.admin().with("x-publisher-id", id(&made));
    acting.get("/roles").await.expect(200);
    let token = app.mint("asked about", &["works:read"]).await;
    let asked = json!({"token": token.secret, "publisher_id": id(&made)});
    app.verify_body(asked.clone()).await.decided("valid");
    let act = async |action: &str, body: Value| {
        app.admin().post(&format!("{}/{action}", path(&made)), body).await.expect(200)
    };
    let suspended = act("suspend", json!({"reason": "invoice 7"})).await;
    assert_eq!(
        (&suspended["status"], &suspended["suspended_reason"]),
        (&json!("suspended"), &json!("invoice 7"))
    );
    assert_eq!(act("suspend", json!({"reason": "again"})).await, suspended);
    app.verify_body(asked.clone()).await.decided("publisher_suspended");
    acting.get("/roles").await.refused(401, "publisher_suspended");
    let listed = app.admin().get("/publishers?status=suspended").await.expect(200);
    assert_eq!(listed["items"], json!([suspended]));
    let resumed = act("resume", json!({})).await;
    assert_eq!((&resumed["status"], &resumed["suspended_at"]), (&json!("active"), &Value::Null));
    assert_eq!(act("resume", json!({})).await, resumed);
    app.verify_body(asked).await.decided("valid");
    acting.get("/roles").await.expect(200);
}

async fn a_deleted_publisher_is_gone_for_all_but_the_audit(app: &TestApp) {
    let made = app.publisher("gone").await;
    let role = app.role(&made, "its own", &[]).await;
    let token = app.mint("asked about", &["works:read"]).await;
    let asked = json!({"token": token.secret, "publisher_id": id(&made)});
    app.verify_body(asked.clone()).await.decided("valid");
    app.admin().delete(&format!("{}?reason=closed", path(&made))).await.expect(204);
    app.verify_body(asked).await.decided("wrong_publisher");
    app.admin().delete(&path(&made)).await.expect(204);
    app.admin().delete(&format!("/publishers/{NOBODY}")).await.refused(404, "not_found");
    for gone in [path(&made), format!("{}/members", path(&made)), format!("/roles/{}", id(&role))] {
        app.admin().get(&gone).await.refused(404, "not_found");
    }
    app.admin().post(&format!("{}/suspend", path(&made)), json!({})).await.refused(404, "not_found");
    let acting = app.admin().with("x-publisher-id", id(&made));
    acting.get("/roles").await.refused(403, "wrong_publisher");
    let events = app.admin().get("/audit/security-events?type=publisher.deleted").await.expect(200);
    let event = &events["items"][0];
    assert_eq!((&event["subject"]["name"], &event["reason"]), (&json!("gone"), &json!("closed")));
}

async fn a_list_goes_page_by_page(app: &TestApp) {
    for number in 0..5 {
        app.publisher(&format!("p{number}")).await;
    }
    let mut names = Vec::new();
    let mut next = Some(String::new());
    while let Some(cursor) = next {
        let page = app.admin().get(&format!("/publishers?limit=2{cursor}")).await.expect(200);
        names.extend(page["items"].as_array().unwrap().iter().map(|item| item["name"].clone()));
        next = page["next_cursor"].as_str().map(|cursor| format!("&cursor={cursor}"));
    }
    assert_eq!(names, ["p4", "p3", "p2", "p1", "p0"]);
    let named = app.admin().get("/publishers?name=p3").await.expect(200);
    assert_eq!(named["items"].as_array().unwrap().len(), 1);
    let found = app.admin().get("/publishers?q=P").await.expect(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 5);
    app.admin().get("/publishers?cursor=x").await.bad_field("cursor", "invalid_format");
}

async fn every_change_is_told(app: &TestApp) {
    let made = app.publisher("told").await;
    app.admin().patch(&path(&made), json!({"settings": {"session_max_days": 3}})).await.expect(200);
    for action in ["suspend", "resume"] {
        app.admin().post(&format!("{}/{action}", path(&made)), json!({"reason": "r"})).await.expect(200);
    }
    app.admin().delete(&path(&made)).await.expect(204);
    let query = format!("/audit/security-events?publisher_id={}&order=asc", id(&made));
    let events = app.admin().get(&query).await.expect(200);
    let events = events["items"].as_array().unwrap();
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let expected =
        ["created", "updated", "suspended", "resumed", "deleted"].map(|verb| format!("publisher.{verb}"));
    assert_eq!(types, expected);
    assert_eq!(events[1]["before"]["settings"]["session_max_days"], Value::Null);
    assert_eq!(events[1]["after"]["settings"]["session_max_days"], 3);
    assert!(events.iter().all(|event| event["subject"]["id"] == made["id"]), "{events:?}");
}
