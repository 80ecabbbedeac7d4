//! `GET /audit/authentication-events`: who used what, from where, and how it ended.

use serde_json::{Value, json};

use crate::harness::{TestApp, on_both_engines};

on_both_engines![
    a_decision_is_shown_with_all_that_was_recorded,
    each_filter_gives_what_it_says,
    pages_come_in_either_order_without_a_hole,
    a_query_is_read_strictly,
];

async fn events(app: &TestApp, query: &str) -> Vec<Value> {
    let page = app.admin().get(&format!("/audit/authentication-events?{query}")).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

async fn a_decision_is_shown_with_all_that_was_recorded(app: &TestApp) {
    let token = app.mint("used", &["a"]).await;
    let me = app.admin().get("/auth/me").await.expect(200)["credential"]["id"].clone();
    let body = json!({
        "token": token.secret, "ip_address": "2001:db8::7", "user_agent": "agent/1 =1+1", "method": "GET",
        "endpoint": "/works/7", "cloudflare_ray_id": "8f2c", "required_scopes": ["b"],
    });
    app.admin()
        .with("x-request-id", "asked-1")
        .post("/auth/verify", body)
        .await
        .decided("insufficient_scope");
    app.recorded().await;
    let shown = events(app, &format!("credential_id={}", token.id)).await;
    assert_eq!(shown.len(), 1, "{shown:?}");
    let event = &shown[0];
    for (field, value) in [
        ("type", json!("verify")),
        ("success", json!(false)),
        ("code", json!("insufficient_scope")),
        ("occurrences", json!(1)),
        ("token_type", json!("service")),
        ("credential_id", json!(token.id)),
        ("token_name", json!("used")),
        ("principal_type", json!("service_token")),
        ("principal_id", json!(token.id)),
        ("asked_by_id", me),
        ("publisher_id", Value::Null),
        ("user_email", Value::Null),
        ("country", Value::Null),
        ("ip_address", json!("2001:db8::7")),
        ("user_agent", json!("agent/1 =1+1")),
        ("method", json!("GET")),
        ("endpoint", json!("/works/7")),
        ("cloudflare_ray_id", json!("8f2c")),
        ("request_id", json!("asked-1")),
        ("node_id", json!(app.authority().node())),
        ("stale", json!(false)),
        ("error_details", json!({"missing_scopes": ["b"], "missing": 1})),
    ] {
        assert_eq!(event[field], value, "{field} of {event}");
    }
    assert!(event["latency_seconds"].as_f64().unwrap() > 0.0, "{event}");
}

async fn each_filter_gives_what_it_says(app: &TestApp) {
    let (one, other) = (app.mint("one", &["a"]).await, app.mint("other", &["a"]).await);
    for round in 0..3 {
        app.verify(&one.secret).await.decided("valid");
        let body =
            json!({"token": other.secret, "ip_address": format!("192.0.2.{round}"), "any_scopes": ["z"]});
        app.verify_body(body).await.decided("insufficient_scope");
    }
    app.nobody().get("/auth/tokens").await.refused(401, "missing_credential");
    app.recorded().await;
    for (query, count) in [
        (String::new(), 7),
        (format!("credential_id={}", one.id), 3),
        (format!("principal_id={}", other.id), 3),
        (format!("credential_id={}&success=true", other.id), 0),
        ("success=true".to_owned(), 3),
        ("success=false".to_owned(), 4),
        ("code=insufficient_scope".to_owned(), 3),
        ("code=valid".to_owned(), 3),
        ("code=valid&success=false".to_owned(), 0),
        ("type=gate".to_owned(), 1),
        ("type=verify".to_owned(), 6),
        ("ip=192.0.2.1".to_owned(), 1),
        ("publisher_id=0198c0de-0000-7000-8000-000000000000".to_owned(), 0),
        ("since=2001-01-01T00:00:00Z".to_owned(), 7),
        ("until=2001-01-01T00:00:00Z".to_owned(), 0),
    ] {
        let found = events(app, &query).await;
        assert_eq!(found.len(), count, "{query}: {found:?}");
    }
}

async fn pages_come_in_either_order_without_a_hole(app: &TestApp) {
    let token = app.mint("used", &["a"]).await;
    for _ in 0..11 {
        app.verify(&token.secret).await.decided("valid");
    }
    app.recorded().await;
    let all = events(app, "order=asc").await;
    assert_eq!(all.len(), 11);
    for order in ["asc", "desc"] {
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let query = format!("/audit/authentication-events?limit=4&order={order}{cursor}");
            let page = app.admin().get(&query).await.expect(200);
            paged.extend(page["items"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        if order == "desc" {
            paged.reverse();
        }
        assert_eq!(paged, all, "{order}");
    }
}

async fn a_query_is_read_strictly(app: &TestApp) {
    for (query, field, code) in [
        ("since=yesterday", "since", "invalid_format"),
        ("success=yes", "success", "invalid_type"),
        ("ip=10.0.0.0/8", "ip", "invalid_format"),
        ("limit=201", "limit", "out_of_range"),
        ("cursor=nonsense", "cursor", "invalid_format"),
        ("publisher_id=me", "publisher_id", "invalid_format"),
        ("code=", "code", "too_short"),
        ("format=csv", "format", "unknown_field"),
    ] {
        app.admin().get(&format!("/audit/authentication-events?{query}")).await.bad_field(field, code);
    }
}
