//! `POST /leaks/report`, and `GET /auth/tokens/{id}/blast-radius`.

use keywright_core::BuiltInRole::{PublisherAdmin, PublisherEditor};
use serde_json::{Value, json};

use crate::harness::logins::Session;
use crate::harness::{Minted, TestApp, on_both_engines, sha256};
use crate::users_me_tokens::{make, person};

on_both_engines![
    a_leaked_token_is_dead_when_the_report_is_answered,
    a_personal_token_ends_wherever_it_is_for,
    of_a_leaked_refresh_token_the_session_ends,
    a_place_is_kept_without_the_credential_in_it,
    a_report_that_is_repeated_changes_nothing,
    of_many_that_report_one_place_at_once_one_is_told,
    within_a_publisher_tokens_of_others_are_unknown_and_live_on,
    a_report_is_read_strictly,
    what_a_token_could_and_did_is_told,
    what_was_before_and_what_is_another_publishers_is_left_out,
];

pub(crate) fn report(tokens: &[&str], found_in: &str) -> Value {
    let items: Vec<_> = tokens.iter().map(|token| json!({"token": token, "found_in": found_in})).collect();
    json!({ "items": items })
}

pub(crate) fn unknown() -> Value {
    json!({"outcome": "unknown", "credential_id": null, "token_type": null, "name": null})
}

fn revoked(token: &Minted, name: &str) -> Value {
    json!({"outcome": "revoked", "credential_id": token.id, "token_type": "service", "name": name})
}

async fn alerts(app: &TestApp, token: &Minted) -> Vec<Value> {
    let path = format!("/alerts?kind=leak_reported&subject_id={}", token.id);
    app.admin().get(&path).await.expect(200)["items"].as_array().unwrap().clone()
}

async fn events(app: &TestApp, token: &Minted, kind: &str) -> Vec<Value> {
    let found = app.admin().get(&format!("{}/security-events", token.path())).await.expect(200);
    let items = found["items"].as_array().unwrap();
    items.iter().filter(|event| event["type"] == kind).cloned().collect()
}

async fn a_leaked_token_is_dead_when_the_report_is_answered(app: &TestApp) {
    let (leaked, other) = (app.mint("leaked", &["a"]).await, app.mint("other", &["a"]).await);
    app.verify(&leaked.secret).await.decided("valid");
    let reporter = app.caller(&["leaks:report"]).await;
    let nobodys = format!("sk_{}", "0e".repeat(32));
    let place = "https://paste.example/x?a=1";
    let body = report(&[&leaked.secret, &nobodys, "no token", &hex::encode(sha256(&leaked.secret))], place);
    let answer = reporter.post("/leaks/report", body).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let found = answer.expect(200);
    assert_eq!(found["items"], json!([revoked(&leaked, "leaked"), unknown(), unknown(), unknown()]));
    app.verify(&leaked.secret).await.decided("revoked");
    app.verify(&other.secret).await.decided("valid");
    let shown = app.admin().get(&leaked.path()).await.expect(200);
    assert_eq!(shown["revoked_reason"], "its plain text was found where it should not be");
    let told = events(app, &leaked, "leak.reported").await;
    assert_eq!(told[0]["details"], json!({"found_in": place, "source": "report", "revoked": true}));
    assert_eq!(events(app, &leaked, "token.revoked").await.len(), 1);
    let opened = alerts(app, &leaked).await;
    assert_eq!((opened.len(), &opened[0]["severity"]), (1, &json!("critical")));
    assert_eq!(opened[0]["evidence"]["found_in"], place);
    // The plain text is nowhere.
    for (table, text) in app.database().await.dump().await {
        assert!(!text.contains(&leaked.secret), "{table}");
    }
}

async fn a_personal_token_ends_wherever_it_is_for(app: &TestApp) {
    let (songs, films) = (app.tenant("Songs").await, app.tenant("Films").await);
    let (ada, me) = person(app, "ada@example.com", &songs, PublisherEditor).await;
    app.join(&ada, &films, PublisherEditor).await;
    let everywhere = make(&me, json!({"name": "script", "scopes": ["tokens:read"]})).await;
    let (_, admin) = person(app, "eve@example.com", &songs, PublisherAdmin).await;
    let found = admin.post("/leaks/report", report(&[&everywhere.secret], "chat")).await.expect(200);
    assert_eq!(found["items"][0]["outcome"], "revoked");
    assert_eq!(found["items"][0]["token_type"], "personal");
    app.verify(&everywhere.secret).await.decided("revoked");
    let seen = admin.get("/alerts?kind=leak_reported").await.expect(200);
    assert_eq!(seen["items"][0]["subject"]["id"], json!(everywhere.id));
}

async fn of_a_leaked_refresh_token_the_session_ends(app: &TestApp) {
    let (songs, films) = (app.tenant("Songs").await, app.tenant("Films").await);
    let ada = app.member_of("ada@example.com", &songs, PublisherEditor).await;
    let (session, other) = (app.login_for(&ada, &songs).await, app.login_for(&ada, &songs).await);
    let (_, stranger) = person(app, "eve@example.com", &films, PublisherAdmin).await;
    let body = report(&[&session.refresh], "a log");
    let found = stranger.post("/leaks/report", body.clone()).await.expect(200);
    assert_eq!(found["items"], json!([unknown()]));
    app.verify(&session.access).await.decided("valid");
    // By one that was used before as well: whoever has it has the family.
    let next = Session::of(&app.refresh(&session.refresh).await);
    let (_, admin) = person(app, "grace@example.com", &songs, PublisherAdmin).await;
    let ended = |outcome: &str| json!([{"outcome": outcome, "credential_id": session.id, "token_type": "user", "name": null}]);
    let found = admin.post("/leaks/report", body.clone()).await.expect(200);
    assert_eq!(found["items"], ended("revoked"));
    for access in [&session.access, &next.access] {
        app.verify(access).await.decided("revoked");
    }
    app.refresh(&next.refresh).await.refused(401, "revoked");
    app.verify(&other.access).await.decided("valid");
    assert_eq!(admin.post("/leaks/report", body).await.expect(200)["items"], ended("already_revoked"));
    for kind in ["leak.reported", "session.ended"] {
        let path = format!("/audit/security-events?type={kind}&credential_id={}", session.id);
        assert_eq!(admin.get(&path).await.expect(200)["items"].as_array().unwrap().len(), 1, "{kind}");
    }
    let path = format!("/alerts?kind=leak_reported&subject_id={}", session.id);
    let opened = admin.get(&path).await.expect(200);
    let summary = "A refresh token was found where it should not be; its session was ended at once.";
    assert_eq!(
        (&opened["items"][0]["summary"], &opened["items"][0]["severity"]),
        (&json!(summary), &json!("critical"))
    );
}

async fn a_place_is_kept_without_the_credential_in_it(app: &TestApp) {
    let leaked = app.mint("leaked", &["a"]).await;
    let place = |token: &str| format!("https://logs.example/?q={token}&page=2");
    app.admin().post("/leaks/report", report(&[&leaked.secret], &place(&leaked.secret))).await.expect(200);
    let told = events(app, &leaked, "leak.reported").await;
    assert_eq!(told[0]["details"]["found_in"], "https://logs.example/?q=sk_");
    for (table, text) in app.database().await.dump().await {
        assert!(!text.contains(&leaked.secret), "{table}");
    }
}

async fn a_report_that_is_repeated_changes_nothing(app: &TestApp) {
    let leaked = app.mint("leaked", &[]).await;
    let one = report(&[&leaked.secret], "here");
    app.admin().post("/leaks/report", one.clone()).await.expect(200);
    let again = app.admin().post("/leaks/report", one).await.expect(200);
    assert_eq!(again["items"][0]["outcome"], "already_revoked");
    assert_eq!(events(app, &leaked, "leak.reported").await.len(), 1);
    assert_eq!(alerts(app, &leaked).await.len(), 1);
    // Somewhere else is another leak, and twice in one report is one.
    app.admin().post("/leaks/report", report(&[&leaked.secret, &leaked.secret], "there")).await.expect(200);
    assert_eq!(events(app, &leaked, "leak.reported").await.len(), 2);
    assert_eq!(alerts(app, &leaked).await.len(), 2);
    assert_eq!(events(app, &leaked, "token.revoked").await.len(), 1);
}

async fn of_many_that_report_one_place_at_once_one_is_told(app: &TestApp) {
    let leaked = app.mint("leaked", &[]).await;
    let mut reports = Vec::new();
    for _ in 0..8 {
        let (caller, body) = (app.admin(), report(&[&leaked.secret], "here"));
        reports.push(tokio::spawn(async move { caller.post("/leaks/report", body).await.expect(200) }));
    }
    let mut first = 0;
    for report in reports {
        first += usize::from(report.await.unwrap()["items"][0]["outcome"] == "revoked");
    }
    assert_eq!(first, 1);
    assert_eq!(events(app, &leaked, "leak.reported").await.len(), 1);
    assert_eq!(alerts(app, &leaked).await.len(), 1);
}

async fn within_a_publisher_tokens_of_others_are_unknown_and_live_on(app: &TestApp) {
    let (songs, films) = (app.tenant("Songs").await, app.tenant("Films").await);
    let account = |name: &str, publisher: keywright_core::PublisherId| json!({"name": name, "service_type": "partner", "scopes": ["a"], "publisher_id": publisher});
    let (own, others) =
        (app.account(account("own", songs.id)).await, app.account(account("other", films.id)).await);
    let own = app.token_of(&own, json!({"token_name": "own"})).await;
    let others = app.token_of(&others, json!({"token_name": "others"})).await;
    let platforms = app.mint("platforms", &["a"]).await;
    let (_, admin) = person(app, "eve@example.com", &songs, PublisherAdmin).await;
    let nobodys = format!("sk_{}", "0e".repeat(32));
    let body = report(&[&others.secret, &platforms.secret, &nobodys, &own.secret], "here");
    let found = admin.post("/leaks/report", body).await.expect(200);
    assert_eq!(found["items"], json!([unknown(), unknown(), unknown(), revoked(&own, "own")]));
    for alive in [&others, &platforms] {
        app.verify(&alive.secret).await.decided("valid");
        assert_eq!(events(app, alive, "leak.reported").await, Vec::<Value>::new());
        assert_eq!(alerts(app, alive).await, Vec::<Value>::new());
    }
    app.verify(&own.secret).await.decided("revoked");
    // And so at platform level, for a publisher that is named.
    let named = app.admin().with("x-publisher-id", &songs.id.to_string());
    let found = named.post("/leaks/report", report(&[&others.secret], "here")).await.expect(200);
    assert_eq!(found["items"], json!([unknown()]));
}

async fn a_report_is_read_strictly(app: &TestApp) {
    let admin = app.admin();
    for (body, field, code) in [
        (json!({}), "items", "required"),
        (json!({"items": []}), "items", "too_short"),
        (json!({"items": [{"token": "x"}]}), "items[0].found_in", "required"),
        (json!({"items": [{"token": "x", "found_in": ""}]}), "items[0].found_in", "too_short"),
        (json!({"items": [{"token": "x", "found_in": "a".repeat(1_001)}]}), "items[0].found_in", "too_long"),
        (json!({"items": [{"token": 1, "found_in": "a"}]}), "items[0].token", "invalid_type"),
        (json!({"items": vec![json!({"token": "x", "found_in": "a"}); 101]}), "items", "too_many"),
    ] {
        let answer = admin.post("/leaks/report", body).await;
        answer.bad_field(field, code);
    }
    admin.post("/leaks/report?a=1", report(&["x"], "a")).await.bad_field("a", "unknown_field");
}

async fn what_a_token_could_and_did_is_told(app: &TestApp) {
    let account =
        json!({"name": "partner", "service_type": "partner", "scopes": ["works:*", "tokens:admin"]});
    let account = app.account(account).await;
    let old = app
        .token_of(&account, json!({"token_name": "key", "permissions": ["works:read", "tokens:admin"]}))
        .await;
    for (endpoint, ip, scope) in [
        ("/works/1", "192.0.2.1", "works:read"),
        ("/works/2", "192.0.2.1", "works:read"),
        ("/works/2", "198.51.100.7", "works:write"),
    ] {
        let body = json!({"token": old.secret, "required_scopes": [scope], "endpoint": endpoint, "ip_address": ip,
            "user_agent": "curl/8"});
        app.verify_body(body).await.expect(200);
    }
    let thief = app.bearing(&old.secret);
    let made =
        Minted::of(&thief.post("/auth/tokens", json!({"token_name": "back door", "permissions": []})).await);
    let new = app.admin().post(&format!("{}/rotate", old.path()), json!({"reason": "r"})).await;
    let new = Minted::of(&new);
    app.admin().post("/leaks/report", report(&[&old.secret], "a gist")).await.expect(200);
    app.recorded().await;
    let answer = app.admin().get(&format!("{}/blast-radius", old.path())).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let shown = answer.expect(200);
    assert_eq!(shown["status"], "revoked");
    assert_eq!(shown["permissions"], json!(["tokens:admin", "works:read"]));
    assert_eq!((&shown["service_account_id"], &shown["publisher_id"]), (&account["id"], &Value::Null));
    let outcomes = shown["outcomes"].as_array().unwrap();
    assert!(outcomes.contains(&json!({"code": "valid", "decisions": 2})), "{shown}");
    assert!(outcomes.contains(&json!({"code": "insufficient_scope", "decisions": 1})), "{shown}");
    let works = json!({"endpoint": "/works/{id}", "decisions": 3, "denials": 1});
    assert!(shown["endpoints"].as_array().unwrap().contains(&works), "{shown}");
    let names = |list: &str, field: &str| -> Vec<String> {
        let all = shown[list].as_array().unwrap().iter();
        all.map(|one| one[field].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("addresses", "name"), ["192.0.2.1", "198.51.100.7"]);
    assert_eq!(names("user_agents", "name"), ["curl/8"]);
    assert_eq!(names("lineage", "token_id"), [old.id.clone(), new.id.clone()]);
    assert_eq!(names("lineage", "status"), ["revoked", "active"]);
    assert_eq!(shown["made"][0]["id"], json!(made.id));
    assert_eq!(shown["made"][0]["name"], "back door");
    assert_eq!(names("changes", "type"), ["token.created"]);
    assert_eq!(names("leaks", "found_in"), ["a gist"]);
    // The successor is of the same line, and was found nowhere.
    let successor = app.admin().get(&format!("{}/blast-radius", new.path())).await.expect(200);
    assert_eq!(successor["lineage"], shown["lineage"].as_array().map(|line| { json!(line) }).unwrap());
    assert_eq!((&successor["leaks"], &successor["outcomes"]), (&json!([]), &json!([])));
}

async fn what_was_before_and_what_is_another_publishers_is_left_out(app: &TestApp) {
    let token = app.mint("used", &["a"]).await;
    app.verify(&token.secret).await.decided("valid");
    app.recorded().await;
    let path = format!("{}/blast-radius", token.path());
    let later = app.now().plus_seconds(7_200);
    let shown = app.admin().get(&format!("{path}?since={later}")).await.expect(200);
    assert_eq!(shown["outcomes"], json!([]));
    assert_eq!(shown["since"], json!(later.start_of_hour().to_string()));
    for bad in ["yesterday", "2027"] {
        app.admin().get(&format!("{path}?since={bad}")).await.bad_field("since", "invalid_format");
    }
    app.caller(&["leaks:report"]).await.get(&path).await.refused(403, "insufficient_scope");
    let songs = app.tenant("Songs").await;
    let (_, admin) = person(app, "eve@example.com", &songs, PublisherAdmin).await;
    admin.get(&path).await.refused(404, "not_found");
}
