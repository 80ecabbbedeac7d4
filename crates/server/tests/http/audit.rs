//! `/audit`: every change leaves one event, and the chain of them shows any tampering.

use serde_json::{Value, json};

use crate::harness::{TestApp, eventually, on_both_engines};

on_both_engines![
    every_change_leaves_an_event_that_says_who_what_and_from_where,
    nothing_that_was_refused_leaves_an_event,
    events_are_filtered_and_come_in_pages,
    a_query_is_read_strictly,
    a_token_shows_its_own_events,
    the_chain_holds_and_every_tampering_breaks_it,
    a_chain_that_was_cut_off_does_not_go_through_a_head_that_was_kept,
];

async fn events(app: &TestApp, query: &str) -> Vec<Value> {
    let page = app.admin().get(&format!("/audit/security-events?{query}")).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

async fn every_change_leaves_an_event_that_says_who_what_and_from_where(app: &TestApp) {
    let admin = app.admin().with("user-agent", "tests/1").with("x-request-id", "request-1");
    let body = json!({"token_name": "watched", "permissions": ["a"], "metadata": {"k": "v"}});
    let made = admin.post("/auth/tokens", body).await.expect(201);
    let path = format!("/auth/tokens/{}", made["id"].as_str().unwrap());
    admin.patch(&path, json!({"permissions": ["b"]})).await.expect(200);
    admin.post(&format!("{path}/rotate"), json!({"reason": "yearly"})).await.expect(200);
    admin.delete(&format!("{path}?reason=leak")).await.expect(204);
    let found = events(app, &format!("credential_id={}&order=asc", made["id"].as_str().unwrap())).await;
    assert_eq!(kinds(&found), ["token.created", "token.updated", "token.rotated", "token.revoked"]);
    let me = app.admin().get("/auth/me").await.expect(200);
    for event in &found {
        assert_eq!(event["actor"], me["principal"]);
        let subject = (&event["subject"]["type"], &event["subject"]["id"]);
        assert_eq!(subject, (&json!("service_token"), &made["id"]));
        let from = (&event["ip_address"], &event["user_agent"], &event["request_id"]);
        assert_eq!(from, (&json!("127.0.0.1"), &json!("tests/1"), &json!("request-1")));
        assert_eq!(event["node_id"], json!(app.authority().node()));
    }
    assert_eq!((&found[0]["before"], &found[0]["after"]["permissions"]), (&Value::Null, &json!(["a"])));
    let change = (&found[1]["before"]["permissions"], &found[1]["after"]["permissions"]);
    assert_eq!(change, (&json!(["a"]), &json!(["b"])));
    let reasons = (&found[2]["reason"], &found[3]["reason"]);
    assert_eq!(reasons, (&json!("yearly"), &json!("leak")));
    assert!(found[3]["after"]["revoked_at"].is_string(), "{}", found[3]);
}

async fn nothing_that_was_refused_leaves_an_event(app: &TestApp) {
    let token = app.mint("quiet", &["z"]).await;
    let before = events(app, "").await.len();
    let poor = app.caller(&["tokens:admin"]).await;
    app.admin()
        .post("/auth/tokens", json!({"token_name": "quiet", "permissions": []}))
        .await
        .refused(409, "name_taken");
    poor.patch(&token.path(), json!({"permissions": ["*"]})).await.refused(403, "scope_exceeds_grantor");
    poor.post(&format!("{}/rotate", token.path()), json!({"reason": "r"}))
        .await
        .refused(403, "scope_exceeds_grantor");
    app.nobody().delete(&token.path()).await.refused(401, "missing_credential");
    app.admin().with("if-match", "\"99\"").delete(&token.path()).await.refused(412, "precondition_failed");
    app.admin().patch(&token.path(), json!({"metadata": []})).await.refused(422, "validation_failed");
    assert_eq!(events(app, "").await.len(), before + 1, "that of the caller's own token");
}

async fn events_are_filtered_and_come_in_pages(app: &TestApp) {
    for number in 0..5 {
        let token = app.mint(&format!("token {number}"), &["a"]).await;
        if number > 2 {
            app.admin().delete(&token.path()).await.expect(204);
        }
    }
    assert_eq!(events(app, "type=token.revoked").await.len(), 2);
    assert_eq!(events(app, "type=token").await.len(), 0);
    assert_eq!(events(app, "ip=127.0.0.1&type=token.created").await.len(), 5);
    assert_eq!(events(app, "ip=127.0.0.2").await.len(), 0);
    let me = app.admin().get("/auth/me").await.expect(200)["credential"]["id"].as_str().unwrap().to_owned();
    assert_eq!(events(app, &format!("principal_id={me}")).await.len(), 7);
    let all = events(app, "order=asc").await;
    // The first signing key and the first token are told as well.
    assert_eq!(all.len(), 9);
    let moment = all[4]["occurred_at"].as_str().unwrap();
    let split = events(app, &format!("since={moment}")).await.len()
        + events(app, &format!("until={moment}")).await.len();
    assert_eq!(split, 9, "from that moment on, and before it");
    for order in ["asc", "desc"] {
        let mut paged = Vec::new();
        let mut cursor = String::new();
        loop {
            let query = format!("/audit/security-events?limit=3&order={order}{cursor}");
            let page = app.admin().get(&query).await.expect(200);
            paged.extend(page["items"].as_array().unwrap().iter().map(|event| event["id"].clone()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let mut expected: Vec<_> = all.iter().map(|event| event["id"].clone()).collect();
        if order == "desc" {
            expected.reverse();
        }
        assert_eq!(paged, expected, "{order}");
    }
}

async fn a_query_is_read_strictly(app: &TestApp) {
    for (query, field, code) in [
        ("since=yesterday", "since", "invalid_format"),
        ("until=292278-01-01T00:00:00Z", "until", "invalid_format"),
        ("since=", "since", "too_short"),
        ("principal_id=me", "principal_id", "invalid_format"),
        ("credential_id=0198c0de00007000800000000000000", "credential_id", "invalid_format"),
        ("ip=10.0.0.0/8", "ip", "invalid_format"),
        ("ip=2130706433", "ip", "invalid_format"),
        ("order=up", "order", "invalid_value"),
        ("limit=0", "limit", "out_of_range"),
        ("cursor=nonsense", "cursor", "invalid_format"),
        ("success=true", "success", "not_available_yet"),
        ("success=yes", "success", "invalid_type"),
        ("code=valid", "code", "not_available_yet"),
        ("publisher_id=me", "publisher_id", "invalid_format"),
        ("format=csv", "format", "unknown_field"),
    ] {
        app.admin().get(&format!("/audit/security-events?{query}")).await.bad_field(field, code);
    }
    let poor = app.caller(&["audit_log", "tokens:read"]).await;
    poor.get("/audit/security-events").await.refused(403, "insufficient_scope");
    poor.get("/audit/security-events/verify").await.refused(403, "insufficient_scope");
}

async fn a_token_shows_its_own_events(app: &TestApp) {
    let token = app.mint("shown", &["a"]).await;
    app.mint("another", &["a"]).await;
    let reader = app.caller(&["tokens:read"]).await;
    let path = format!("{}/security-events", token.path());
    let page = reader.get(&path).await.expect(200);
    assert_eq!(kinds(page["items"].as_array().unwrap()), ["token.created"]);
    reader
        .get("/auth/tokens/0198c0de-0000-7000-8000-000000000000/security-events")
        .await
        .refused(404, "not_found");
    let stranger = app.caller(&["audit:read"]).await;
    stranger.get(&path).await.refused(403, "insufficient_scope");
    let other = format!("{path}?credential_id={}", token.id);
    reader.get(&other).await.refused(422, "validation_failed");
}

async fn verified(app: &TestApp, query: &str) -> Value {
    app.admin().get(&format!("/audit/security-events/verify{query}")).await.expect(200)
}

/// Waits until all that was written is in the chain.
async fn sealed(app: &TestApp) -> Value {
    eventually("all events are sealed", async || verified(app, "").await["unsealed"] == 0).await;
    verified(app, "").await
}

async fn the_chain_holds_and_every_tampering_breaks_it(app: &TestApp) {
    for number in 0..6 {
        app.mint(&format!("token {number}"), &["a"]).await;
    }
    let before = sealed(app).await;
    assert_eq!(
        (&before["holds"], &before["checked"], &before["head_seq"]),
        (&json!(true), &json!(8), &json!(8))
    );
    let mut database = app.database().await;
    let altered = "UPDATE security_events SET actor_name = 'somebody else' WHERE seq = 4";
    let restored = "UPDATE security_events SET actor_name = (SELECT actor_name FROM security_events WHERE seq = 5) WHERE seq = 4";
    let swap = ["SET seq = 100 WHERE seq = 2", "SET seq = 2 WHERE seq = 3", "SET seq = 3 WHERE seq = 100"];
    assert_eq!(database.execute(altered).await, 1);
    let broken = verified(app, "").await;
    assert_eq!((&broken["holds"], &broken["broken_at"]["seq"]), (&json!(false), &json!(4)), "{broken}");
    assert_eq!(database.execute(restored).await, 1);
    assert_eq!(verified(app, "").await["holds"], true);
    for change in swap {
        assert_eq!(database.execute(&format!("UPDATE security_events {change}")).await, 1);
    }
    assert_eq!(verified(app, "").await["broken_at"]["seq"], 2);
    for change in swap {
        database.execute(&format!("UPDATE security_events {change}")).await;
    }
    assert_eq!(verified(app, "").await["holds"], true);
    assert_eq!(database.execute("DELETE FROM security_events WHERE seq = 5").await, 1);
    let broken = verified(app, "").await;
    assert_eq!((&broken["holds"], &broken["broken_at"]["seq"]), (&json!(false), &json!(5)), "{broken}");
}

async fn a_chain_that_was_cut_off_does_not_go_through_a_head_that_was_kept(app: &TestApp) {
    for number in 0..3 {
        app.mint(&format!("token {number}"), &["a"]).await;
    }
    let head = sealed(app).await;
    let kept = format!("?head={}:{}", head["head_seq"], head["head_mac"].as_str().unwrap());
    assert_eq!(verified(app, &kept).await["holds"], true);
    app.mint("later", &["a"]).await;
    sealed(app).await;
    assert_eq!(verified(app, &kept).await["holds"], true);
    let mut database = app.database().await;
    assert_eq!(database.execute("DELETE FROM security_events WHERE seq >= 5").await, 2);
    assert_eq!(verified(app, "").await["holds"], false);
    for wrong in ["nonsense", "1", "1:", ":00", "-1:00", "99999999999999999999:00", "4:zz"] {
        let answer = app.admin().get(&format!("/audit/security-events/verify?head={wrong}")).await;
        answer.bad_field("head", "invalid_format");
    }
}
