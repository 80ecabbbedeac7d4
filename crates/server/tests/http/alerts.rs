//! `/alerts`, and `keywright alert`.

use serde_json::{Value, json};

use crate::harness::remote::admin;
use crate::harness::{TestApp, id, on_both_engines};

on_both_engines![
    an_alert_is_shown_and_listed_by_each_filter,
    an_alert_is_acknowledged_and_resolved_once,
    a_change_of_another_version_is_refused,
    a_publisher_sees_its_own_alone,
    a_list_goes_page_by_page,
    the_command_line_shows_and_resolves,
];

const NOBODY: &str = "0198c0de-0000-7000-8000-000000000000";

async fn items(app: &TestApp, query: &str) -> Vec<Value> {
    let list = app.admin().get(&format!("/alerts?{query}")).await.expect(200);
    list["items"].as_array().unwrap().clone()
}

async fn an_alert_is_shown_and_listed_by_each_filter(app: &TestApp) {
    let alert = app.alert(None, "ends soon").await;
    let shown = app.admin().get(&format!("/alerts/{alert}")).await.expect(200);
    assert_eq!(shown["kind"], "token_expiring");
    assert_eq!((&shown["severity"], &shown["state"]), (&json!("medium"), &json!("open")));
    assert_eq!(shown["evidence"], json!({"seen": 7}));
    assert_eq!(
        (&shown["subject"]["type"], &shown["subject"]["name"]),
        (&json!("credential"), &json!("a token"))
    );
    for field in [
        "publisher_id",
        "acknowledged_at",
        "acknowledged_by",
        "resolved_at",
        "resolved_by",
        "resolved_reason",
    ] {
        assert_eq!(shown[field], Value::Null, "{field}");
    }
    let subject = shown["subject"]["id"].as_str().unwrap();
    for (query, found) in [
        (String::new(), true),
        ("state=open".to_owned(), true),
        ("state=resolved".to_owned(), false),
        ("severity=medium".to_owned(), true),
        ("severity=critical".to_owned(), false),
        ("kind=token_expiring".to_owned(), true),
        ("kind=journal_gap".to_owned(), false),
        (format!("subject_id={subject}"), true),
        (format!("subject_id={NOBODY}"), false),
        (format!("publisher_id={NOBODY}"), false),
    ] {
        let expected = if found { vec![shown.clone()] } else { Vec::new() };
        assert_eq!(items(app, &query).await, expected, "{query}");
    }
    app.admin().get("/alerts?state=closed").await.bad_field("state", "invalid_value");
    app.admin().get("/alerts?kind=other").await.bad_field("kind", "invalid_value");
    app.admin().get(&format!("/alerts/{NOBODY}")).await.refused(404, "not_found");
}

async fn an_alert_is_acknowledged_and_resolved_once(app: &TestApp) {
    let path = format!("/alerts/{}", app.alert(None, "once").await);
    let act = async |verb: &str, body: Value| app.admin().post(&format!("{path}/{verb}"), body).await;
    let known = act("acknowledge", json!({"reason": "on it"})).await;
    let shown = known.expect(200);
    assert_eq!(
        (&shown["state"], &shown["acknowledged_by"]["type"]),
        (&json!("acknowledged"), &json!("service_token"))
    );
    let again = act("acknowledge", json!({})).await;
    assert_eq!((again.expect(200), again.header("etag")), (shown, known.header("etag")));
    let over = act("resolve", json!({"reason": "rotated it"})).await.expect(200);
    assert_eq!((&over["state"], &over["resolved_reason"]), (&json!("resolved"), &json!("rotated it")));
    assert_eq!(act("resolve", json!({})).await.expect(200), over);
    act("acknowledge", json!({})).await.refused(409, "alert_resolved");
    let told = app.admin().get("/audit/security-events?order=asc&limit=200").await.expect(200);
    let of_alert = |event: &&Value| event["subject"]["type"] == "alert";
    let told: Vec<_> =
        told["items"].as_array().unwrap().iter().filter(of_alert).map(|event| &event["type"]).collect();
    assert_eq!(told, ["alert.opened", "alert.acknowledged", "alert.resolved"]);
    for verb in ["acknowledge", "resolve"] {
        let nobodys = format!("/alerts/{NOBODY}/{verb}");
        app.admin().post(&nobodys, json!({})).await.refused(404, "not_found");
        act(verb, json!({"state": "open"})).await.bad_field("state", "unknown_field");
    }
}

async fn a_change_of_another_version_is_refused(app: &TestApp) {
    let path = format!("/alerts/{}", app.alert(None, "versioned").await);
    let etag = app.admin().get(&path).await.header("etag").to_owned();
    let caller = app.admin().with("if-match", &etag);
    caller.post(&format!("{path}/acknowledge"), json!({})).await.expect(200);
    caller.post(&format!("{path}/resolve"), json!({})).await.refused(412, "precondition_failed");
    assert_eq!(app.admin().get(&path).await.expect(200)["state"], "acknowledged");
}

async fn a_publisher_sees_its_own_alone(app: &TestApp) {
    let tenant = app.publisher("Songtrust").await;
    let own = app.alert(Some(id(&tenant)), "own").await;
    let platforms = app.alert(None, "platform's").await;
    let viewer = app.built_in(&tenant, "publisher_viewer").await;
    assert!(viewer["permissions"].as_array().unwrap().contains(&json!("monitoring:read")));
    let account = json!({"name": "watcher", "service_type": "internal", "scopes": ["monitoring:admin"],
        "publisher_id": tenant["id"]});
    let account = app.account(account).await;
    let token = app.token_of(&account, json!({"token_name": "watcher"})).await;
    let caller = app.bearing(&token.secret);
    let list = caller.get("/alerts").await.expect(200);
    let ids: Vec<_> = list["items"].as_array().unwrap().iter().map(|alert| &alert["id"]).collect();
    assert_eq!(ids, [&own]);
    caller.get(&format!("/alerts/{platforms}")).await.refused(404, "not_found");
    caller.post(&format!("/alerts/{platforms}/resolve"), json!({})).await.refused(404, "not_found");
    let over = caller.post(&format!("/alerts/{own}/resolve"), json!({})).await.expect(200);
    assert_eq!(over["resolved_by"]["name"], "watcher");
    assert_eq!(items(app, &format!("publisher_id={}", id(&tenant))).await.len(), 1);
    assert_eq!(items(app, "").await.len(), 2);
}

async fn a_list_goes_page_by_page(app: &TestApp) {
    let mut made = Vec::new();
    for number in 0..5 {
        made.insert(0, app.alert(None, &format!("alert {number}")).await);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.admin().get(&format!("/alerts?limit=2{cursor}")).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|alert| id(alert).to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, made);
}

async fn the_command_line_shows_and_resolves(app: &TestApp) {
    let publisher = app.publisher("Spirit").await;
    let alert = app.alert(Some(id(&publisher)), "The token ci ends in 7 days.").await;
    let done = async |arguments: &[&str]| {
        let printed = admin(app, arguments).await;
        assert_eq!(printed.code, 0, "{arguments:?} {printed:?}");
        printed
    };
    let named = ["--identifier", &alert];
    let list = ["alert", "list", "--state", "open", "--severity", "medium", "--kind", "token_expiring"];
    let listed = done(&[&list[..], &["--publisher", "Spirit"][..]].concat()).await;
    assert!(
        listed.stdout.contains("The token ci ends in 7 days.") && listed.stdout.contains(&alert),
        "{listed:?}"
    );
    let shown = done(&[&["alert", "show"][..], &named[..]].concat()).await;
    assert!(shown.stdout.contains("token_expiring"), "{shown:?}");
    done(&[&["alert", "acknowledge", "--reason", "on it"][..], &named[..]].concat()).await;
    let over = done(&[&["alert", "resolve", "--json", "--reason", "rotated"][..], &named[..]].concat()).await;
    assert_eq!(over.json(), app.admin().get(&format!("/alerts/{alert}")).await.expect(200));
    assert_eq!(done(&["--quiet", "alert", "list", "--state", "resolved"]).await.stdout.trim(), alert);
    let late = admin(app, &[&["alert", "acknowledge"][..], &named[..]].concat()).await;
    assert_eq!((late.code, late.stderr.contains("resolved")), (1, true), "{late:?}");
    assert_eq!(admin(app, &["alert", "show", "--identifier", "../publishers"]).await.code, 2);
}
