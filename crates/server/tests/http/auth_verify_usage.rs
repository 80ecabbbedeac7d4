//! `POST /auth/verify/usage`: what caches elsewhere have decided is on record once.

use keywright_authority::jobs::sweep;
use keywright_core::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::auth_verify_stream::verifier_of;
use crate::harness::child::Server;
use crate::harness::{Caller, Engine, Minted, TestApp, eventually, id, on_both_engines, standing_still};

on_both_engines![
    a_reported_decision_is_an_event_as_any_other,
    what_is_reported_again_changes_nothing,
    what_is_reported_by_many_at_once_is_taken_once,
    a_report_with_one_bad_decision_is_taken_not_at_all,
    a_voucher_serves_nobody_but_those_it_was_given_to,
    a_report_is_bounded,
    whoever_may_not_ask_may_not_report,
];

standing_still![which_decisions_were_taken_is_remembered_for_as_long_as_they_are_taken];

const PATH: &str = "/auth/verify/usage";

/// What the caller may keep of a decision on a token.
async fn kept(caller: &Caller, token: &str) -> Value {
    caller.post("/auth/verify", json!({"token": token, "cacheable": true})).await.decided("valid")["cache"]
        .clone()
}

fn decision(number: u128, kept: &Value) -> Value {
    json!({
        "event_id": Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0000 + number),
        "voucher": kept["voucher"], "code": "valid", "occurred_at": kept["decided_at"],
        "endpoint": "/works", "method": "GET", "request_id": format!("far-{number}"),
    })
}

async fn events(app: &TestApp, token: &Minted) -> Vec<Value> {
    let path = format!("/audit/authentication-events?credential_id={}&limit=200", token.id);
    let page = app.admin().get(&path).await.expect(200);
    let far = |event: &&Value| event["request_id"].as_str().unwrap().starts_with("far-");
    page["items"].as_array().unwrap().iter().filter(far).cloned().collect()
}

async fn uses(app: &TestApp, token: &Minted) -> u64 {
    app.recorded().await;
    app.admin().get(&token.path()).await.expect(200)["usage_count"].as_u64().unwrap()
}

async fn a_reported_decision_is_an_event_as_any_other(app: &TestApp) {
    let asker = app.mint("asker", &["tokens:verify"]).await;
    let token = app.mint("used elsewhere", &["a"]).await;
    let kept = kept(&app.bearing(&asker.secret), &token.secret).await;
    let mut valid = decision(1, &kept);
    for (field, value) in [
        ("ip_address", json!("192.0.2.1")),
        ("user_agent", json!("partner/1")),
        ("cloudflare_ray_id", json!("8f")),
        ("latency_microseconds", json!(7)),
    ] {
        valid[field] = value;
    }
    let mut denied = decision(2, &kept);
    denied["code"] = json!("insufficient_scope");
    denied["missing_scopes"] = json!(["b"]);
    let mut elsewhere = decision(3, &kept);
    elsewhere["code"] = json!("ip_not_allowed");
    elsewhere["endpoint"] = json!(format!("/works/{}", token.secret));
    let report = json!({"decisions": [valid, denied, elsewhere]});
    let answer = app.bearing(&asker.secret).post(PATH, report).await.expect(200);
    assert_eq!(answer, json!({"recorded": 3}));
    let mut events = events(app, &token).await;
    events.sort_by_key(|event| event["request_id"].to_string());
    let codes: Vec<_> = events.iter().map(|event| event["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["valid", "insufficient_scope", "ip_not_allowed"]);
    let first = &events[0];
    for (field, value) in [
        ("type", json!("verify")),
        ("success", json!(true)),
        ("ip_address", json!("192.0.2.1")),
        ("user_agent", json!("partner/1")),
        ("method", json!("GET")),
        ("endpoint", json!("/works")),
        ("asked_by_id", json!(asker.id)),
        ("credential_id", json!(token.id)),
    ] {
        assert_eq!(first[field], value, "{field}: {first}");
    }
    assert_eq!(events[1]["error_details"], json!({"missing_scopes": ["b"], "missing": 1}));
    assert!(!json!(events).to_string().contains(&token.secret), "no credential is kept");
    // The verification that was answered here, and the use elsewhere.
    assert_eq!(uses(app, &token).await, 2);
}

async fn what_is_reported_again_changes_nothing(app: &TestApp) {
    let token = app.mint("used elsewhere", &["a"]).await;
    let kept = kept(&app.admin(), &token.secret).await;
    let report = |numbers: std::ops::Range<u128>| json!({"decisions": numbers.map(|number| decision(number, &kept)).collect::<Vec<_>>()});
    for _ in 0..3 {
        assert_eq!(app.admin().post(PATH, report(0..5)).await.expect(200), json!({"recorded": 5}));
    }
    // Some old, some new.
    app.admin().post(PATH, report(3..8)).await.expect(200);
    assert_eq!((events(app, &token).await.len(), uses(app, &token).await), (8, 9));
}

async fn what_is_reported_by_many_at_once_is_taken_once(app: &TestApp) {
    let token = app.mint("used elsewhere", &["a"]).await;
    let kept = kept(&app.admin(), &token.secret).await;
    let reports = (0..20_u128).map(|shift| {
        let mut decisions: Vec<_> = (0..30).map(|number| decision(number, &kept)).collect();
        // Each in an order of its own.
        decisions.rotate_left(usize::try_from(shift).unwrap());
        let caller = app.admin();
        async move { caller.post(PATH, json!({"decisions": decisions})).await.status }
    });
    let statuses = futures::future::join_all(reports).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!((events(app, &token).await.len(), uses(app, &token).await), (30, 31));
}

async fn a_report_with_one_bad_decision_is_taken_not_at_all(app: &TestApp) {
    let token = app.mint("used elsewhere", &["a"]).await;
    let kept = kept(&app.admin(), &token.secret).await;
    let at = |seconds: i64| {
        let moment: Timestamp = kept["decided_at"].as_str().unwrap().parse().unwrap();
        moment.plus_seconds(seconds).to_string()
    };
    for (field, value) in [
        ("voucher", json!("nonsense")),
        ("voucher", json!(kept["voucher"].as_str().unwrap().to_ascii_lowercase())),
        // Not yet, and too long ago, by the clock and by the voucher.
        ("occurred_at", json!(at(60))),
        ("occurred_at", json!(at(-60))),
        ("occurred_at", json!(at(-2 * 86_400))),
    ] {
        let mut bad = decision(1, &kept);
        bad[field] = value;
        let report = json!({"decisions": [decision(0, &kept), bad]});
        let fields = app.admin().post(PATH, report).await.bad_fields(422, "validation_failed");
        assert_eq!(fields[0].0, format!("decisions[1].{field}"));
    }
    let mut odd = decision(1, &kept);
    odd["code"] = json!("revoked");
    app.admin().post(PATH, json!({"decisions": [odd]})).await.refused(422, "validation_failed");
    assert_eq!((events(app, &token).await.len(), uses(app, &token).await), (0, 1));
    // Two clocks may be some seconds apart.
    let mut early = decision(1, &kept);
    early["occurred_at"] = json!(at(-2));
    app.admin().post(PATH, json!({"decisions": [early]})).await.expect(200);
}

async fn a_voucher_serves_nobody_but_those_it_was_given_to(app: &TestApp) {
    let (publisher, asker) = verifier_of(app, "Song & Co").await;
    let (_, stranger) = verifier_of(app, "Strangers").await;
    let own = kept(&app.bearing(&asker.secret), &asker.secret).await;
    let report = |kept: &Value| json!({"decisions": [decision(1, kept)]});
    let platform = kept(&app.admin(), &asker.secret).await;
    for (caller, kept) in [
        (app.bearing(&stranger.secret), &own),
        (app.admin(), &own),
        (app.bearing(&asker.secret), &platform),
        (app.bearing(&stranger.secret), &platform),
    ] {
        let fields = caller.post(PATH, report(kept)).await.bad_fields(422, "validation_failed");
        assert_eq!(fields[0].0, "decisions[0].voucher");
    }
    assert_eq!(events(app, &asker).await.len(), 0);
    app.bearing(&asker.secret).post(PATH, report(&own)).await.expect(200);
    let event = &events(app, &asker).await[0];
    assert_eq!(event["publisher_id"], json!(id(&publisher)));
    assert_eq!(event["principal_type"], json!("service_account"));
}

async fn a_report_is_bounded(app: &TestApp) {
    let token = app.mint("used elsewhere", &["a"]).await;
    let kept = kept(&app.admin(), &token.secret).await;
    let many = |count: u128| json!({"decisions": (0..count).map(|n| decision(n, &kept)).collect::<Vec<_>>()});
    app.admin().post(PATH, many(1_001)).await.refused(422, "validation_failed");
    app.admin().post(PATH, many(0)).await.refused(422, "validation_failed");
    let twice = json!({"decisions": [decision(1, &kept), decision(1, &kept)]});
    app.admin().post(PATH, twice).await.refused(422, "validation_failed");
    app.admin().send_bytes("POST", PATH, vec![b' '; 1024 * 1024 + 1]).await.refused(413, "payload_too_large");
    app.admin().send_bytes("POST", PATH, b"{}".to_vec()).await.refused(415, "unsupported_media_type");
    assert_eq!(app.admin().post(PATH, many(1_000)).await.expect(200), json!({"recorded": 1_000}));
    assert_eq!(uses(app, &token).await, 1_001);
}

async fn whoever_may_not_ask_may_not_report(app: &TestApp) {
    let token = app.mint("used elsewhere", &["a"]).await;
    let kept = kept(&app.admin(), &token.secret).await;
    let report = json!({"decisions": [decision(1, &kept)]});
    app.nobody().post(PATH, report.clone()).await.refused(401, "missing_credential");
    app.bearing(&token.secret).post(PATH, report).await.refused(403, "insufficient_scope");
    assert_eq!(events(app, &token).await.len(), 0);
}

async fn which_decisions_were_taken_is_remembered_for_as_long_as_they_are_taken(app: &TestApp) {
    let token = app.mint("used elsewhere", &["a"]).await;
    let kept = kept(&app.admin(), &token.secret).await;
    let report = json!({"decisions": [decision(1, &kept)]});
    app.admin().post(PATH, report.clone()).await.expect(200);
    let remembered = async || {
        sweep(app.authority()).await.unwrap();
        app.database().await.number("SELECT COUNT(*) FROM reported_decisions").await
    };
    app.advance(86_000);
    assert_eq!(remembered().await, 1);
    app.admin().post(PATH, report.clone()).await.expect(200);
    app.advance(2 * 86_400);
    eventually("it is forgotten", async || remembered().await == 0).await;
    let fields = app.admin().post(PATH, report).await.bad_fields(422, "validation_failed");
    assert_eq!(fields[0].0, "decisions[0].occurred_at");
    assert_eq!(events(app, &token).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_reported_to_two_nodes_is_taken_once() {
    let Some(one) = TestApp::start(Engine::Postgres).await else { return };
    let other = one.another(None, &[]).await;
    let token = one.mint("used elsewhere", &["a"]).await;
    let kept = kept(&one.admin(), &token.secret).await;
    let report = json!({"decisions": (0..20).map(|number| decision(number, &kept)).collect::<Vec<_>>()});
    let (first, second) = (one.admin(), other.admin());
    let (a, b) = tokio::join!(first.post(PATH, report.clone()), second.post(PATH, report.clone()));
    assert_eq!((a.status, b.status), (200, 200));
    assert_eq!((events(&other, &token).await.len(), uses(&one, &token).await), (20, 21));
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_there_after_a_kill_and_what_was_not_can_be_reported_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("keywright.db").display());
    let server = Server::start(folder.path(), &url).await;
    let admin = server.first_token().await;
    let caller = server.nobody().bearing(&admin);
    let minted =
        Minted::of(&caller.post("/auth/tokens", json!({"token_name": "t", "permissions": ["a"]})).await);
    let kept = kept(&caller, &minted.secret).await;
    let report = json!({"decisions": (0..200).map(|number| decision(number, &kept)).collect::<Vec<_>>()});
    // One that is answered, and one that may be cut short at any point.
    let half = json!({"decisions": (0..100).map(|number| decision(number, &kept)).collect::<Vec<_>>()});
    caller.post(PATH, half).await.expect(200);
    let (cut, body) = (caller.with("content-type", "application/json"), report.to_string().into_bytes());
    let cutting = tokio::spawn(async move { cut.try_send("POST", PATH, body).await.is_ok() });
    server.kill().await;
    let _ = cutting.await;
    let server = Server::start(folder.path(), &url).await;
    let caller = server.nobody().bearing(&admin);
    for _ in 0..2 {
        caller.post(PATH, report.clone()).await.expect(200);
    }
    let mut database = crate::harness::Database::connect(&url).await;
    let rows =
        database.number("SELECT COUNT(*) FROM authentication_events WHERE request_id LIKE 'far-%'").await;
    let counted = database.number("SELECT COALESCE(SUM(usage_count), 0) FROM credential_usage").await;
    let used = database.number("SELECT COUNT(*) FROM authentication_events WHERE success").await;
    assert_eq!(rows, 200);
    assert!(counted >= 200 && counted <= used, "{counted} uses by {used} rows");
    server.kill().await;
}
