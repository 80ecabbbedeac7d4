//! `keywright import auth2`: tokens of the old system go on working, and nothing is taken twice, lost or revived.

use rustix::process::Signal;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::child::{Server, run};
use crate::harness::moving::{Move, must_add_up, secret};
use crate::harness::{Database, Engine, eventually};

async fn verify(server: &Server, number: usize) -> Value {
    let answer = server.nobody().bearing(&secret(number)).send("POST", "/auth/verify", None).await;
    answer.expect(200)
}

async fn end(server: Server) {
    server.signal(Signal::TERM);
    let (status, log) = server.ended().await;
    assert!(status.success(), "{log}");
}

async fn tokens_go_on_working(engine: Engine) {
    let Some(place) = Move::begin(engine).await else { return };
    place.add_active(1, "ci-cd-token").await;
    let made = "NOW() - INTERVAL '10 days'";
    place.add(2, "switched-off", &json!({}), &format!("NULL, FALSE, 0, NULL, {made}")).await;
    place.add(3, "over", &json!({}), &format!("NOW() - INTERVAL '1 hour', TRUE, 0, NULL, {made}")).await;
    place
        .add(4, "root", &json!({"permissions": ["admin"]}), &format!("'infinity', TRUE, 0, NULL, {made}"))
        .await;
    place
        .add(5, "=cmd|calc", &json!({"permissions": "a, b:c"}), &format!("NULL, TRUE, -4, NULL, {made}"))
        .await;
    // What cannot be ours.
    place.add(6, "turned\u{202e}round", &json!({}), &format!("NULL, TRUE, 0, NULL, {made}")).await;
    place
        .add(7, "shouting", &json!({"permissions": ["API Read"]}), &format!("NULL, TRUE, 0, NULL, {made}"))
        .await;
    place.add(8, "a list", &json!([1]), &format!("NULL, TRUE, 0, NULL, {made}")).await;
    let mut old = place.old().await;
    old.execute("INSERT INTO service_tokens (token_name, token_hash) VALUES ('short', 'abc')").await;
    for (kind, name, success, details) in [
        ("service_token_auth", "'ci-cd-token'", true, "NULL"),
        ("service_token_auth", "'ci-cd-token'", false, "'{\"error\": \"token_expired\"}'"),
        ("service_token_auth", "'gone'", false, "'{\"error\": \"token_inactive\"}'"),
        ("service_token_revocation", "'switched-off'", true, "'{\"reason\": \"left\"}'"),
        ("jwt_auth", "NULL", true, "NULL"),
    ] {
        old.execute(&format!(
            "INSERT INTO authentication_events (service_token_name, event_type, success, error_details, ip_address, \
             user_agent, endpoint, cloudflare_ray_id, user_email, created_at) VALUES ({name}, '{kind}', {success}, \
             {details}, '10.1.2.3/8', 'curl/8', '/api/v1/works', '8f-FRA', 'ada@example.com', NOW() - INTERVAL '2 days')"
        ))
        .await;
    }
    for moment in ["NOW() - INTERVAL '20 years'", "'infinity'", "'-infinity'"] {
        let sql = "INSERT INTO authentication_events (event_type, success, created_at) VALUES ('auth', TRUE";
        old.execute(&format!("{sql}, {moment})")).await;
    }
    // On PostgreSQL beside a running server; SQLite has but one process.
    let running = if engine == Engine::Postgres { Some(place.serve().await) } else { None };
    let report = place.file("report.ndjson");
    let printed = place.import(&["--report", report.to_str().unwrap()]).await;
    assert_eq!(printed.code, 1, "{printed:?}");
    let summary = printed.json();
    assert_eq!(summary["complete"], true, "{summary}");
    assert_eq!((&summary["tokens"]["taken"], &summary["tokens"]["seen"]), (&json!(5), &json!(9)));
    let refused = json!({"name": 1, "permission": 1, "metadata": 1, "hash": 1});
    assert_eq!(summary["tokens"]["refused"], refused, "{summary}");
    assert_eq!(summary["events"]["taken"], 5, "{summary}");
    assert_eq!(summary["events"]["refused"], json!({"beyond_retention": 2, "in_the_future": 1}), "{summary}");
    assert_eq!(summary["events"]["unattributed"], 1);
    let told: Vec<Value> = std::fs::read_to_string(&report)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |name: &str| told.iter().find(|told| told["name"] == name).unwrap();
    assert_eq!((told.len(), &of("shouting")["reason"]), (9, &json!("permission")));
    assert!(of("root")["notes"][0].as_str().unwrap().contains("`admin`"), "{told:?}");
    assert_eq!(of("ci-cd-token")["outcome"], "taken");

    let server = match running {
        Some(server) => server,
        None => place.serve().await,
    };
    let decision = verify(&server, 1).await;
    assert_eq!(
        (&decision["code"], &decision["scopes"]),
        (&json!("valid"), &json!(["api_read"])),
        "{decision}"
    );
    for (number, code) in
        [(2, "inactive"), (3, "expired"), (4, "valid"), (5, "valid"), (6, "not_found"), (7, "not_found")]
    {
        assert_eq!(verify(&server, number).await["code"], code, "{number}");
    }
    let admin = server.nobody().bearing(&server.first_token().await);
    let listed = admin.get("/auth/tokens?name=ci-cd-token").await.expect(200)["items"][0].clone();
    assert_eq!((&listed["metadata"], &listed["status"]), (&json!({"team": "core"}), &json!("active")));
    assert_eq!((&listed["token_hint"], &listed["created_by"]["type"]), (&json!("sk_…"), &json!("operator")));
    let id = listed["id"].as_str().unwrap().to_owned();
    assert_eq!(of("ci-cd-token")["credential_id"], id);
    eventually("its use is counted beside those of before", async || {
        admin.get(&format!("/auth/tokens/{id}")).await.expect(200)["usage_count"] == 4
    })
    .await;
    let events =
        admin.get(&format!("/audit/authentication-events?credential_id={id}&order=asc")).await.expect(200);
    let codes: Vec<_> =
        events["items"].as_array().unwrap().iter().map(|event| event["code"].as_str().unwrap()).collect();
    assert_eq!(codes.len(), 3, "{events}");
    assert!(codes[..2].contains(&"valid") && codes[..2].contains(&"expired"), "{codes:?}");
    let denied = events["items"].as_array().unwrap().iter().find(|event| event["code"] == "expired").unwrap();
    assert_eq!((&denied["ip_address"], &denied["cloudflare_ray_id"]), (&json!("10.1.2.3"), &json!("8f-FRA")));
    assert_eq!((&denied["type"], &denied["endpoint"]), (&json!("verify"), &json!("/api/v1/works")));
    assert_eq!(denied["error_details"]["auth2"]["error_details"]["error"], "token_expired");
    let other = admin.get("/audit/authentication-events?type=imported").await.expect(200);
    assert_eq!(
        other["items"][0]["error_details"]["auth2"]["event_type"], "service_token_revocation",
        "{other}"
    );
    let changes = admin.get(&format!("/auth/tokens/{id}/security-events")).await.expect(200);
    assert_eq!(changes["items"][0]["type"], "token.imported", "{changes}");
    assert_eq!(changes["items"][0]["details"]["source_id"], json!(Uuid::from_u128(1)));
    assert_eq!(changes["items"][0]["after"]["permissions"], json!(["api_read"]));
    let ended = admin.get("/audit/security-events?type=import.ended").await.expect(200);
    assert_eq!(ended["items"][0]["details"]["tokens"]["taken"], 5, "{ended}");
    assert!(!ended.to_string().contains("password"), "{ended}");
    assert_eq!(admin.get("/audit/security-events/verify").await.expect(200)["holds"], true);
    end(server).await;
    must_add_up(&mut place.target().await).await;

    let again = place.import(&["--events", "all"]).await.json();
    assert_eq!(
        (&again["tokens"]["taken"], &again["tokens"]["already_there"]),
        (&json!(0), &json!(5)),
        "{again}"
    );
    assert_eq!(again["events"]["taken"], 0, "{again}");
    let mapped = place.import(&["--map", "API Read=api_read", "--events", "none"]).await.json();
    assert_eq!((&mapped["tokens"]["taken"], &mapped["events"]), (&json!(1), &Value::Null), "{mapped}");
    must_add_up(&mut place.target().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_the_old_system_go_on_working_on_sqlite() {
    tokens_go_on_working(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_the_old_system_go_on_working_on_postgres() {
    tokens_go_on_working(Engine::Postgres).await;
}

/// What an import could change.
async fn everything(database: &mut Database) -> Vec<(String, String)> {
    let mut dump = database.dump().await;
    let touched = [
        "service_tokens",
        "authentication_events",
        "imports",
        "imported_tokens",
        "usage_hourly",
        "usage_daily",
        "usage_sources",
        "credential_usage",
        "security_events",
    ];
    dump.retain(|(table, _)| touched.contains(&table.as_str()));
    dump.sort();
    dump
}

async fn a_dry_run_changes_nothing(engine: Engine) {
    let Some(place) = Move::begin(engine).await else { return };
    place.fill(30, 200).await;
    place.add(9_000, "bad", &json!({"permissions": ["A"]}), "NULL, TRUE, 0, NULL, NOW()").await;
    end(place.serve().await).await;
    let mut new = place.target().await;
    let before = everything(&mut new).await;
    let told = place.import(&["--dry-run", "--batch-size", "7"]).await;
    assert_eq!(told.code, 1, "{told:?}");
    let told = told.json();
    assert_eq!(
        (&told["dry_run"], &told["tokens"]["taken"], &told["events"]["taken"]),
        (&json!(true), &json!(30), &json!(200))
    );
    assert_eq!(told["refused"][0]["name"], "bad");
    // A job may have sealed events meanwhile; nothing else has changed.
    let after = everything(&mut new).await;
    for (before, after) in before.iter().zip(&after) {
        if before.0 != "security_events" {
            assert_eq!(before, after);
        }
    }
    assert_eq!(new.number("SELECT COUNT(*) FROM security_events WHERE type LIKE '%import%'").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_changes_nothing_on_sqlite() {
    a_dry_run_changes_nothing(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_changes_nothing_on_postgres() {
    a_dry_run_changes_nothing(Engine::Postgres).await;
}

async fn a_second_run_takes_what_changed(engine: Engine) {
    let Some(place) = Move::begin(engine).await else { return };
    for (number, name) in ["used", "left", "revoked-here", "renamed-here", "leaked"].into_iter().enumerate() {
        place.add_active(number + 1, name).await;
    }
    let mut old = place.old().await;
    let insert =
        "INSERT INTO authentication_events (service_token_name, event_type, success, created_at) VALUES";
    old.execute(&format!("{insert} ('used', 'service_token_auth', TRUE, NOW() - INTERVAL '10 minutes')"))
        .await;
    place.imported(&[]).await;
    let server = place.serve().await;
    let admin = server.nobody().bearing(&server.first_token().await);
    let path = async |name: &str| {
        let listed = admin.get(&format!("/auth/tokens?name={name}")).await.expect(200);
        format!("/auth/tokens/{}", listed["items"][0]["id"].as_str().unwrap())
    };
    admin.delete(&path("revoked-here").await).await.expect(204);
    admin
        .patch(&path("renamed-here").await, json!({"token_name": "new-name", "permissions": ["b"]}))
        .await
        .expect(200);
    assert_eq!(verify(&server, 2).await["code"], "valid");
    // SQLite has but one process.
    let server = if engine == Engine::Sqlite {
        end(server).await;
        None
    } else {
        Some(server)
    };
    old.execute("UPDATE service_tokens SET usage_count = 10, last_used = NOW() WHERE token_name = 'used'")
        .await;
    // One that is of a publisher here.
    let mut here = place.target().await;
    let publisher = here.uuid(Uuid::from_u128(7));
    let moved = format!("UPDATE service_tokens SET publisher_id = {publisher} WHERE token_name = 'left'");
    assert_eq!(here.execute(&moved).await, 1);
    drop(here);
    old.execute("UPDATE service_tokens SET is_active = FALSE WHERE token_name = 'left'").await;
    old.execute("UPDATE service_tokens SET token_hash = repeat('ab', 32) WHERE token_name = 'leaked'").await;
    // One that was written before the first run read, and committed after it; and one that is new.
    old.execute(&format!("{insert} ('used', 'service_token_auth', TRUE, NOW() - INTERVAL '20 minutes')"))
        .await;
    old.execute(&format!("{insert} ('used', 'service_token_auth', TRUE, NOW())")).await;
    place.add_active(6, "new").await;

    let printed = place.import(&[]).await;
    assert_eq!(printed.code, 1, "{printed:?}");
    let summary = printed.json();
    let tokens = &summary["tokens"];
    assert_eq!((&tokens["taken"], &tokens["updated"]), (&json!(1), &json!(2)), "{summary}");
    assert_eq!(tokens["refused"], json!({"secret_changed": 1}), "{summary}");
    assert_eq!(
        (&summary["events"]["taken"], &summary["events"]["already_there"]),
        (&json!(2), &json!(1)),
        "{summary}"
    );
    let server = match server {
        // The one that ran has forgotten what it knew of the token that was switched off.
        Some(server) => {
            eventually("it is switched off", async || verify(&server, 2).await["code"] == "inactive").await;
            server
        }
        None => place.serve().await,
    };
    for (number, code) in [(1, "valid"), (2, "inactive"), (3, "revoked"), (4, "valid"), (6, "valid")] {
        assert_eq!(verify(&server, number).await["code"], code, "{number}");
    }
    assert_eq!(verify(&server, 4).await["scopes"], json!(["b"]));
    end(server).await;
    let mut new = place.target().await;
    let count = "SELECT u.usage_count FROM credential_usage u JOIN service_tokens t ON t.id = u.credential_id \
                 WHERE t.token_name = 'used'";
    // As many as there, and the one here.
    assert_eq!(new.number(count).await, 11);
    must_add_up(&mut new).await;
    let events =
        new.number("SELECT COUNT(*) FROM authentication_events WHERE request_id LIKE 'auth2-%'").await;
    assert_eq!(events, 3);
    let told = format!(
        "SELECT COUNT(*) FROM security_events WHERE type = 'token.updated' AND subject_name = 'left' \
         AND publisher_id = {publisher}"
    );
    assert_eq!(new.number(&told).await, 1, "its publisher is told");

    // Whatever is switched on there again, or asked for once more, revives nothing here.
    old.execute("UPDATE service_tokens SET is_active = TRUE").await;
    let summary = place.import(&["--events", "since=2020-01-01T00:00:00Z"]).await.json();
    assert_eq!(
        (&summary["events"]["taken"], &summary["events"]["already_there"]),
        (&json!(0), &json!(3)),
        "{summary}"
    );
    let states = "SELECT COUNT(*) FROM service_tokens WHERE (token_name = 'left' AND NOT is_active) \
                  OR (token_name = 'revoked-here' AND revoked_at IS NOT NULL)";
    assert_eq!(new.number(states).await, 2);
    // Also when nothing is left of it here.
    new.execute("DELETE FROM service_tokens WHERE token_name = 'revoked-here'").await;
    assert_eq!(place.import(&["--events", "none"]).await.json()["tokens"]["taken"], 0);
    must_add_up(&mut new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_takes_what_changed_and_revives_nothing_on_sqlite() {
    a_second_run_takes_what_changed(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_takes_what_changed_and_revives_nothing_on_postgres() {
    a_second_run_takes_what_changed(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_is_taken_from_the_command_line_or_told() {
    let Some(place) = Move::begin(Engine::Sqlite).await else { return };
    let refused = place.import(&["--from", "postgres://app:canary@127.0.0.1/promptcraft"]).await;
    assert!(
        refused.code == 2 && refused.stderr.contains("does not belong on the command line"),
        "{refused:?}"
    );
    assert!(!format!("{refused:?}").contains("canary"));
    let file = place.file("source.url");
    std::fs::write(&file, "postgresql+asyncpg://nobody:canary@127.0.0.1:9/promptcraft\n").unwrap();
    let away = place.import(&["--from-file", file.to_str().unwrap()]).await;
    assert!(away.code == 1 && away.stderr.contains("the source cannot be opened"), "{away:?}");
    assert!(!format!("{away:?}").contains("canary"));
    let mut nothing = place.command(&[]);
    nothing.env_remove("KEYWRIGHT_IMPORT_FROM");
    assert_eq!(run(nothing).await.code, 2);
    place.old().await.execute("DROP TABLE service_tokens").await;
    let other = place.import(&[]).await;
    assert!(other.code == 1 && other.stderr.contains("no AUTH-2 database"), "{other:?}");
}
