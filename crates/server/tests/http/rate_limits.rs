//! Rate limits: how often a credential may be used, and what is told of it.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Minted, TestApp, on_both_engines};

on_both_engines![
    what_is_allowed_passes_and_the_next_one_is_told_how_long_to_wait,
    our_own_endpoints_take_one_unit_and_answer_429,
    a_verification_takes_what_it_costs,
    only_what_is_good_is_counted_and_before_its_scopes,
    of_500_at_once_exactly_as_many_pass_as_the_limit_allows,
    rotating_gives_nobody_a_second_budget,
    the_state_of_the_limits_is_told_without_taking_of_them,
    the_asker_pays_for_asking_and_the_credential_for_being_asked_about,
    what_has_no_limit_is_told_none,
];

/// Gives a token limits, before anybody knows of it.
async fn limit(app: &TestApp, token: &Minted, per_minute: u32, per_hour: Option<u32>) {
    let mut database = app.database().await;
    let id = database.uuid(token.id.parse().unwrap());
    let hour = per_hour.map_or("NULL".to_owned(), |limit| limit.to_string());
    let sql = format!(
        "UPDATE service_tokens SET rate_per_minute = {per_minute}, rate_per_hour = {hour} WHERE id = {id}"
    );
    assert_eq!(database.execute(&sql).await, 1);
}

async fn limited(app: &TestApp, name: &str, permissions: &[&str], per_minute: u32) -> Minted {
    let token = app.mint(name, permissions).await;
    limit(app, &token, per_minute, None).await;
    token
}

fn left(decision: &Value) -> u64 {
    decision["rate_limit"]["remaining"].as_u64().unwrap()
}

async fn what_is_allowed_passes_and_the_next_one_is_told_how_long_to_wait(app: &TestApp) {
    let token = limited(app, "three a minute", &["a"], 3).await;
    for remaining in [2, 1, 0] {
        let answer = app.verify(&token.secret).await;
        let decision = answer.decided("valid");
        let state = &decision["rate_limit"];
        assert_eq!(
            (&state["window"], &state["limit"], &state["remaining"]),
            (&json!("minute"), &json!(3), &json!(remaining))
        );
        let reset = state["reset_seconds"].as_u64().unwrap();
        assert!((60..=61).contains(&reset), "{decision}");
        assert_eq!(answer.header("ratelimit-policy"), "\"minute\";q=3;w=60");
        assert_eq!(answer.header("ratelimit"), format!("\"minute\";r={remaining};t={reset}"));
    }
    let answer = app
        .bearing(&token.secret)
        .with("x-request-id", "one-too-many")
        .send("POST", "/auth/verify", None)
        .await;
    let decision = answer.decided("rate_limited");
    assert_eq!((left(&decision), &decision["credential_id"]), (0, &json!(token.id)));
    assert!(answer.header("ratelimit").starts_with("\"minute\";r=0;t="), "{answer:?}");
    app.recorded().await;
    let mut database = app.database().await;
    assert_eq!(database.codes_of("one-too-many").await, ["rate_limited"]);
}

async fn our_own_endpoints_take_one_unit_and_answer_429(app: &TestApp) {
    let token = limited(app, "two calls", &["tokens:read"], 2).await;
    let caller = app.bearing(&token.secret);
    let first = caller.get("/auth/tokens").await;
    first.expect(200);
    assert_eq!(first.header("ratelimit-policy"), "\"minute\";q=2;w=60");
    assert!(first.header("ratelimit").starts_with("\"minute\";r=1;t="), "{first:?}");
    // What is not found is counted all the same.
    let missing = caller.get("/auth/tokens/0198c0de-0000-7000-8000-000000000000").await;
    missing.refused(404, "not_found");
    assert!(missing.header("ratelimit").starts_with("\"minute\";r=0;t="), "{missing:?}");
    for path in ["/auth/tokens", "/auth/me"] {
        let refused = caller.with("x-request-id", "refused").get(path).await;
        let problem = refused.refused(429, "rate_limited");
        assert!(problem["detail"].as_str().unwrap().contains("2 in any minute"), "{problem}");
        let wait: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=61).contains(&wait));
        assert!(refused.header("ratelimit").starts_with("\"minute\";r=0;t="), "{refused:?}");
    }
    app.recorded().await;
    let mut database = app.database().await;
    assert_eq!(database.codes_of("refused").await, ["rate_limited", "rate_limited"]);
    let details =
        "SELECT CAST(error_details AS TEXT) FROM authentication_events WHERE request_id = 'refused'";
    for details in database.texts(details).await {
        let details: Value = serde_json::from_str(&details).unwrap();
        assert_eq!(details, json!({"limit": 2, "window": "minute"}));
    }
}

async fn a_verification_takes_what_it_costs(app: &TestApp) {
    let token = limited(app, "ten units", &["a"], 10).await;
    let costs =
        async |cost: u32| app.bearing(&token.secret).post("/auth/verify", json!({"cost": cost})).await;
    assert_eq!(left(&costs(0).await.decided("valid")), 10);
    assert_eq!(left(&costs(7).await.decided("valid")), 3);
    assert_eq!(left(&costs(4).await.decided("rate_limited")), 3);
    assert_eq!(left(&costs(3).await.decided("valid")), 0);
    assert_eq!(left(&costs(0).await.decided("valid")), 0);
    costs(1).await.decided("rate_limited");
    costs(10_000).await.decided("rate_limited");
    costs(10_001).await.refused(422, "validation_failed");
}

async fn only_what_is_good_is_counted_and_before_its_scopes(app: &TestApp) {
    let token = limited(app, "counted", &["a"], 5).await;
    let look = async || {
        let decision = app.bearing(&token.secret).post("/auth/verify", json!({"cost": 0})).await;
        left(&decision.decided("valid"))
    };
    assert_eq!(look().await, 5);
    app.admin().patch(&token.path(), json!({"is_active": false})).await.expect(200);
    app.verify(&token.secret).await.decided("inactive");
    app.verify(&format!("{}0", token.secret)).await.decided("malformed");
    app.admin().patch(&token.path(), json!({"is_active": true})).await.expect(200);
    assert_eq!(look().await, 5);
    let wanting = app.bearing(&token.secret).post("/auth/verify", json!({"required_scopes": ["b"]})).await;
    let decision = wanting.decided("insufficient_scope");
    assert!(decision.get("rate_limit").is_none(), "{decision}");
    assert!(wanting.header("ratelimit").starts_with("\"minute\";r=4;t="), "{wanting:?}");
    assert_eq!(look().await, 4);
}

async fn of_500_at_once_exactly_as_many_pass_as_the_limit_allows(app: &TestApp) {
    let token = limited(app, "a hundred", &["a"], 100).await;
    let answers = join_all((0..500).map(|_| app.verify(&token.secret))).await;
    let valid = answers.iter().filter(|answer| answer.json()["code"] == "valid").count();
    let refused = answers.iter().filter(|answer| answer.json()["code"] == "rate_limited").count();
    assert_eq!((valid, refused), (100, 400));
}

async fn rotating_gives_nobody_a_second_budget(app: &TestApp) {
    let old = limited(app, "rotated", &["a"], 3).await;
    app.verify(&old.secret).await.decided("valid");
    let answer = app.admin().post(&format!("{}/rotate", old.path()), json!({"reason": "r"})).await;
    let new = Minted::of(&answer);
    let mut database = app.database().await;
    let [old_id, new_id] = [&old, &new].map(|token| database.uuid(token.id.parse().unwrap()));
    let sql =
        format!("UPDATE service_tokens SET rate_per_minute = 3, lineage_id = {old_id} WHERE id = {new_id}");
    assert_eq!(database.execute(&sql).await, 1);
    assert_eq!(left(&app.verify(&new.secret).await.decided("valid")), 1);
    assert_eq!(left(&app.verify(&old.secret).await.decided("valid")), 0);
    for secret in [&old.secret, &new.secret] {
        app.verify(secret).await.decided("rate_limited");
    }
}

async fn the_state_of_the_limits_is_told_without_taking_of_them(app: &TestApp) {
    let token = app.mint("two windows", &["a"]).await;
    limit(app, &token, 10, Some(4)).await;
    app.verify(&token.secret).await.decided("valid");
    let path = format!("{}/limit-state", token.path());
    for _ in 0..2 {
        let state = app.admin().get(&path).await.expect(200);
        assert_eq!((&state["credential_id"], &state["shared"]), (&json!(token.id), &json!(false)));
        let of = |at: usize| {
            let limit = &state["limits"][at];
            (limit["of"].clone(), limit["window"].clone(), limit["limit"].clone(), limit["remaining"].clone())
        };
        assert_eq!(of(0), (json!("credential"), json!("minute"), json!(10), json!(9)));
        assert_eq!(of(1), (json!("credential"), json!("hour"), json!(4), json!(3)));
        assert_eq!((&state["rate_limit"]["window"], &state["limits"][2]), (&json!("hour"), &Value::Null));
    }
    let unlimited = app.mint("unlimited", &[]).await;
    let state = app.admin().get(&format!("{}/limit-state", unlimited.path())).await.expect(200);
    assert_eq!((&state["rate_limit"], &state["limits"]), (&Value::Null, &json!([])));
}

async fn the_asker_pays_for_asking_and_the_credential_for_being_asked_about(app: &TestApp) {
    let asker = limited(app, "asks twice", &["tokens:verify"], 2).await;
    let asked_about = limited(app, "asked about", &["a"], 1).await;
    let ask =
        async || app.bearing(&asker.secret).post("/auth/verify", json!({"token": asked_about.secret})).await;
    let answer = ask().await;
    assert_eq!(left(&answer.decided("valid")), 0);
    assert!(answer.header("ratelimit").starts_with("\"minute\";r=1;t="), "the caller's own: {answer:?}");
    let answer = ask().await;
    answer.decided("rate_limited");
    assert!(answer.header("ratelimit").starts_with("\"minute\";r=0;t="), "{answer:?}");
    let refused = ask().await;
    refused.refused(429, "rate_limited");
    refused.header("retry-after").parse::<u64>().unwrap();
}

async fn what_has_no_limit_is_told_none(app: &TestApp) {
    let answer = app.admin().get("/auth/me").await;
    answer.expect(200);
    assert!(!answer.headers.contains_key("ratelimit") && !answer.headers.contains_key("ratelimit-policy"));
    let answer = app.verify(app.admin_token()).await;
    assert_eq!(answer.decided("valid")["rate_limit"], Value::Null);
    assert!(!answer.headers.contains_key("ratelimit"));
}
