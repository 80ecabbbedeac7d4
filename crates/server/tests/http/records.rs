//! No answer without a record: each decision and each refused credential is one authentication event.

use serde_json::{Value, json};

use crate::harness::{Answer, Caller, Database, TestApp, on_both_engines};

on_both_engines![
    each_decision_is_recorded_once,
    each_refusal_of_a_credential_is_recorded_once,
    what_is_carried_out_is_no_authentication_event,
    an_event_says_who_asked_about_whom_from_where,
    uses_are_counted,
    nothing_is_lost_or_doubled_under_load,
];

/// Sends under a request id of its own.
async fn named(caller: &Caller, id: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
    caller.with("x-request-id", id).send(method, path, body.as_ref()).await
}

async fn each_decision_is_recorded_once(app: &TestApp) {
    let token = app.mint("decided", &["a"]).await;
    let gone = app.mint("gone", &["a"]).await;
    app.admin().delete(&gone.path()).await.expect(204);
    let unknown = format!("sk_{}", "0f".repeat(32));
    let admin = app.admin();
    let mut expected = Vec::new();
    for (credential, wanted, code) in [
        (token.secret.as_str(), "a", "valid"),
        (&token.secret, "b", "insufficient_scope"),
        (&gone.secret, "a", "revoked"),
        (&unknown, "a", "not_found"),
        ("sk_nonsense", "a", "malformed"),
        ("", "a", "malformed"),
    ] {
        let (own, asked) = (format!("own-{}", expected.len()), format!("asked-{}", expected.len()));
        let body = json!({"required_scopes": [wanted]});
        named(&app.bearing(credential), &own, "POST", "/auth/verify", Some(body)).await.decided(code);
        let body = json!({"token": credential, "required_scopes": [wanted]});
        named(&admin, &asked, "POST", "/auth/verify", Some(body)).await.decided(code);
        expected.extend([(own, code), (asked, code)]);
    }
    app.recorded().await;
    let mut database = app.database().await;
    for (id, code) in expected {
        assert_eq!(database.codes_of(&id).await, [code], "{id}");
    }
}

async fn each_refusal_of_a_credential_is_recorded_once(app: &TestApp) {
    let gone = app.mint("gone", &["*"]).await;
    app.admin().delete(&gone.path()).await.expect(204);
    let poor = app.caller(&["a"]).await;
    let both = app.admin().with("x-api-key", "another");
    let mut expected = Vec::new();
    for (caller, code) in [
        (&app.nobody(), "missing_credential"),
        (&both, "conflicting_credentials"),
        (&app.bearing("nonsense"), "malformed"),
        (&app.bearing(&gone.secret), "revoked"),
        (&poor, "insufficient_scope"),
    ] {
        for (method, path, body) in [
            ("GET", "/auth/tokens", None),
            ("GET", "/auth/tokens/nonsense", None),
            ("DELETE", "/auth/tokens/0198c0de-0000-7000-8000-000000000000", None),
            ("POST", "/auth/tokens", Some(json!({"nonsense": 1}))),
            ("POST", "/auth/verify", Some(json!({"token": "another"}))),
            ("GET", "/system/status?nonsense=1", None),
        ] {
            let id = format!("refused-{}", expected.len());
            let answer = named(caller, &id, method, path, body).await;
            assert!(matches!(answer.status, 400 | 401 | 403), "{answer:?}");
            expected.push((id, code));
        }
    }
    app.recorded().await;
    let mut database = app.database().await;
    for (id, code) in expected {
        assert_eq!(database.codes_of(&id).await, [code], "{id}");
    }
}

async fn what_is_carried_out_is_no_authentication_event(app: &TestApp) {
    let admin = app.admin();
    let body = json!({"token_name": "made", "permissions": []});
    let made = named(&admin, "carried-1", "POST", "/auth/tokens", Some(body)).await.expect(201);
    let path = format!("/auth/tokens/{}", made["id"].as_str().unwrap());
    named(&admin, "carried-2", "PATCH", &path, Some(json!({"nonsense": 1})))
        .await
        .refused(422, "unknown_field");
    named(&admin, "carried-3", "GET", "/nothing", None).await.refused(404, "not_found");
    named(&admin, "carried-4", "DELETE", &path, None).await.expect(204);
    named(&admin, "carried-5", "GET", "/auth/me", None).await.expect(200);
    // One that comes after all of these in the journal.
    named(&admin, "last", "POST", "/auth/verify", None).await.decided("valid");
    app.recorded().await;
    let mut database = app.database().await;
    assert_eq!(database.codes_of("last").await, ["valid"]);
    for number in 1..=5 {
        assert_eq!(database.codes_of(&format!("carried-{number}")).await, [""; 0]);
    }
}

/// Columns of an event, as text.
async fn event(database: &mut Database, id: &str, columns: &[&str]) -> Vec<String> {
    let ids = ["credential_id", "principal_id", "asked_by", "node_id"];
    let mut values = Vec::new();
    for column in columns {
        let value = match (&*database, *column) {
            (Database::Sqlite(_), id) if ids.contains(&id) => format!("lower(nullif(hex({id}), ''))"),
            (Database::Postgres(_), id) if ids.contains(&id) => format!("replace({id}::text, '-', '')"),
            (Database::Postgres(_), "ip_address") => "host(ip_address)".to_owned(),
            (Database::Sqlite(_), flag @ ("stale" | "success")) => format!("iif({flag}, 'true', 'false')"),
            (_, column) => format!("CAST({column} AS TEXT)"),
        };
        let sql =
            format!("SELECT COALESCE({value}, 'null') FROM authentication_events WHERE request_id = '{id}'");
        values.extend(database.texts(&sql).await);
    }
    values
}

async fn an_event_says_who_asked_about_whom_from_where(app: &TestApp) {
    let token = app.mint("asked about", &["a"]).await;
    let asker = app.mint("asker", &["tokens:verify"]).await;
    let simple = |id: &str| id.replace('-', "");
    let facts = json!({
        "token": token.secret, "ip_address": "2001:db8::7", "user_agent": "browser/1", "method": "PUT",
        "endpoint": "/works/7", "cloudflare_ray_id": "8f2a-ZRH",
    });
    named(&app.bearing(&asker.secret), "asked", "POST", "/auth/verify", Some(facts)).await.decided("valid");
    let own = app.bearing(&token.secret).with("user-agent", "curl/8");
    named(&own, "own", "POST", "/auth/verify", None).await.decided("valid");
    let refused = app.bearing(&token.secret).with("user-agent", "curl/8");
    named(&refused, "refused", "GET", "/auth/tokens?limit=3", None).await.refused(403, "insufficient_scope");
    app.recorded().await;
    let columns = [
        "event_type",
        "success",
        "code",
        "credential_id",
        "token_name",
        "principal_type",
        "principal_id",
        "asked_by",
        "ip_address",
        "user_agent",
        "method",
        "endpoint",
        "cloudflare_ray_id",
        "stale",
        "node_id",
    ];
    let (id, node) = (simple(&token.id), simple(&app.authority().node().to_string()));
    let mut database = app.database().await;
    let asked_by = simple(&asker.id);
    let expected = [
        "verify",
        "true",
        "valid",
        &id,
        "asked about",
        "service_token",
        &id,
        &asked_by,
        "2001:db8::7",
        "browser/1",
        "PUT",
        "/works/7",
        "8f2a-ZRH",
        "false",
        &node,
    ];
    assert_eq!(event(&mut database, "asked", &columns).await, expected);
    let expected = [
        "verify",
        "true",
        "valid",
        &id,
        "asked about",
        "service_token",
        &id,
        "null",
        "127.0.0.1",
        "curl/8",
        "POST",
        "/api/v1/auth/verify",
        "null",
        "false",
        &node,
    ];
    assert_eq!(event(&mut database, "own", &columns).await, expected);
    let expected = [
        "gate",
        "false",
        "insufficient_scope",
        &id,
        "asked about",
        "service_token",
        &id,
        "null",
        "127.0.0.1",
        "curl/8",
        "GET",
        "/api/v1/auth/tokens",
        "null",
        "false",
        &node,
    ];
    assert_eq!(event(&mut database, "refused", &columns).await, expected);
}

async fn uses_are_counted(app: &TestApp) {
    let token = app.mint("used", &["a"]).await;
    for _ in 0..7 {
        app.verify(&token.secret).await.decided("valid");
    }
    for _ in 0..3 {
        app.verify_body(json!({"token": token.secret, "required_scopes": ["b"]}))
            .await
            .decided("insufficient_scope");
    }
    app.recorded().await;
    let seen = app.admin().get(&token.path()).await.expect(200);
    assert_eq!(seen["usage_count"], 7);
    assert!(seen["last_used_at"].as_str().unwrap() >= seen["created_at"].as_str().unwrap(), "{seen}");
}

async fn nothing_is_lost_or_doubled_under_load(app: &TestApp) {
    let token = app.mint("loaded", &["a"]).await;
    let client = async |number: usize| {
        for turn in 0..50 {
            let caller = app.bearing(if turn % 5 == 0 { "nonsense" } else { &token.secret });
            named(&caller, &format!("load-{number}-{turn}"), "POST", "/auth/verify", None).await.expect(200);
        }
    };
    futures::future::join_all((0..16).map(client)).await;
    app.recorded().await;
    let mut database = app.database().await;
    let like = "FROM authentication_events WHERE request_id LIKE 'load-%'";
    assert_eq!(database.number(&format!("SELECT COUNT(*) {like}")).await, 800);
    assert_eq!(database.number(&format!("SELECT COUNT(DISTINCT request_id) {like}")).await, 800);
    assert_eq!(app.admin().get(&token.path()).await.expect(200)["usage_count"], 640);
}
