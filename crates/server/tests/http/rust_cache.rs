//! The cache of `keywright-client` against a real node: it decides as the authority does, hears of changes, and reports
//! each decision once.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use keywright_client::{
    CacheOptions, Cached, Client, ClientOptions, Decide, KeywrightLayer, Question, Requirements, ScopeSet,
    Secret, Verdict,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::rust_client::{Served, arriving, served, service};
use crate::harness::proxy::{Mode, Proxy};
use crate::harness::{Engine, Minted, PATIENCE, TestApp, eventually, on_both_engines};

on_both_engines![
    a_known_credential_is_decided_on_without_asking,
    what_is_revoked_is_refused_once_that_was_told,
    what_is_narrowed_is_decided_on_anew,
    an_emergency_ends_everything_that_was_kept,
    a_limited_credential_is_asked_about_each_time,
    each_decision_is_on_record_once,
    what_a_process_left_is_reported_by_the_next,
    a_journal_that_is_full_leaves_the_decision_to_the_authority,
    the_verdict_is_that_of_the_authority,
    a_stream_that_falls_silent_is_not_relied_on,
];

/// A gate over a cache.
struct Gate {
    cached: Arc<Cached>,
    service: Router,
    folder: TempDir,
}

fn options(folder: &Path) -> CacheOptions {
    CacheOptions { journal_allow_ephemeral: true, ..CacheOptions::new(folder) }
}

async fn started(client: Client, options: &CacheOptions) -> Arc<Cached> {
    let mut cached = None;
    // Who had the folder before may have left it a moment ago.
    eventually("the cache starts", async || {
        cached = Cached::start(client.clone(), options).ok();
        cached.is_some()
    })
    .await;
    let cached = Arc::new(cached.unwrap());
    eventually("the cache follows", async || cached.is_following()).await;
    cached
}

impl Gate {
    async fn before(app: &TestApp) -> Self {
        let asker = app.mint("of the gate", &["tokens:verify"]).await;
        Self::at(&format!("http://{}", app.address()), &asker.secret).await
    }

    async fn at(url: &str, credential: &str) -> Self {
        let client = Client::new(&ClientOptions::new(url, Secret::new(credential))).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cached = started(client, &options(folder.path())).await;
        // More than anything takes, also on a machine that has much to do.
        let layer = KeywrightLayer::over(Arc::clone(&cached)).timeout(Duration::from_secs(10));
        Self { service: service(&layer), cached, folder }
    }

    async fn ask(&self, path: &str, token: &Minted) -> Served {
        served(&self.service, arriving(path, &token.secret, "192.0.2.1")).await
    }

    /// Reports all that was decided.
    async fn close(self) {
        let Self { cached, service, folder } = self;
        drop(service);
        assert!(Arc::into_inner(cached).unwrap().close(PATIENCE).await, "everything is reported");
        drop(folder);
    }
}

async fn a_known_credential_is_decided_on_without_asking(app: &TestApp) {
    let gate = Gate::before(app).await;
    let token = app.mint("caller", &["works:read"]).await;
    assert_eq!(gate.ask("/works", &token).await.status, 200);
    let asked = gate.cached.statistics().asked;
    let mut decided = 0;
    // A beat may be late now and then; then it asks.
    eventually("most are decided without asking", async || {
        assert_eq!(gate.ask("/works", &token).await.text, "caller 1");
        let refused = gate.ask("/both", &token).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "insufficient_scope"));
        assert!(refused.text.contains("works:write"), "{}", refused.text);
        decided += 2;
        gate.cached.statistics().hits >= 20
    })
    .await;
    let statistics = gate.cached.statistics();
    assert_eq!(statistics.hits + statistics.asked - asked, decided);
    gate.close().await;
}

async fn what_is_revoked_is_refused_once_that_was_told(app: &TestApp) {
    let gate = Gate::before(app).await;
    for round in 0..5 {
        let token = app.mint(&format!("round {round}"), &["works:read"]).await;
        let hits = gate.cached.statistics().hits;
        eventually("it is kept", async || {
            assert_eq!(gate.ask("/works", &token).await.status, 200);
            gate.cached.statistics().hits > hits
        })
        .await;
        app.admin().delete(&token.path()).await.expect(204);
        eventually("it is refused", async || gate.ask("/works", &token).await.status == 401).await;
        assert_eq!(gate.ask("/works", &token).await.code(), "revoked", "and never accepted again");
    }
    gate.close().await;
}

async fn what_is_narrowed_is_decided_on_anew(app: &TestApp) {
    let gate = Gate::before(app).await;
    let token = app.mint("narrowed", &["works:read"]).await;
    assert_eq!(gate.ask("/works", &token).await.status, 200);
    app.admin().patch(&token.path(), json!({"permissions": ["songs:read"]})).await.expect(200);
    eventually("it is refused", async || gate.ask("/works", &token).await.status == 403).await;
    assert_eq!(gate.ask("/either", &token).await.status, 200);
    app.admin().patch(&token.path(), json!({"is_active": false})).await.expect(200);
    eventually("it is inactive", async || gate.ask("/either", &token).await.status == 401).await;
    gate.close().await;
}

async fn an_emergency_ends_everything_that_was_kept(app: &TestApp) {
    let gate = Gate::at(&format!("http://{}", app.address()), app.admin_token()).await;
    let token = app.mint("caller", &["works:read"]).await;
    assert_eq!(gate.ask("/works", &token).await.status, 200);
    let body = json!({"reason": "breach", "scope": {"all": true}, "keep_caller": true});
    app.admin().post("/auth/emergency-revoke", body).await.expect(200);
    eventually("it is refused", async || gate.ask("/works", &token).await.status == 401).await;
    gate.close().await;
}

async fn a_limited_credential_is_asked_about_each_time(app: &TestApp) {
    let gate = Gate::before(app).await;
    let limited = json!({"token_name": "limited", "permissions": ["works:read"],
        "rate_limits": {"per_minute": 5, "per_hour": null}});
    let token = app.mint_as(limited).await;
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(gate.ask("/works", &token).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429]);
    assert_eq!(gate.cached.statistics().hits, 0);
    gate.close().await;
}

/// The events of a token, and how often it was used by its counter.
async fn on_record(app: &TestApp, token: &Minted) -> (Vec<Value>, u64) {
    app.recorded().await;
    let path = format!("/audit/authentication-events?credential_id={}&limit=200", token.id);
    let events = app.admin().get(&path).await.expect(200)["items"].as_array().unwrap().clone();
    let used = app.admin().get(&token.path()).await.expect(200)["usage_count"].as_u64().unwrap();
    (events, used)
}

async fn each_decision_is_on_record_once(app: &TestApp) {
    let gate = Gate::before(app).await;
    let token = app.mint("caller", &["works:read"]).await;
    let mut decided = 0;
    eventually("some are decided here", async || {
        gate.ask("/works", &token).await;
        gate.ask("/both", &token).await;
        decided += 1;
        gate.cached.statistics().hits >= 20
    })
    .await;
    gate.close().await;
    let (events, used) = on_record(app, &token).await;
    assert_eq!((events.len(), used), (2 * decided, decided as u64));
    for event in &events {
        let expected = if event["endpoint"] == "/works" { "valid" } else { "insufficient_scope" };
        assert_eq!(event["code"], expected, "{event}");
        assert_eq!((&event["ip_address"], &event["method"]), (&json!("192.0.2.1"), &json!("GET")));
        assert_eq!(event["token_name"], "caller", "{event}");
        assert!(event["asked_by_id"].is_string(), "{event}");
    }
}

async fn what_a_process_left_is_reported_by_the_next(app: &TestApp) {
    let token = app.mint("caller", &["works:read"]).await;
    let asker = app.mint("of the gate", &["tokens:verify"]).await;
    let url = format!("http://{}", app.address());
    let mut decided = 0;
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let client = Client::new(&ClientOptions::new(&url, Secret::new(asker.secret.as_str()))).unwrap();
        let cached = started(client, &options(folder.path())).await;
        let service = service(&KeywrightLayer::over(Arc::clone(&cached)));
        let before = cached.statistics().hits;
        while cached.statistics().hits < before + 10 {
            assert_eq!(served(&service, arriving("/works", &token.secret, "192.0.2.1")).await.status, 200);
            decided += 1;
        }
        // It goes without a word.
    }
    let client = Client::new(&ClientOptions::new(&url, Secret::new(asker.secret.as_str()))).unwrap();
    let cached = started(client, &options(folder.path())).await;
    assert!(Arc::into_inner(cached).unwrap().close(PATIENCE).await);
    let (events, used) = on_record(app, &token).await;
    assert_eq!((events.len(), used), (decided, decided as u64));
}

async fn a_journal_that_is_full_leaves_the_decision_to_the_authority(app: &TestApp) {
    let asker = app.mint("of the gate", &["tokens:verify"]).await;
    let client = Client::new(&ClientOptions::new(
        format!("http://{}", app.address()),
        Secret::new(asker.secret.as_str()),
    ));
    let folder = tempfile::tempdir().unwrap();
    let small = CacheOptions { journal_max_bytes: 100, ..options(folder.path()) };
    let cached = started(client.unwrap(), &small).await;
    let service = service(&KeywrightLayer::over(Arc::clone(&cached)));
    let token = app.mint("caller", &["works:read"]).await;
    for _ in 0..5 {
        assert_eq!(served(&service, arriving("/works", &token.secret, "192.0.2.1")).await.status, 200);
    }
    assert_eq!(cached.statistics().hits, 0, "no decision without a record");
    assert_eq!(on_record(app, &token).await.0.len(), 5);
}

/// Scopes, networks and wishes of which some fit each other.
fn sets() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("(works|songs|\\*)(:(read|write|admin|\\*))?", 0..3)
        .prop_filter("scopes", |texts| ScopeSet::parse(texts).is_ok())
}

async fn the_verdict_is_that_of_the_authority(app: &TestApp) {
    let gate = Gate::before(app).await;
    let mut runner = TestRunner::deterministic();
    let mut pick = |strategy: BoxedStrategy<Vec<String>>| strategy.new_tree(&mut runner).unwrap().current();
    let networks =
        || proptest::collection::vec("(192\\.0\\.2\\.0/24|192\\.0\\.2\\.128/25|2001:db8::/32)", 0..2).boxed();
    let addresses = ["192.0.2.1", "192.0.2.200", "::ffff:192.0.2.1", "2001:db8::1", "198.51.100.1", ""];
    let mut compared = 0;
    for number in 0..12 {
        let mut body = json!({"token_name": format!("random {number}"), "permissions": pick(sets().boxed())});
        let allowlist: Vec<String> = pick(networks());
        if !allowlist.is_empty() {
            body["ip_allowlist"] = json!(std::collections::BTreeSet::from_iter(allowlist));
        }
        let token = app.mint_as(body).await;
        // So that there is something to decide by.
        for address in addresses {
            decide(&gate.cached, &token.secret, &Requirements::none(), address).await;
        }
        for _ in 0..6 {
            let (required, any) = (pick(sets().boxed()), pick(sets().boxed()));
            let wanted = Requirements {
                required_scopes: ScopeSet::parse(&required).unwrap(),
                any_scopes: ScopeSet::parse(&any).unwrap(),
            };
            for address in addresses {
                let hits = gate.cached.statistics().hits;
                let here = decide(&gate.cached, &token.secret, &wanted, address).await;
                compared += u32::from(gate.cached.statistics().hits > hits);
                let mut asked =
                    json!({"token": token.secret, "required_scopes": required, "ip_address": address});
                if !any.is_empty() {
                    asked["any_scopes"] = json!(any);
                }
                let there = app.verify_body(asked).await.expect(200);
                assert_eq!(
                    here,
                    (there["code"].clone(), there["missing_scopes"].clone()),
                    "{address} {wanted:?}"
                );
            }
        }
    }
    assert!(compared > 200, "only {compared} were decided by the cache");
    gate.close().await;
}

async fn decide(cached: &Cached, token: &str, wanted: &Requirements, address: &str) -> (Value, Value) {
    let question = Question {
        token,
        wanted,
        publisher_id: None,
        ip_address: address.parse().ok(),
        user_agent: None,
        method: "GET",
        endpoint: "/",
        cloudflare_ray_id: None,
        cost: 1,
        request_id: "r",
    };
    match cached.decide(question).await.unwrap() {
        Verdict::Valid(..) => (json!("valid"), Value::Null),
        Verdict::Denied(denial) => (json!(denial.code), json!(denial.missing_scopes)),
    }
}

async fn a_stream_that_falls_silent_is_not_relied_on(app: &TestApp) {
    let proxy = Proxy::before(&format!("http://{}", app.address())).await;
    let asker = app.mint("of the gate", &["tokens:verify"]).await;
    let gate = Gate::at(proxy.url().trim_end_matches('/'), &asker.secret).await;
    let token = app.mint("caller", &["works:read"]).await;
    for mode in [Mode::Stall, Mode::Refuse] {
        eventually("it is kept", async || {
            let hits = gate.cached.statistics().hits;
            gate.ask("/works", &token).await.status == 200 && gate.cached.statistics().hits > hits
        })
        .await;
        proxy.set(mode);
        eventually("nothing is known any more", async || gate.ask("/works", &token).await.status == 503)
            .await;
        assert!(!gate.cached.is_following());
        assert_eq!(gate.ask("/works", &token).await.status, 503, "and stays so while nothing is heard");
        proxy.set(Mode::Pass);
        eventually("it is asked about again", async || gate.ask("/works", &token).await.status == 200).await;
    }
    proxy.set(Mode::Stall);
    app.admin().delete(&token.path()).await.expect(204);
    eventually("nothing is known any more", async || gate.ask("/works", &token).await.status == 503).await;
    proxy.set(Mode::Pass);
    eventually("it is refused", async || {
        let status = gate.ask("/works", &token).await.status;
        assert_ne!(status, 200, "what was revoked meanwhile is never accepted again");
        status == 401
    })
    .await;
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_node_revokes_is_refused() {
    let Some(one) = TestApp::start(Engine::Postgres).await else { return };
    let other = one.another(None, &[]).await;
    let gate = Gate::before(&one).await;
    for round in 0..5 {
        let token = one.mint(&format!("round {round}"), &["works:read"]).await;
        assert_eq!(gate.ask("/works", &token).await.status, 200);
        assert_eq!(gate.ask("/works", &token).await.status, 200);
        other.admin().delete(&token.path()).await.expect(204);
        eventually("it is refused", async || gate.ask("/works", &token).await.status == 401).await;
        assert_eq!(gate.ask("/works", &token).await.status, 401);
    }
    gate.close().await;
    other.stop().await;
    one.stop().await;
}
