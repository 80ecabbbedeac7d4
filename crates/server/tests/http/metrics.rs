//! `GET /metrics`.

use serde_json::json;

use crate::harness::events::Events;
use crate::harness::{Engine, Scrape, TestApp, eventually, on_both_engines};

on_both_engines![
    every_decision_is_counted_once,
    requests_are_counted_by_route_and_class,
    nothing_that_a_client_sends_becomes_a_label,
    the_parts_of_a_node_are_told,
    a_scrape_has_no_parameters,
    metrics_on_a_port_of_their_own_are_open_and_only_there,
    streams_are_counted_while_they_are_open_and_as_they_end,
];

const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

async fn scrape(app: &TestApp) -> Scrape {
    let answer = app.admin().get("/metrics").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, MEDIA_TYPE), "{}", answer.text());
    assert_eq!(answer.header("cache-control"), "no-store");
    Scrape::read(answer.text())
}

async fn every_decision_is_counted_once(app: &TestApp) {
    let token = app.mint("counted", &["a"]).await;
    let unknown = format!("sk_{}", "ab".repeat(32));
    let before = scrape(app).await;
    for _ in 0..3 {
        app.verify(&token.secret).await.decided("valid");
    }
    for _ in 0..2 {
        app.verify(&unknown).await.decided("not_found");
    }
    app.verify("nonsense").await.decided("malformed");
    app.verify_body(json!({"token": token.secret, "required_scopes": ["b"]}))
        .await
        .decided("insufficient_scope");
    app.nobody().send("POST", "/auth/verify", None).await.refused(401, "missing_credential");
    app.bearing(&unknown).get("/auth/me").await.refused(401, "not_found");
    let after = scrape(app).await;
    for (kind, code, count) in [
        ("verify", "valid", 3.0),
        ("verify", "not_found", 2.0),
        ("verify", "malformed", 1.0),
        ("verify", "insufficient_scope", 1.0),
        ("verify", "revoked", 0.0),
        ("gate", "missing_credential", 1.0),
        ("gate", "not_found", 1.0),
        ("gate", "valid", 0.0),
    ] {
        let of = |scrape: &Scrape| scrape.sum("keywright_decisions_total", &[("kind", kind), ("code", code)]);
        assert!(
            (of(&after) - of(&before) - count).abs() < 0.5,
            "{kind} {code}: {} {}",
            of(&before),
            of(&after)
        );
    }
    let moved = |name: &str, labels: &[(&str, &str)]| after.sum(name, labels) - before.sum(name, labels);
    // Eight asked at the edge; each was timed.
    assert!((moved("keywright_verification_duration_seconds_count", &[]) - 8.0).abs() < 0.5);
    let route = [("route", "/api/v1/auth/verify"), ("method", "POST")];
    assert!((moved("keywright_http_requests_total", &route) - 8.0).abs() < 0.5);
    assert!(moved("keywright_cache_lookups_total", &[("result", "hit")]) >= 3.0);
    assert!(moved("keywright_cache_lookups_total", &[("result", "unknown")]) >= 1.0);
    assert!(moved("keywright_cache_lookups_total", &[("result", "miss")]) >= 2.0);
    assert!(moved("keywright_journal_appended_bytes_total", &[]) > 500.0);
}

async fn requests_are_counted_by_route_and_class(app: &TestApp) {
    let before = scrape(app).await;
    let token = app.mint("routed", &[]).await;
    app.admin().get(&token.path()).await.expect(200);
    app.admin().get("/auth/tokens/0198c0de-0000-7000-8000-000000000000").await.refused(404, "not_found");
    app.nobody().get("/auth/me").await.refused(401, "missing_credential");
    let after = scrape(app).await;
    for (route, method, status) in [
        ("/api/v1/auth/tokens", "POST", "2xx"),
        ("/api/v1/auth/tokens/{id}", "GET", "2xx"),
        ("/api/v1/auth/tokens/{id}", "GET", "4xx"),
        ("/api/v1/auth/me", "GET", "4xx"),
        // That of before.
        ("/metrics", "GET", "2xx"),
    ] {
        let labels = [("route", route), ("method", method), ("status", status)];
        let of = |scrape: &Scrape| scrape.sum("keywright_http_requests_total", &labels);
        assert!((of(&after) - of(&before) - 1.0).abs() < 0.5, "{labels:?}");
    }
    let timed =
        after.sum("keywright_http_request_duration_seconds_count", &[("route", "/api/v1/auth/tokens/{id}")]);
    assert!((timed - 2.0).abs() < 0.5);
}

async fn nothing_that_a_client_sends_becomes_a_label(app: &TestApp) {
    let canary = "qanary";
    let series = |scrape: &Scrape| scrape.families.values().map(|family| family.samples.len()).sum::<usize>();
    app.nobody().get(&format!("/{canary}")).await;
    app.nobody().send("BREW", "/auth/me", None).await;
    let before = series(&scrape(app).await);
    let caller =
        app.nobody().with("user-agent", canary).with("x-request-id", canary).with("x-forwarded-for", canary);
    for number in 0..20 {
        caller.get(&format!("/{canary}/{number}")).await;
        caller.send(&format!("BREW{number}"), "/auth/me", None).await;
        caller.bearing(&format!("{canary}{number}")).send("POST", "/auth/verify", None).await;
    }
    app.mint(canary, &[canary]).await;
    app.verify_body(json!({"token": "x", "endpoint": canary, "method": canary, "user_agent": canary})).await;
    let after = app.admin().get("/metrics").await;
    assert!(!after.text().contains(canary), "{}", after.text());
    let after = Scrape::read(after.text());
    let unmatched = after.sum("keywright_http_requests_total", &[("route", "unmatched"), ("status", "4xx")]);
    assert!((unmatched - 21.0).abs() < 0.5, "{unmatched}");
    // What came are routes asked for the first time, each with its buckets; not one for each request.
    assert!(series(&after) < before + 60, "{before} {}", series(&after));
}

async fn the_parts_of_a_node_are_told(app: &TestApp) {
    let told = scrape(app).await;
    let engine = if app.authority().has_peers() { "postgresql" } else { "sqlite" };
    assert!((told.sum("keywright_build_info", &[("engine", engine)]) - 1.0).abs() < 0.1);
    for (name, least, most) in [
        ("keywright_journal_writable", 1.0, 1.0),
        ("keywright_store_breaker_open", 0.0, 0.0),
        ("keywright_journal_max_bytes", 8.0e6, 1e15),
        ("keywright_store_connections", 1.0, 100.0),
        ("keywright_store_connections_max", 2.0, 100.0),
        ("keywright_cache_entries", 1.0, 1e6),
        ("keywright_http_connections", 1.0, 100.0),
        ("process_resident_memory_bytes", 1e6, 1e11),
        ("process_start_time_seconds", 1.7e9, 1e11),
        ("process_cpu_seconds_total", 0.0, 1e9),
        ("process_open_fds", 3.0, 1e6),
    ] {
        assert!(told.names().contains(name), "{name} is missing");
        let value = told.sum(name, &[]);
        assert!((least..=most).contains(&value), "{name} {value}");
    }
    eventually("the jobs have run", async || {
        let told = scrape(app).await;
        told.sum("keywright_job_last_success", &[("job_name", "security_event_sealer")]) > 0.5
            && told.sum("keywright_job_runs_total", &[("outcome", "done")]) >= 1.0
            && told.names().contains("keywright_mail_queued")
    })
    .await;
    let body = json!({"email": "ada@example.com", "platform_role": "platform_admin"});
    app.admin().post("/users", body).await.expect(201);
    eventually("the mail is counted", async || {
        let told = scrape(app).await;
        let attempts = |outcome| told.sum("keywright_mail_attempts_total", &[("outcome", outcome)]);
        attempts("delivered") > 0.5 && attempts("failed") + attempts("given_up") < 0.5
    })
    .await;
}

async fn a_scrape_has_no_parameters(app: &TestApp) {
    app.admin().get("/metrics?token=x").await.refused(403, "forbidden_field");
}

async fn metrics_on_a_port_of_their_own_are_open_and_only_there(main: &TestApp) {
    let engine = if main.authority().has_peers() { Engine::Postgres } else { Engine::Sqlite };
    let apart = TestApp::start_with(engine, &[("server.metrics_listen", "127.0.0.1:0")]).await.unwrap();
    assert_eq!(apart.admin().get("/metrics").await.status, 404);
    let open = apart.scraper();
    let answer = open.get("/metrics").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, MEDIA_TYPE));
    assert!(Scrape::read(answer.text()).names().contains("keywright_decisions_total"));
    for path in ["/healthz/live", "/auth/health", "/auth/me"] {
        assert_eq!(open.get(path).await.status, 404, "{path}");
    }
    assert_eq!(open.post("/auth/verify", json!({})).await.status, 404);
    apart.stop().await;
}

async fn streams_are_counted_while_they_are_open_and_as_they_end(app: &TestApp) {
    let moved = async |before: &Scrape, name: &str, labels: &[(&str, &str)]| {
        scrape(app).await.sum(name, labels) - before.sum(name, labels)
    };
    let asker = app.mint("asker", &["tokens:verify"]).await;
    let mut ours = Events::open(app, app.admin_token(), None).await.unwrap();
    let mut theirs = Events::open(app, &asker.secret, None).await.unwrap();
    for events in [&mut ours, &mut theirs] {
        events.next_of(&["beat"]).await;
    }
    let before = scrape(app).await;
    assert!((before.sum("keywright_verify_streams", &[]) - 2.0).abs() < 0.5);
    app.authority().verifier().changes().tell_everything();
    for events in [&mut ours, &mut theirs] {
        events.next_of(&["flush"]).await;
    }
    assert!(moved(&before, "keywright_verify_stream_flushes_total", &[]).await >= 2.0);
    let ends = "keywright_verify_stream_ends_total";
    app.admin().delete(&asker.path()).await.expect(204);
    theirs.rest().await;
    eventually("the one of the credential that went is counted", async || {
        (moved(&before, ends, &[("reason", "refused")]).await - 1.0).abs() < 0.5
    })
    .await;
    drop(ours);
    eventually("the one that was closed is counted", async || {
        (moved(&before, ends, &[("reason", "client")]).await - 1.0).abs() < 0.5
    })
    .await;
    let after = scrape(app).await;
    assert!(after.sum("keywright_verify_streams", &[]).abs() < 0.5);
    assert!((after.sum(ends, &[]) - before.sum(ends, &[]) - 2.0).abs() < 0.5);
}
