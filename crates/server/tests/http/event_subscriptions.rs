//! `/event-subscriptions`.

use serde_json::{Value, json};

use super::notification_channels::Receiver;
use crate::harness::{TestApp, id, on_both_engines};

on_both_engines![
    a_subscription_is_told_of_what_happens,
    a_subscription_names_events_that_exist,
    a_subscription_changes_and_goes,
    a_publishers_subscriptions_are_its_own,
];

fn path(subscription: &Value) -> String {
    format!("/event-subscriptions/{}", id(subscription))
}

fn body(receiver: &Receiver, events: &[&str]) -> Value {
    json!({"name": "s", "url": receiver.url, "event_types": events})
}

async fn a_subscription_is_told_of_what_happens(app: &TestApp) {
    let receiver = Receiver::start().await;
    let answer = app.admin().post("/event-subscriptions", body(&receiver, &["token.created"])).await;
    let made = answer.expect(201);
    assert_eq!(answer.header("location"), format!("/api/v1{}", path(&made)));
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    assert!(app.admin().get(&path(&made)).await.expect(200).get("secret").is_none());
    let token = app.mint("ci", &["a"]).await;
    let (headers, text) = receiver.has(1).await.remove(0);
    assert!(headers["webhook-signature"].starts_with("v1,"));
    assert!(!text.contains(&token.secret), "{text}");
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&told["type"], &told["data"]["subject"]["id"]), (&json!("token.created"), &json!(token.id)));
    let listed = app.admin().get(&format!("{}/deliveries", path(&made))).await.expect(200);
    assert_eq!(listed["items"][0]["id"], headers["webhook-id"].as_str());
}

async fn a_subscription_names_events_that_exist(app: &TestApp) {
    let receiver = Receiver::start().await;
    let make =
        async |events: &[&str]| app.admin().post("/event-subscriptions", body(&receiver, events)).await;
    make(&[]).await.bad_field("event_types", "too_short");
    make(&["token.created", "token.made"]).await.bad_field("event_types[1]", "invalid_format");
    make(&["tok*"]).await.bad_field("event_types[0]", "invalid_format");
    let inside = json!({"name": "s", "url": "https://10.0.0.1/", "event_types": ["*"]});
    app.admin().post("/event-subscriptions", inside).await.bad_field("url", "out_of_range");
    let made = make(&["token.*", "alert.opened", "token.*"]).await.expect(201);
    assert_eq!(made["event_types"], json!(["alert.opened", "token.*"]));
    make(&["*"]).await.refused(409, "name_taken");
}

async fn a_subscription_changes_and_goes(app: &TestApp) {
    let receiver = Receiver::start().await;
    let answer = app.admin().post("/event-subscriptions", body(&receiver, &["role.*"])).await;
    let (made, tag) = (answer.expect(201), answer.header("etag").to_owned());
    let caller = app.admin().with("if-match", &tag);
    let changed =
        caller.patch(&path(&made), json!({"event_types": ["*"], "is_enabled": false})).await.expect(200);
    assert_eq!((&changed["event_types"], &changed["is_enabled"]), (&json!(["*"]), &json!(false)));
    caller.patch(&path(&made), json!({"name": "t"})).await.refused(412, "precondition_failed");
    app.admin().delete(&path(&made)).await.expect(204);
    app.admin().delete(&path(&made)).await.expect(204);
    app.admin().get(&path(&made)).await.refused(404, "not_found");
}

async fn a_publishers_subscriptions_are_its_own(app: &TestApp) {
    let receiver = Receiver::start().await;
    let [one, two] = [app.publisher("one").await, app.publisher("two").await];
    let acting = |publisher: &Value| app.admin().with("x-publisher-id", id(publisher));
    let made = acting(&one).post("/event-subscriptions", body(&receiver, &["*"])).await.expect(201);
    assert_eq!(made["publisher_id"], one["id"]);
    acting(&two).get(&path(&made)).await.refused(404, "not_found");
    acting(&two).patch(&path(&made), json!({"name": "d"})).await.refused(404, "not_found");
    acting(&two).delete(&path(&made)).await.refused(404, "not_found");
    assert_eq!(acting(&two).get("/event-subscriptions").await.expect(200)["items"], json!([]));
}
