//! The dashboard, the alerts and the documents name metrics that exist, and the documents all of them.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::harness::issuer::TestIssuer;
use crate::harness::{Engine, Scrape, TestApp, eventually};

/// A node that has something to tell of every metric, on each engine.
async fn on_each_engine(check: impl AsyncFn(&TestApp)) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let issuer = TestIssuer::start().await;
        let settings = [
            ("issuers.idp.issuer", issuer.url()),
            ("issuers.idp.audiences", "keywright"),
            ("issuers.idp.email_domains", "example.com"),
        ];
        let Some(app) = TestApp::start_with(engine, &settings).await else { continue };
        check(&app).await;
        app.stop().await;
    }
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = |word: &&str| word.starts_with("keywright_") || word.starts_with("process_");
    words.filter(ours).map(str::to_owned).collect()
}

/// All names that a node exports once every part of it has something to tell.
async fn exported(app: &TestApp) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    eventually("every part has something to tell", async || {
        app.admin().get("/auth/me").await.expect(200);
        names = Scrape::read(app.admin().get("/metrics").await.text()).names();
        [
            "keywright_listener_lag_seconds",
            "keywright_job_last_success",
            "keywright_mail_queued",
            "keywright_notifications_queued",
            "keywright_issuer_keys_age_seconds",
            "keywright_http_request_duration_seconds_count",
        ]
        .iter()
        .all(|late| names.contains(*late))
    })
    .await;
    names
}

/// Every query of the dashboard.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match (key.as_str(), member) {
                    ("expr" | "query", Value::String(query)) => found.push(query.clone()),
                    _ => queries(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

async fn named_is_exported(app: &TestApp) {
    let exported = exported(app).await;
    let dashboard: Value = serde_json::from_str(&read("examples/grafana/keywright.json")).unwrap();
    let mut found = Vec::new();
    queries(&dashboard, &mut found);
    let asked = names(&found.join("\n"));
    assert!(asked.len() > 30, "{asked:?}");
    let alerts = names(&read("examples/prometheus/alerts.yml"));
    assert!(alerts.len() > 10, "{alerts:?}");
    let unknown: Vec<_> = asked.union(&alerts).filter(|name| !exported.contains(*name)).collect();
    assert!(unknown.is_empty(), "{unknown:?} of {exported:?}");
    // A panel for every kind of thing that is told, but for what a node is.
    let unseen: Vec<_> = exported
        .iter()
        .filter(|name| !name.ends_with("_sum") && !name.ends_with("_count"))
        .filter(|name| !asked.contains(*name) && *name != "process_threads")
        .collect();
    assert!(unseen.is_empty(), "no panel shows {unseen:?}");
}

async fn exported_is_documented(app: &TestApp) {
    let families = |names: BTreeSet<String>| -> BTreeSet<String> {
        let histogram = |name: &String| {
            ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .unwrap_or(name)
                .to_owned()
        };
        names.iter().map(histogram).collect()
    };
    let told = families(names(&read("docs/operations.md")));
    assert_eq!(families(exported(app).await), told);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_that_is_named_is_exported() {
    on_each_engine(named_is_exported).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_that_is_exported_is_documented() {
    on_each_engine(exported_is_documented).await;
}

#[test]
fn the_dashboard_is_whole() {
    let dashboard: Value = serde_json::from_str(&read("examples/grafana/keywright.json")).unwrap();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39);
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{panel}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "two panels lie at {x} {y}: {panel}");
            }
        }
        if panel["type"] != "row" {
            assert!(panel["description"].is_string() && panel["fieldConfig"]["defaults"]["unit"].is_string());
            for target in panel["targets"].as_array().unwrap() {
                let query = target["expr"].as_str().unwrap();
                assert!(query.contains("instance=~\"$instance\""), "{query}");
                let balanced =
                    |open, close| query.matches::<char>(open).count() == query.matches::<char>(close).count();
                assert!(balanced('(', ')') && balanced('{', '}'), "{query}");
            }
        }
    }
}
