//! Places: from where credentials are used, by a database that the configuration names.

use keywright_verify::places::testing::database;
use serde_json::{Value, json};

use crate::harness::{Engine, TestApp, eventually};

/// A node on each engine, with a database of places in which 192.0.2.0/24 lies in Iceland.
async fn on_each_engine(check: impl AsyncFn(&TestApp, &std::path::Path)) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("places.mmdb");
        std::fs::write(&path, iceland(1_790_000_000)).unwrap();
        let settings = [("geoip.database", path.to_str().unwrap())];
        let Some(app) = TestApp::start_with(engine, &settings).await else { continue };
        check(&app, &path).await;
        app.stop().await;
    }
}

fn iceland(built_at: u32) -> Vec<u8> {
    database(
        built_at,
        &[("192.0.2.0/24", json!({"country_code": "IS", "asn": 64_496, "as_name": "Example"}))],
    )
}

async fn verify_from(app: &TestApp, secret: &str, address: &str, scope: &str) {
    let body = json!({"token": secret, "ip_address": address, "required_scopes": [scope]});
    app.verify_body(body).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_shows_from_where_it_was_used() {
    on_each_engine(async |app, _| {
        let token = app.mint("travels", &["a"]).await;
        for (address, scope) in
            [("192.0.2.1", "a"), ("192.0.2.77", "b"), ("10.1.2.3", "a"), ("198.51.100.1", "a")]
        {
            verify_from(app, &token.secret, address, scope).await;
        }
        app.recorded().await;
        let path = format!("{}/locations", token.path());
        let answer = app.admin().get(&path).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        let shown = answer.expect(200);
        assert_eq!(shown["credential_id"], json!(token.id));
        let told = |list: &str| -> Vec<(Value, Value, Value)> {
            let all = shown[list].as_array().unwrap().iter();
            all.map(|seen| (seen["name"].clone(), seen["decisions"].clone(), seen["denials"].clone()))
                .collect()
        };
        assert_eq!(
            told("countries"),
            [(json!("IS"), json!(2), json!(1)), (json!("private"), json!(1), json!(0))]
        );
        assert_eq!(
            told("networks"),
            [(json!("AS64496 Example"), json!(2), json!(1)), (json!("private"), json!(1), json!(0))]
        );
        let [first, last] =
            ["first_seen_at", "last_seen_at"].map(|field| shown["countries"][0][field].as_str().unwrap());
        assert!(first <= last && first.ends_with('Z'), "{shown}");
        assert_eq!(
            app.admin().get(&format!("{path}?days=1")).await.expect(200)["countries"],
            shown["countries"]
        );
        app.admin().get(&format!("{path}?days=0")).await.bad_field("days", "out_of_range");
        let events = format!("/audit/authentication-events?credential_id={}&order=asc", token.id);
        let events = app.admin().get(&events).await.expect(200);
        let countries: Vec<_> =
            events["items"].as_array().unwrap().iter().map(|event| &event["country"]).collect();
        assert_eq!(countries, [&json!("IS"), &json!("IS"), &json!("private"), &Value::Null]);
        let analytics = app.admin().get(&format!("{}/analytics", token.path())).await.expect(200);
        assert_eq!(analytics["countries"]["top"][0]["name"], "IS");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_database_is_read_and_a_broken_one_is_told_and_not_used() {
    on_each_engine(async |app, path| {
        let status = async || app.admin().get("/system/status").await.expect(200)["places"].clone();
        assert_eq!(status().await, json!({"built_at": "2026-09-21T14:13:20Z", "fault": null}));
        let replace = |bytes: Vec<u8>| {
            let next = path.with_extension("next");
            std::fs::write(&next, bytes).unwrap();
            std::fs::rename(&next, path).unwrap();
        };
        replace(b"broken".to_vec());
        eventually("the fault is told", async || status().await["fault"].is_string()).await;
        assert_eq!(status().await["built_at"], "2026-09-21T14:13:20Z");
        let token = app.mint("still placed", &["a"]).await;
        verify_from(app, &token.secret, "192.0.2.1", "a").await;
        app.recorded().await;
        let shown = app.admin().get(&format!("{}/locations", token.path())).await.expect(200);
        assert_eq!(shown["countries"][0]["name"], "IS");
        replace(iceland(1_790_000_060));
        eventually("it is read", async || status().await["built_at"] == "2026-09-21T14:14:20Z").await;
        assert_eq!(status().await["fault"], Value::Null);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_database_the_lists_are_empty_and_nothing_else_is_missing() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(app) = TestApp::start(engine).await else { continue };
        let token = app.mint("nowhere", &["a"]).await;
        verify_from(&app, &token.secret, "192.0.2.1", "a").await;
        app.recorded().await;
        let shown = app.admin().get(&format!("{}/locations", token.path())).await.expect(200);
        assert_eq!(shown, json!({"credential_id": token.id, "countries": [], "networks": []}));
        assert_eq!(app.admin().get("/system/status").await.expect(200)["places"], Value::Null);
        app.stop().await;
    }
}
