//! `POST /auth/verify/batch`: decisions about several credentials, each by itself.

use serde_json::{Value, json};

use crate::harness::{TestApp, on_both_engines};

on_both_engines![
    each_credential_is_decided_on_by_itself_and_in_order,
    every_decision_has_its_own_record_with_its_own_facts,
    what_the_cache_does_not_know_is_asked_for_together,
    whoever_asks_needs_the_permission,
    one_bad_item_is_named_by_its_place,
    a_hundred_long_tokens_fit_and_no_more,
    units_are_taken_in_the_order_of_the_items,
    without_a_token_an_item_is_about_the_caller,
];

const PATH: &str = "/auth/verify/batch";

fn codes(answer: &Value) -> Vec<&str> {
    answer["items"].as_array().unwrap().iter().map(|item| item["code"].as_str().unwrap()).collect()
}

async fn each_credential_is_decided_on_by_itself_and_in_order(app: &TestApp) {
    let (one, two) = (app.mint("one", &["a"]).await, app.mint("two", &["b"]).await);
    let revoked = app.mint("revoked", &[]).await;
    app.admin().delete(&revoked.path()).await.expect(204);
    let items = json!([
        {"token": one.secret, "required_scopes": ["a"]},
        {"token": two.secret, "required_scopes": ["a"]},
        {"token": "nonsense"},
        {"token": format!("sk_{}", "0b".repeat(32))},
        {"token": revoked.secret},
        {"token": two.secret, "any_scopes": ["a", "b"]},
    ]);
    let answer = app.admin().post(PATH, json!({"items": items})).await;
    let batch = answer.expect(200);
    let expected = ["valid", "insufficient_scope", "malformed", "not_found", "revoked", "valid"];
    assert_eq!(codes(&batch), expected);
    assert_eq!(answer.header("cache-control"), "no-store");
    for (item, body) in batch["items"].as_array().unwrap().iter().zip(items.as_array().unwrap()) {
        let mut alone = app.verify_body(body.clone()).await.json();
        alone["request_id"] = item["request_id"].clone();
        assert_eq!(*item, alone);
    }
}

async fn every_decision_has_its_own_record_with_its_own_facts(app: &TestApp) {
    let (one, two) = (app.mint("one", &["a"]).await, app.mint("two", &["b"]).await);
    let items = json!([
        {"token": one.secret, "ip_address": "192.0.2.1", "endpoint": "/works", "method": "GET"},
        {"token": two.secret, "ip_address": "192.0.2.2", "endpoint": "/songs", "user_agent": "x/1"},
    ]);
    let caller = app.admin().with("x-request-id", "the-batch");
    caller.post(PATH, json!({"items": items})).await.expect(200);
    app.recorded().await;
    let events = app.admin().get("/audit/authentication-events?type=verify&order=asc").await.expect(200);
    let of_batch =
        events["items"].as_array().unwrap().iter().filter(|event| event["request_id"] == "the-batch");
    let mut facts: Vec<_> =
        of_batch.map(|event| (&event["credential_id"], &event["ip_address"], &event["endpoint"])).collect();
    facts.sort_by_key(|(_, address, _)| address.as_str());
    assert_eq!(
        facts,
        [
            (&json!(one.id), &json!("192.0.2.1"), &json!("/works")),
            (&json!(two.id), &json!("192.0.2.2"), &json!("/songs"))
        ]
    );
}

async fn what_the_cache_does_not_know_is_asked_for_together(app: &TestApp) {
    let mut items = Vec::new();
    for number in 0..50 {
        items.push(json!({"token": app.mint(&format!("number {number}"), &[]).await.secret}));
    }
    app.verify(app.admin_token()).await.decided("valid");
    let before = app.loads();
    let batch = app.admin().post(PATH, json!({"items": items})).await.expect(200);
    assert_eq!((batch["items"].as_array().unwrap().len(), app.loads() - before), (50, 50));
    app.admin().post(PATH, json!({"items": items})).await.expect(200);
    assert_eq!(app.loads() - before, 50);
}

async fn whoever_asks_needs_the_permission(app: &TestApp) {
    let token = app.mint("asked about", &["a"]).await;
    let body = json!({"items": [{"token": token.secret}]});
    app.nobody().post(PATH, body.clone()).await.refused(401, "missing_credential");
    app.bearing("sk_x").post(PATH, body.clone()).await.refused(401, "malformed");
    let problem = app.caller(&["a"]).await.post(PATH, body.clone()).await.refused(403, "insufficient_scope");
    assert!(problem["detail"].as_str().unwrap().contains("tokens:verify"), "{problem}");
    let batch = app.caller(&["tokens:verify"]).await.post(PATH, body).await.expect(200);
    assert_eq!(codes(&batch), ["valid"]);
}

async fn one_bad_item_is_named_by_its_place(app: &TestApp) {
    let fields = async |items: Value| {
        let answer = app.admin().post(PATH, json!({"items": items})).await;
        let problem = answer.json();
        assert_eq!(answer.status, 422, "{problem}");
        let errors = problem["errors"].as_array().unwrap();
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let good = json!({"token": "x"});
    let bad = json!({"token": 5, "cost": -1, "whatever": true, "required_scopes": ["a b"]});
    let expected = ["items[1].token", "items[1].required_scopes[0]", "items[1].cost", "items[1].whatever"]
        .map(str::to_owned);
    assert_eq!(fields(json!([good, bad])).await, expected);
    assert_eq!(fields(json!([good, {}, 7])).await, ["items[2]"]);
    assert_eq!(fields(json!([])).await, ["items"]);
    assert_eq!(fields(json!({})).await, ["items"]);
    assert_eq!(fields(Value::Null).await, ["items"]);
    app.admin().post(PATH, json!({})).await.refused(422, "validation_failed");
    app.admin().post(PATH, json!({"items": [good], "more": 1})).await.refused(422, "unknown_field");
}

async fn a_hundred_long_tokens_fit_and_no_more(app: &TestApp) {
    let long =
        json!({"token": format!("eyJ{}", "x".repeat(6_000)), "endpoint": format!("/{}", "y".repeat(1_000))});
    let batch = app.admin().post(PATH, json!({"items": vec![long.clone(); 100]})).await.expect(200);
    assert_eq!(codes(&batch), ["malformed"; 100]);
    let answer = app.admin().post(PATH, json!({"items": vec![json!({"token": "x"}); 101]})).await;
    assert_eq!(answer.refused(422, "validation_failed")["errors"][0]["field"], "items");
    let too_long = json!({"items": [{"token": "x".repeat(1024 * 1024)}]});
    app.admin().post(PATH, too_long).await.refused(413, "payload_too_large");
}

async fn units_are_taken_in_the_order_of_the_items(app: &TestApp) {
    let token = app.mint("two units", &[]).await;
    let mut database = app.database().await;
    let id = database.uuid(token.id.parse().unwrap());
    database.execute(&format!("UPDATE service_tokens SET rate_per_minute = 2 WHERE id = {id}")).await;
    let items = vec![json!({"token": token.secret}); 4];
    let batch = app.admin().post(PATH, json!({"items": items})).await.expect(200);
    assert_eq!(codes(&batch), ["valid", "valid", "rate_limited", "rate_limited"]);
}

async fn without_a_token_an_item_is_about_the_caller(app: &TestApp) {
    let caller = app.caller(&["tokens:verify", "a"]).await;
    let items = json!([{"required_scopes": ["a"]}, {"required_scopes": ["b"]}]);
    let batch = caller.post(PATH, json!({"items": items})).await.expect(200);
    assert_eq!(codes(&batch), ["valid", "insufficient_scope"]);
}
