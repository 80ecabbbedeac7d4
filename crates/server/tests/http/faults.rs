//! The store away, silent, back again: known credentials answer for their grace, unknown ones are 503
//! and never 401, changes change nothing, and all heals without a restart.

use serde_json::{Value, json};

use crate::harness::proxy::{Mode, Proxy};
use crate::harness::{Answer, Engine, Minted, TestApp, eventually};

/// A node whose way to the store can be cut, and one beside it whose way cannot.
struct Cut {
    direct: TestApp,
    app: TestApp,
    proxy: Proxy,
}

impl Cut {
    async fn start(grace_seconds: &str) -> Option<Self> {
        let direct = TestApp::start(Engine::Postgres).await?;
        let proxy = Proxy::before(direct.url()).await;
        let settings = [("verify.stale_grace_seconds", grace_seconds)];
        let app = direct.another(Some(proxy.url()), &settings).await;
        eventually("the node hears its own heartbeat", async || {
            let now = keywright_verify::clock::boot_micros();
            app.authority().verifier().freshness().lag_micros(now).is_some()
        })
        .await;
        Some(Self { direct, app, proxy })
    }

    async fn stop(self) {
        self.proxy.set(Mode::Pass);
        self.app.stop().await;
        self.direct.stop().await;
    }

    /// Waits until the node has noticed.
    async fn noticed(&self) {
        let health = async || self.app.nobody().get("/system/health").await;
        eventually("the node knows that the store is away", async || {
            health().await.json()["store"] == "unavailable"
        })
        .await;
    }

    /// Waits until the node is well again.
    async fn healed(&self) {
        eventually("the node is well again", async || {
            let health = self.app.nobody().get("/system/health").await;
            health.status == 200 && health.json()["status"] == "ok"
        })
        .await;
    }
}

fn unavailable(answer: &Answer) {
    answer.refused(503, "unavailable");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
}

async fn the_store_goes_away(mode: Mode) {
    let Some(cut) = Cut::start("3600").await else { return };
    let app = &cut.app;
    let known = app.mint("known", &["a"]).await;
    let unseen = cut.direct.mint("unseen", &["a"]).await;
    app.verify(&known.secret).await.decided("valid");
    app.admin().get("/auth/me").await.expect(200);
    cut.proxy.set(mode);
    // From the first moment on, and after the node has noticed.
    for _ in 0..20 {
        app.verify(&known.secret).await.decided("valid");
    }
    cut.noticed().await;
    eventually("answers come from what was known", async || {
        app.verify(&known.secret).await.decided("valid");
        app.authority().verifier().statistics().stale > 0
    })
    .await;
    let unknown = format!("sk_{}", "0a".repeat(32));
    for _ in 0..5 {
        app.bearing(&known.secret)
            .with("x-request-id", "in-grace")
            .send("POST", "/auth/verify", None)
            .await
            .decided("valid");
        app.verify_body(json!({"token": known.secret, "required_scopes": ["b"]}))
            .await
            .decided("insufficient_scope");
        unavailable(&app.verify(&unseen.secret).await);
        unavailable(&app.verify(&unknown).await);
        unavailable(&app.bearing(&unseen.secret).get("/auth/tokens").await);
        app.verify("nonsense").await.decided("malformed");
    }
    nothing_changes(app, &known).await;
    let health = app.nobody().get("/system/health").await.expect(200);
    assert_eq!((&health["status"], &health["verification"]), (&json!("degraded"), &json!("degraded")));
    app.nobody().get("/healthz/ready").await.expect(200);
    let status = app.admin().get("/system/status").await.expect(200);
    assert_eq!((&status["status"], &status["store"]["reachable"]), (&json!("degraded"), &json!(false)));
    cut.proxy.set(Mode::Pass);
    cut.healed().await;
    // A starved machine may be a heartbeat late once more: no answer then, but never a wrong one.
    for (secret, code) in [(&unseen.secret, "valid"), (&unknown, "not_found")] {
        eventually("what was unseen is known", async || {
            let answer = app.verify(secret).await;
            if answer.status == 200 {
                answer.decided(code);
            }
            answer.status == 200
        })
        .await;
    }
    let seen = app.admin().get(&known.path()).await.expect(200);
    assert_eq!((&seen["status"], &seen["token_name"]), (&json!("active"), &json!("known")));
    let list = app.admin().get("/auth/tokens?q=made%20without").await.expect(200);
    assert_eq!(list["items"], json!([]));
    app.mint("made again", &["a"]).await;
    app.recorded().await;
    let mut database = cut.direct.database().await;
    let stale = "SELECT COUNT(*) FROM authentication_events WHERE stale AND request_id = 'in-grace'";
    assert_eq!(database.number(stale).await, 5);
    let lost = "SELECT COUNT(*) FROM authentication_events WHERE code = 'unavailable'";
    assert!(database.number(lost).await >= 15);
    cut.stop().await;
}

/// Every change is refused as 503.
async fn nothing_changes(app: &TestApp, known: &Minted) {
    let (admin, path) = (app.admin(), known.path());
    let rotate = format!("{path}/rotate");
    let emergency = json!({"reason": "r", "scope": {"all": true}});
    let body: Value = json!({"token_name": "made without a store", "permissions": []});
    let (made, changed, rotated, revoked, all, read) = tokio::join!(
        admin.post("/auth/tokens", body),
        admin.patch(&path, json!({"token_name": "changed"})),
        admin.post(&rotate, json!({"reason": "r"})),
        admin.delete(&path),
        admin.post("/auth/emergency-revoke", emergency),
        admin.get(&path),
    );
    for answer in [made, changed, rotated, revoked, all, read] {
        unavailable(&answer);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_refuses_known_credentials_answer_and_nothing_changes() {
    the_store_goes_away(Mode::Refuse).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_is_silent_known_credentials_answer_and_nothing_changes() {
    the_store_goes_away(Mode::Stall).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_its_grace_a_node_that_is_cut_off_answers_nothing_any_more() {
    for mode in [Mode::Refuse, Mode::Stall] {
        let Some(cut) = Cut::start("3").await else { return };
        let token = cut.app.mint("known", &["a"]).await;
        cut.app.verify(&token.secret).await.decided("valid");
        cut.proxy.set(mode);
        let ask = async || cut.app.verify(&token.secret).await;
        eventually("the grace is over", async || {
            let answer = ask().await;
            if answer.status == 503 {
                unavailable(&answer);
                return true;
            }
            answer.decided("valid");
            false
        })
        .await;
        // Revoked in the meantime: it is never valid again, neither before nor after the way is free.
        cut.direct.admin().delete(&token.path()).await.expect(204);
        for _ in 0..10 {
            unavailable(&ask().await);
        }
        let health = cut.app.nobody().get("/system/health").await;
        assert_eq!(health.expect(503)["verification"], "unavailable");
        cut.app.nobody().get("/healthz/ready").await.expect(503);
        cut.proxy.set(Mode::Pass);
        eventually("the token is denied", async || {
            let answer = ask().await;
            answer.status == 200 && answer.decided("revoked")["valid"] == false
        })
        .await;
        cut.healed().await;
        cut.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_grace_every_answer_is_strict() {
    let Some(cut) = Cut::start("0").await else { return };
    let token = cut.app.mint("known", &["a"]).await;
    cut.app.verify(&token.secret).await.decided("valid");
    cut.proxy.set(Mode::Refuse);
    let ask = async || cut.app.verify(&token.secret).await;
    eventually("nothing is answered", async || ask().await.status == 503).await;
    for _ in 0..10 {
        unavailable(&ask().await);
    }
    cut.proxy.set(Mode::Pass);
    eventually("it is answered again", async || ask().await.status == 200).await;
    cut.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emergency_names_the_node_that_is_cut_off_and_when_it_stops() {
    let Some(cut) = Cut::start("60").await else { return };
    let token = cut.direct.mint("known", &["a"]).await;
    cut.app.verify(&token.secret).await.decided("valid");
    cut.proxy.set(Mode::Stall);
    let body = json!({"reason": "breach", "scope": {"all": true}, "keep_caller": true});
    let revoked = cut.direct.admin().post("/auth/emergency-revoke", body).await.expect(200);
    let pending = revoked["nodes"]["pending"].as_array().unwrap();
    assert_eq!(pending.len(), 1, "{revoked}");
    assert_eq!(pending[0]["node"], json!(cut.app.authority().node()));
    assert_eq!(revoked["nodes"]["confirmed"], json!([cut.direct.authority().node()]));
    cut.direct.verify(&token.secret).await.decided("revoked");
    cut.proxy.set(Mode::Pass);
    eventually("the token is denied there too", async || {
        let answer = cut.app.verify(&token.secret).await;
        answer.status == 200 && answer.json()["code"] == "revoked"
    })
    .await;
    cut.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_killed_cost_no_credential_its_answer() {
    let Some(app) = TestApp::start(Engine::Postgres).await else { return };
    let token = app.mint("known", &["a"]).await;
    app.verify(&token.secret).await.decided("valid");
    let mut database = app.database().await;
    let all = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for round in 0..5 {
        let killed = database.number(&format!("SELECT COUNT(pg_terminate_backend(pid)) {all}")).await;
        assert!(killed > 0 || round > 0);
        for _ in 0..10 {
            app.verify(&token.secret).await.decided("valid");
        }
        let body = json!({"token_name": format!("round {round}"), "permissions": []});
        let answer = app.admin().post("/auth/tokens", body).await;
        assert!(matches!(answer.status, 201 | 503), "{answer:?}");
    }
    eventually("changes are made again", async || {
        app.admin().patch(&token.path(), json!({"is_active": false})).await.status == 200
    })
    .await;
    app.verify(&token.secret).await.decided("inactive");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_listening_connection_is_lost_misses_nothing() {
    let Some(direct) = TestApp::start(Engine::Postgres).await else { return };
    let other = direct.another(None, &[]).await;
    let mut database = direct.database().await;
    for round in 0..5 {
        let token = direct.mint(&format!("round {round}"), &["a"]).await;
        other.verify(&token.secret).await.decided("valid");
        let listening = "FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'";
        let killed = database.number(&format!("SELECT COUNT(pg_terminate_backend(pid)) {listening}")).await;
        assert!(killed > 0);
        direct.admin().delete(&token.path()).await.expect(204);
        direct.verify(&token.secret).await.decided("revoked");
        eventually("the other node denies", async || {
            other.verify(&token.secret).await.json()["code"] == "revoked"
        })
        .await;
    }
    other.stop().await;
    direct.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_sqlite_is_locked_known_credentials_answer_and_changes_are_refused() {
    let Some(app) = TestApp::start(Engine::Sqlite).await else { return };
    let token = app.mint("known", &["a"]).await;
    app.verify(&token.secret).await.decided("valid");
    let mut another = app.database().await;
    another.begin().await;
    let (admin, path) = (app.admin(), token.path());
    let change = admin.patch(&path, json!({"is_active": false}));
    let verifying = async {
        for _ in 0..50 {
            app.verify(&token.secret).await.decided("valid");
        }
    };
    let (changed, ()) = tokio::join!(change, verifying);
    unavailable(&changed);
    another.execute("COMMIT").await;
    assert_eq!(app.admin().get(&token.path()).await.expect(200)["is_active"], true);
    app.admin().patch(&token.path(), json!({"is_active": false})).await.expect(200);
    app.verify(&token.secret).await.decided("inactive");
    app.stop().await;
}
