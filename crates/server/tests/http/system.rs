//! `/system`, `/auth/health` and `/healthz`.

use serde_json::{Value, json};

use crate::harness::{TestApp, on_both_engines};

on_both_engines![
    health_is_public_and_says_little,
    probes_are_public,
    the_status_tells_an_operator_how_every_part_is,
    the_status_counts_tokens_by_their_state,
    queries_that_mean_nothing_are_refused,
];

async fn health_is_public_and_says_little(app: &TestApp) {
    let nobody = app.nobody();
    let health = nobody.get("/system/health").await;
    assert_eq!(health.header("cache-control"), "no-store");
    assert_eq!(
        health.expect(200),
        json!({"status": "ok", "verification": "ok", "store": "ok", "journal": "ok"})
    );
    let auth = nobody.get("/auth/health").await.expect(200);
    assert_eq!((&auth["status"], &auth["verification_able"]), (&json!("ok"), &json!(true)));
    assert_eq!(auth["store_reachable"], true);
    assert_eq!(auth["journal_mode"], if is_ephemeral() { "ephemeral" } else { "interval" });
    assert!(auth["journal_lag_seconds"].as_f64().unwrap() >= 0.0);
    // A credential that is no good changes nothing for who needs none.
    app.bearing("nonsense").get("/auth/health").await.expect(200);
}

/// Whether the folders of tests lie where a reboot empties them.
fn is_ephemeral() -> bool {
    let folder = tempfile::tempdir().unwrap();
    keywright_verify::journal::ephemeral(folder.path()).unwrap().is_some()
}

async fn probes_are_public(app: &TestApp) {
    for path in ["/healthz/live", "/healthz/ready"] {
        let probe = app.nobody().get(path).await;
        assert_eq!(probe.expect(200), json!({"status": "ok", "waiting_for": []}));
        let head = app.nobody().send("HEAD", path, None).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
}

async fn the_status_tells_an_operator_how_every_part_is(app: &TestApp) {
    let caller = app.caller(&["system_status"]).await;
    let status = caller.get("/system/status").await.expect(200);
    let node = json!(app.authority().node());
    assert_eq!((&status["status"], &status["node_id"]), (&json!("ok"), &node));
    assert_eq!(status["verification"]["able"], true);
    assert_eq!(status["journal"]["writable"], true);
    assert_eq!(status["store"]["reachable"], true);
    assert_eq!(status["nodes"].as_array().unwrap().len(), 1);
    let own = &status["nodes"][0];
    assert_eq!(
        (&own["id"], &own["live"], &own["address"]),
        (&node, &json!(true), &json!(app.address().to_string()))
    );
    crate::harness::eventually("every job has run", async || {
        let status = caller.get("/system/status").await.expect(200);
        let jobs = status["jobs"].as_array().unwrap();
        jobs.len() == 17 && jobs.iter().all(|job| job["last_outcome"] == "done")
    })
    .await;
    let status = caller.get("/system/status").await.expect(200);
    for job in status["jobs"].as_array().unwrap() {
        assert!(job["successes"].as_u64().unwrap() > 0 && job["failures"].is_u64(), "{job}");
        assert!(job["last_duration_seconds"].is_f64() && job["last_done"].is_u64(), "{job}");
        assert!(job["next_run_at"].as_str() > job["last_run_at"].as_str(), "{job}");
        let waits = [
            "security_event_sealer",
            "revocation_marker",
            "mail_deliverer",
            "event_dispatcher",
            "notification_deliverer",
        ];
        assert_eq!(job["backlog"].is_u64(), waits.contains(&job["name"].as_str().unwrap()), "{job}");
    }
    app.caller(&["monitoring:read"]).await.get("/system/status").await.refused(403, "insufficient_scope");
}

async fn the_status_counts_tokens_by_their_state(app: &TestApp) {
    let off = app.mint("off", &["a"]).await;
    app.admin().patch(&off.path(), json!({"is_active": false})).await.expect(200);
    let rotated = app.mint("rotated", &["a"]).await;
    app.admin().post(&format!("{}/rotate", rotated.path()), json!({"reason": "r"})).await.expect(200);
    let gone = app.mint("gone", &["a"]).await;
    app.admin().delete(&gone.path()).await.expect(204);
    app.mint("expired", &["a"]).await;
    app.database().await.expire("expired").await;
    let expected =
        json!({"total": 6, "active": 2, "superseded": 1, "inactive": 1, "expired": 1, "revoked": 1});
    let totals = async || app.admin().get("/system/status").await.expect(200)["service_tokens"].clone();
    assert_eq!(totals().await, expected);
    let emergency = json!({"reason": "r", "scope": {"all": true}, "keep_caller": true});
    app.admin().post("/auth/emergency-revoke", emergency).await.expect(200);
    let all_dead =
        json!({"total": 6, "active": 1, "superseded": 0, "inactive": 0, "expired": 0, "revoked": 5});
    assert_eq!(totals().await, all_dead);
}

async fn queries_that_mean_nothing_are_refused(app: &TestApp) {
    for path in ["/system/health", "/auth/health", "/healthz/live", "/healthz/ready"] {
        app.nobody().get(&format!("{path}?verbose=1")).await.bad_field("verbose", "unknown_field");
    }
    let answer = app.admin().get("/system/status?token=x").await;
    let fields: Vec<(String, String)> = answer.bad_fields(403, "forbidden_field");
    assert_eq!(fields, [("token".into(), "forbidden_field".into())]);
    let _: Value = app.admin().get("/system/status").await.expect(200);
}
