//! `GET /auth/tokens/{id}/analytics` and `GET /analytics/summary`.

use keywright_core::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Database, TestApp, on_both_engines};

on_both_engines![
    a_token_that_was_never_used_has_every_day_and_hour_all_the_same,
    decisions_appear_where_they_belong,
    a_window_begins_with_its_first_day_and_ends_today,
    only_the_most_frequent_are_named_and_the_rest_is_one,
    the_summary_tells_of_all_tokens,
    a_look_back_has_bounds,
    what_clients_say_of_themselves_is_told_as_it_is,
];

fn sum(of: &Value, field: &str) -> u64 {
    of.as_array().unwrap().iter().map(|slot| slot[field].as_u64().unwrap()).sum()
}

fn names(ranking: &Value) -> Vec<&str> {
    let top = ranking["top"].as_array().unwrap().iter();
    top.map(|count| count["name"].as_str().unwrap_or("not known")).collect()
}

async fn a_token_that_was_never_used_has_every_day_and_hour_all_the_same(app: &TestApp) {
    let token = app.mint("idle", &["a"]).await;
    let shown = app.admin().get(&format!("{}/analytics?days=400", token.path())).await;
    assert_eq!(shown.header("cache-control"), "no-store");
    let shown = shown.expect(200);
    for (field, length) in [("by_day", 400), ("by_hour_of_day", 24), ("last_48_hours", 48)] {
        let slots = shown[field].as_array().unwrap();
        assert_eq!((slots.len(), sum(&shown[field], "decisions")), (length, 0), "{field}");
    }
    let today = app.now().to_string();
    assert_eq!(shown["by_day"][399]["day"], json!(today[..10]));
    for (field, value) in [
        ("token_name", json!("idle")),
        ("days", json!(400)),
        ("decisions", json!(0)),
        ("success_rate", Value::Null),
        ("latency", Value::Null),
        ("first_used_at", Value::Null),
        ("last_used_at", Value::Null),
        ("denials_by_code", json!([])),
        (
            "endpoints",
            json!({"top": [], "other": {"name": null, "decisions": 0, "denials": 0, "share": 0.0}}),
        ),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
    let default = app.admin().get(&format!("{}/analytics", token.path())).await.expect(200);
    assert_eq!((&default["days"], default["by_day"].as_array().unwrap().len()), (&json!(30), 30));
}

async fn decisions_appear_where_they_belong(app: &TestApp) {
    let token = app.mint("busy", &["a"]).await;
    let ask = async |endpoint: &str, ip: &str, scope: &str| {
        app.verify_body(json!({
            "token": token.secret, "required_scopes": [scope], "endpoint": endpoint, "ip_address": ip,
            "user_agent": "curl/8",
        }))
        .await
        .expect(200);
    };
    for number in 0..6 {
        ask(&format!("/works/{number}"), "192.0.2.1", "a").await;
    }
    ask("/files", "192.0.2.2", "a").await;
    ask("/files", "192.0.2.2", "b").await;
    app.recorded().await;
    let shown = app.admin().get(&format!("{}/analytics?days=2", token.path())).await.expect(200);
    for (field, value) in [
        ("decisions", json!(8)),
        ("successes", json!(7)),
        ("denials", json!(1)),
        ("success_rate", json!(0.875)),
        ("usage_count", json!(7)),
        ("denials_by_code", json!([{"code": "insufficient_scope", "denials": 1}])),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
    for field in ["by_day", "by_hour_of_day", "last_48_hours"] {
        assert_eq!((sum(&shown[field], "decisions"), sum(&shown[field], "denials")), (8, 1), "{field}");
    }
    assert_eq!(names(&shown["endpoints"]), ["/works/{id}", "/files"]);
    let files = json!({"name": "/files", "decisions": 2, "denials": 1, "share": 0.25});
    assert_eq!(shown["endpoints"]["top"][1], files);
    assert_eq!(names(&shown["addresses"]), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(names(&shown["user_agents"]), ["curl/8"]);
    assert_eq!(names(&shown["countries"]), ["not known"]);
    let millis = |quantile: &str| shown["latency"][quantile].as_f64().unwrap();
    assert!(0.0 < millis("p50_ms") && millis("p50_ms") <= millis("p95_ms"), "{}", shown["latency"]);
    assert!(millis("p95_ms") <= millis("p99_ms") && millis("p99_ms") <= 50.0, "{}", shown["latency"]);
    let used = |field: &str| shown[field].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(used("first_used_at") <= used("last_used_at") && used("last_used_at") <= app.now());
}

/// So many decisions in the hour of a moment.
async fn roll_up(
    database: &mut Database,
    id: &str,
    hour: Timestamp,
    group: &str,
    code: &str,
    decisions: u32,
) {
    let id = database.bytes(&hex::decode(id.replace('-', "")).unwrap());
    let id = if id.starts_with('X') { id } else { format!("encode({id}, 'hex')::uuid") };
    let hour = database.moment(&hour.start_of_hour().to_string());
    let sql = format!(
        "INSERT INTO usage_hourly (credential_id, hour, endpoint_group, code, country, decisions, latency_0, \
         latency_1, latency_2, latency_3, latency_4, latency_5, latency_6, latency_7, first_at, last_at) \
         VALUES ({id}, {hour}, '{group}', '{code}', 'CH', {decisions}, 0, {decisions}, 0, 0, 0, 0, 0, 0, {hour}, {hour})"
    );
    assert_eq!(database.execute(&sql).await, 1);
}

async fn source(database: &mut Database, id: &str, day: Timestamp, kind: &str, label: &str, decisions: u32) {
    let id = database.bytes(&hex::decode(id.replace('-', "")).unwrap());
    let id = if id.starts_with('X') { id } else { format!("encode({id}, 'hex')::uuid") };
    let day = database.moment(&day.start_of_day().to_string());
    let sql = format!(
        "INSERT INTO usage_sources (credential_id, day, kind, label, decisions, failures, first_at, last_at) \
         VALUES ({id}, {day}, '{kind}', '{label}', {decisions}, 1, {day}, {day})"
    );
    assert_eq!(database.execute(&sql).await, 1);
}

async fn a_window_begins_with_its_first_day_and_ends_today(app: &TestApp) {
    let token = app.mint("windowed", &["a"]).await;
    let mut database = app.database().await;
    let today = app.now().start_of_day();
    let noon = today.plus_seconds(43_200);
    app.at(noon.plus_seconds(600), async || {
        app.admin().get("/auth/me").await.expect(200);
    })
    .await;
    // The last hour of the day before the window, its first hour, this hour, and the next one: that is
    // what a node whose clock was ahead has stored.
    let before = today.plus_days(-6).plus_seconds(-1);
    for (moment, decisions) in
        [(before, 1), (today.plus_days(-6), 10), (noon.plus_seconds(600), 100), (noon.plus_days(1), 1_000)]
    {
        roll_up(&mut database, &token.id, moment, "/works", "valid", decisions).await;
    }
    let ask = async |days: u32| {
        let path = format!("{}/analytics?days={days}", token.path());
        app.at(noon.plus_seconds(601), async || app.admin().get(&path).await.expect(200)).await
    };
    for (days, decisions) in [(1, 100), (6, 100), (7, 110), (8, 111)] {
        let shown = ask(days).await;
        assert_eq!(shown["decisions"], decisions, "{days}");
        assert_eq!(shown["by_day"].as_array().unwrap().len(), days as usize);
        assert_eq!(shown["by_day"][days as usize - 1]["decisions"], 100, "{days}");
    }
    let shown = ask(7).await;
    assert_eq!(
        (&shown["by_day"][0]["decisions"], &shown["last_48_hours"][47]["decisions"]),
        (&json!(10), &json!(100))
    );
    let of_day = |hour: usize| shown["by_hour_of_day"][hour]["decisions"].clone();
    assert_eq!((of_day(0), of_day(12), of_day(23)), (json!(10), json!(100), json!(0)));
    assert_eq!(names(&shown["countries"]), ["CH"]);
    // Kept from before the window.
    let first = shown["first_used_at"].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert_eq!(first, before.start_of_hour());
}

async fn only_the_most_frequent_are_named_and_the_rest_is_one(app: &TestApp) {
    let token = app.mint("varied", &["a"]).await;
    let mut database = app.database().await;
    let now = app.now();
    for number in 1..=12 {
        roll_up(&mut database, &token.id, now, &format!("/g{number}"), "valid", number).await;
        source(&mut database, &token.id, now, "user_agent", &format!("agent {number:02}"), number).await;
    }
    roll_up(&mut database, &token.id, now, "other", "expired", 1_000).await;
    source(&mut database, &token.id, now, "user_agent", "other", 1_000).await;
    let shown = app.admin().get(&format!("{}/analytics?days=1", token.path())).await.expect(200);
    let endpoints = ["/g12", "/g11", "/g10", "/g9", "/g8", "/g7", "/g6", "/g5", "/g4", "/g3"];
    assert_eq!(names(&shown["endpoints"]), endpoints);
    assert_eq!(shown["endpoints"]["other"]["decisions"], 1_003);
    assert_eq!(shown["endpoints"]["other"]["denials"], 1_000);
    assert_eq!(names(&shown["user_agents"])[..2], ["agent 12", "agent 11"]);
    assert_eq!(names(&shown["user_agents"]).len(), 10);
    assert_eq!(shown["user_agents"]["other"]["decisions"], 1_003);
}

async fn the_summary_tells_of_all_tokens(app: &TestApp) {
    let (often, seldom) = (app.mint("often", &["a"]).await, app.mint("seldom", &["a"]).await);
    let off = app.mint("off", &["a"]).await;
    app.admin().patch(&off.path(), json!({"is_active": false})).await.expect(200);
    for (days, name) in [(3, "soon"), (20, "later")] {
        app.mint_as(json!({"token_name": name, "permissions": ["a"], "expires_in_days": days})).await;
    }
    let ask = async |secret: &str, ip: &str| {
        app.verify_body(json!({"token": secret, "ip_address": ip})).await.expect(200);
    };
    for _ in 0..3 {
        ask(&often.secret, "192.0.2.1").await;
    }
    ask(&seldom.secret, "192.0.2.1").await;
    for _ in 0..2 {
        ask(&off.secret, "192.0.2.2").await;
    }
    ask(&format!("sk_{}", "0c".repeat(32)), "192.0.2.3").await;
    app.recorded().await;
    let shown = app.admin().get("/analytics/summary?days=1").await.expect(200);
    let numbers = json!({
        "total": 6, "active": 5, "superseded": 0, "inactive": 1, "expired": 0, "revoked": 0,
        "expiring_within_7_days": 1, "expiring_within_30_days": 2,
    });
    assert_eq!(shown["service_tokens"], numbers);
    let codes = json!([{"code": "inactive", "denials": 2}, {"code": "not_found", "denials": 1}]);
    assert_eq!((&shown["decisions"], &shown["denials_by_code"]), (&json!(7), &codes));
    assert_eq!(sum(&shown["by_day"], "decisions"), 7);
    let most_used: Vec<_> = shown["most_used"]
        .as_array()
        .unwrap()
        .iter()
        .map(|used| (used["token_name"].as_str().unwrap(), used["successes"].as_u64().unwrap()))
        .collect();
    assert_eq!(most_used, [("often", 3), ("seldom", 1)]);
    assert_eq!(shown["most_used"][0]["token_id"], often.id);
    let failing: Vec<_> = shown["failing_addresses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|address| (address["name"].as_str().unwrap(), address["denials"].as_u64().unwrap()))
        .collect();
    assert_eq!(failing, [("192.0.2.2", 2), ("192.0.2.3", 1)]);
}

async fn a_look_back_has_bounds(app: &TestApp) {
    let token = app.mint("bounded", &["a"]).await;
    for path in [format!("{}/analytics", token.path()), "/analytics/summary".to_owned()] {
        for (days, code) in [("0", "out_of_range"), ("401", "out_of_range"), ("x", "invalid_type")] {
            app.admin().get(&format!("{path}?days={days}")).await.bad_field("days", code);
        }
        app.admin().get(&format!("{path}?since=1")).await.bad_field("since", "unknown_field");
        for days in ["1", "400"] {
            app.admin().get(&format!("{path}?days={days}")).await.expect(200);
        }
    }
    let unknown = "/auth/tokens/0198c0de-0000-7000-8000-000000000000/analytics";
    app.admin().get(unknown).await.refused(404, "not_found");
    app.admin().get("/auth/tokens/bounded/analytics").await.refused(404, "not_found");
    let reader = app.caller(&["tokens:read"]).await;
    reader.get(&format!("{}/analytics", token.path())).await.expect(200);
    reader.get("/analytics/summary").await.expect(200);
}

async fn what_clients_say_of_themselves_is_told_as_it_is(app: &TestApp) {
    let token = app.mint("strange", &["a"]).await;
    let agent = "\u{202e}<script>alert('=1+1')</script>\u{1b}[2J";
    app.verify_body(json!({"token": token.secret, "user_agent": agent, "endpoint": "/a\"b/17?x=1"}))
        .await
        .decided("valid");
    app.recorded().await;
    let shown = app.admin().get(&format!("{}/analytics", token.path())).await.expect(200);
    // But for control characters, which no label keeps.
    assert_eq!(names(&shown["user_agents"]), ["\u{202e}<script>alert('=1+1')</script>\u{FFFD}[2J"]);
    assert_eq!(names(&shown["endpoints"]), ["/a\"b/{id}"]);
}
