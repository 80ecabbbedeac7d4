//! Limits and places of one's own personal tokens: what is left, and from where they were used.

use keywright_core::BuiltInRole::PublisherEditor;
use keywright_verify::places::testing::database;
use serde_json::{Value, json};

use crate::harness::{Engine, Minted, TestApp, on_both_engines};
use crate::users_me_tokens::{make, path, person};

on_both_engines![
    a_token_and_its_publisher_both_limit_and_both_are_told,
    a_rotated_token_shares_what_is_left,
    what_is_another_users_is_not_found,
];

fn told(state: &Value) -> Vec<(Value, Value, Value)> {
    let limits = state["limits"].as_array().unwrap().iter();
    limits.map(|limit| (limit["of"].clone(), limit["window"].clone(), limit["remaining"].clone())).collect()
}

async fn a_token_and_its_publisher_both_limit_and_both_are_told(app: &TestApp) {
    let tenant = app.tenant("Songs").await;
    let settings = format!("/publishers/{}/settings", tenant.id);
    app.admin().patch(&settings, json!({"rate_limits": {"per_hour": 3}})).await.expect(200);
    let (_, me) = person(app, "ada@example.com", &tenant, PublisherEditor).await;
    let limited = make(&me, json!({"name": "limited", "scopes": [], "rate_limits": {"per_minute": 2}})).await;
    let other = make(&me, json!({"name": "other", "scopes": []})).await;
    assert_eq!(app.verify(&limited.secret).await.decided("valid")["rate_limit"]["window"], "minute");
    app.verify(&other.secret).await.decided("valid");
    let state = async |token: &Minted| me.get(&format!("{}/limit-state", path(token))).await.expect(200);
    let of_publisher = (json!("publisher"), json!("hour"), json!(1));
    assert_eq!(
        told(&state(&limited).await),
        [(json!("credential"), json!("minute"), json!(1)), of_publisher.clone()]
    );
    assert_eq!(told(&state(&other).await), [of_publisher], "asking took nothing");
    app.verify(&other.secret).await.decided("valid");
    let refused = app.verify(&limited.secret).await.decided("rate_limited");
    assert_eq!(
        (&refused["rate_limit"]["window"], &refused["rate_limit"]["limit"]),
        (&json!("hour"), &json!(3))
    );
    assert_eq!(told(&state(&limited).await)[0].2, json!(1), "of its own nothing was taken");
}

async fn a_rotated_token_shares_what_is_left(app: &TestApp) {
    let tenant = app.tenant("Songs").await;
    let (_, me) = person(app, "ada@example.com", &tenant, PublisherEditor).await;
    let old = make(&me, json!({"name": "deploy", "scopes": [], "rate_limits": {"per_minute": 2}})).await;
    app.verify(&old.secret).await.decided("valid");
    let new = Minted::of(&me.post(&format!("{}/rotate", path(&old)), json!({"reason": "r"})).await);
    assert_eq!(app.verify(&new.secret).await.decided("valid")["rate_limit"]["remaining"], 0);
    for token in [&old, &new] {
        app.verify(&token.secret).await.decided("rate_limited");
    }
}

async fn what_is_another_users_is_not_found(app: &TestApp) {
    let tenant = app.tenant("Songs").await;
    let (_, ada) = person(app, "ada@example.com", &tenant, PublisherEditor).await;
    let (_, eve) = person(app, "eve@example.com", &tenant, PublisherEditor).await;
    let token = make(&ada, json!({"name": "hers", "scopes": []})).await;
    for what in ["limit-state", "locations"] {
        let of_hers = format!("{}/{what}", path(&token));
        ada.get(&of_hers).await.expect(200);
        eve.get(&of_hers).await.refused(404, "not_found");
        app.admin().get(&of_hers).await.refused(403, "user_required");
        app.bearing(&token.secret).get(&of_hers).await.refused(403, "user_required");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_shows_from_where_it_was_used() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("places.mmdb");
        std::fs::write(&file, database(1, &[("192.0.2.0/24", json!({"country_code": "IS"}))])).unwrap();
        let settings = [("geoip.database", file.to_str().unwrap())];
        let Some(app) = TestApp::start_with(engine, &settings).await else { continue };
        let tenant = app.tenant("Songs").await;
        let (_, me) = person(&app, "ada@example.com", &tenant, PublisherEditor).await;
        let token = make(&me, json!({"name": "travels", "scopes": []})).await;
        app.verify_body(json!({"token": token.secret, "ip_address": "192.0.2.1"})).await.decided("valid");
        app.recorded().await;
        let shown = me.get(&format!("{}/locations", path(&token))).await.expect(200);
        assert_eq!((&shown["countries"][0]["name"], &shown["networks"]), (&json!("IS"), &json!([])));
        let sessions = me.get("/auth/sessions").await.expect(200);
        assert_eq!(sessions["items"][0]["country"], "private");
        app.stop().await;
    }
}
