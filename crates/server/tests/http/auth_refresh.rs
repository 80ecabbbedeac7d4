//! `POST /auth/refresh`.

use base64::Engine as _;
use keywright_core::BuiltInRole::{PublisherAdmin, PublisherViewer};
use serde_json::json;

use crate::harness::logins::Session;
use crate::harness::{TestApp, on_both_engines, standing_still};

on_both_engines![
    each_token_gives_the_next_one_and_works_once,
    an_older_one_ends_the_session,
    fifty_at_once_leave_one_live_successor,
    what_is_no_refresh_token_is_refused_and_recorded,
    a_role_that_shrank_gives_less_with_the_next_refresh,
];

standing_still![
    the_one_used_last_gives_the_same_successor_for_ten_seconds,
    a_session_ends_when_it_is_not_used_and_at_its_end,
];

async fn live(app: &TestApp) -> i64 {
    app.database().await.number("SELECT COUNT(*) FROM refresh_tokens WHERE used_at IS NULL").await
}

async fn each_token_gives_the_next_one_and_works_once(app: &TestApp) {
    let ada = app.person("ada@example.com", None).await;
    let mut session = app.login(&ada).await;
    for _ in 0..3 {
        let next = Session::of(&app.refresh(&session.refresh).await);
        assert_eq!(next.id, session.id);
        assert!(next.refresh != session.refresh && next.access != session.access);
        session = next;
    }
    assert_eq!(live(app).await, 1);
}

async fn the_one_used_last_gives_the_same_successor_for_ten_seconds(app: &TestApp) {
    let ada = app.person("ada@example.com", None).await;
    let session = app.login(&ada).await;
    let next = Session::of(&app.refresh(&session.refresh).await);
    for seconds in [0, 9] {
        app.advance(seconds);
        let again = Session::of(&app.refresh(&session.refresh).await);
        assert_eq!(again.refresh, next.refresh);
        assert_eq!(live(app).await, 1);
    }
    Session::of(&app.refresh(&next.refresh).await);

    // Afterwards it is a reuse like any other: told once as what it is, and the session has ended by then.
    let bob = app.person("bob@example.com", None).await;
    let session = app.login(&bob).await;
    let next = Session::of(&app.refresh(&session.refresh).await);
    app.verify(&next.access).await.decided("valid");
    app.advance(10);
    app.refresh(&session.refresh).await.refused(401, "refresh_reused");
    app.verify(&next.access).await.decided("revoked");
    for token in [&session.refresh, &next.refresh] {
        app.refresh(token).await.refused(401, "revoked");
    }
}

async fn an_older_one_ends_the_session(app: &TestApp) {
    let ada = app.person("ada@example.com", None).await;
    let first = app.login(&ada).await;
    let second = Session::of(&app.refresh(&first.refresh).await);
    let third = Session::of(&app.refresh(&second.refresh).await);
    let reused = app.refresh(&first.refresh).await;
    reused.refused(401, "refresh_reused");
    app.refresh(&third.refresh).await.refused(401, "revoked");
    let events = app.admin().get("/audit/security-events?type=session.reuse_detected").await.expect(200);
    let event = &events["items"][0];
    assert_eq!(event["subject"]["id"], json!(first.id));
    assert_eq!(event["actor"]["id"], json!(ada.id));
    assert_eq!(event["request_id"], json!(reused.request_id()));
    app.recorded().await;
    assert_eq!(app.database().await.codes_of(reused.request_id()).await, ["refresh_reused"]);
}

async fn fifty_at_once_leave_one_live_successor(app: &TestApp) {
    let ada = app.person("ada@example.com", None).await;
    let session = app.login(&ada).await;
    let answers = futures::future::join_all((0..50).map(|_| app.refresh(&session.refresh))).await;
    let next: std::collections::BTreeSet<_> =
        answers.iter().map(|answer| Session::of(answer).refresh).collect();
    assert_eq!(next.len(), 1);
    assert_eq!(live(app).await, 1);
    Session::of(&app.refresh(next.first().unwrap()).await);
}

async fn a_session_ends_when_it_is_not_used_and_at_its_end(app: &TestApp) {
    let ada = app.person("ada@example.com", None).await;
    let session = app.login(&ada).await;
    let seconds = |days: i64| days * 86_400;
    // One that is not used ends with its refresh token.
    app.advance(seconds(14) - 1);
    let session = Session::of(&app.refresh(&session.refresh).await);
    app.advance(seconds(14));
    app.refresh(&session.refresh).await.refused(401, "expired");
    // One that is used all the while ends too.
    let mut session = app.login(&ada).await;
    for _ in 0..8 {
        app.advance(seconds(11));
        session = Session::of(&app.refresh(&session.refresh).await);
    }
    app.advance(seconds(2) - 1);
    session = Session::of(&app.refresh(&session.refresh).await);
    assert_eq!((&session.body["expires_in"], &session.body["refresh_expires_in"]), (&json!(1), &json!(1)));
    app.advance(1);
    app.refresh(&session.refresh).await.refused(401, "expired");
}

async fn what_is_no_refresh_token_is_refused_and_recorded(app: &TestApp) {
    let ada = app.person("ada@example.com", None).await;
    let session = app.login(&ada).await;
    let mut told = Vec::new();
    for (token, code) in [
        (session.access.as_str(), "malformed"),
        (app.admin_token(), "malformed"),
        ("", "malformed"),
        (&session.refresh.to_uppercase(), "malformed"),
        (&format!("rt_{}", "0e".repeat(32)), "not_found"),
    ] {
        let answer = app.refresh(token).await;
        answer.refused(401, code);
        told.push((answer.request_id().to_owned(), code));
    }
    app.recorded().await;
    for (request, code) in told {
        assert_eq!(app.database().await.codes_of(&request).await, [code]);
    }
    Session::of(&app.refresh(&session.refresh).await);
}

async fn a_role_that_shrank_gives_less_with_the_next_refresh(app: &TestApp) {
    let tenant = app.tenant("Songtrust").await;
    let ada = app.member_of("ada@example.com", &tenant, PublisherAdmin).await;
    let session = app.login(&ada).await;
    let mut database = app.database().await;
    let viewer = tenant.role(PublisherViewer);
    let id = match database {
        crate::harness::Database::Sqlite(_) => database.bytes(viewer.0.as_bytes()),
        crate::harness::Database::Postgres(_) => format!("'{viewer}'"),
    };
    database.execute(&format!("UPDATE memberships SET role_id = {id}")).await;
    let next = Session::of(&app.refresh(&session.refresh).await);
    let claims = next.access.split('.').nth(1).unwrap();
    let claims = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["role"], "publisher_viewer");
    assert!(!claims["permissions"].as_array().unwrap().contains(&json!("*")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_leave_one_live_successor_and_so_does_a_restart() {
    let Some(app) = TestApp::start(crate::harness::Engine::Postgres).await else { return };
    let other = app.another(None, &[]).await;
    let ada = app.person("ada@example.com", None).await;
    let session = app.login(&ada).await;
    let nodes = [&app, &other];
    let refreshes = (0..50).map(|number| nodes[number % 2].refresh(&session.refresh));
    let answers = futures::future::join_all(refreshes).await;
    let next: std::collections::BTreeSet<_> =
        answers.iter().map(|answer| Session::of(answer).refresh).collect();
    assert_eq!((next.len(), live(&app).await), (1, 1));
    other.stop().await;
    // However slow this machine is, the ten seconds are not over.
    let mut database = app.database().await;
    let later = database.moment("2100-01-01T00:00:00Z");
    database.execute(&format!("UPDATE refresh_tokens SET used_at = {later} WHERE used_at IS NOT NULL")).await;
    // One that knows nothing of what was said before.
    let fresh = app.another(None, &[]).await;
    let again = Session::of(&fresh.refresh(&session.refresh).await);
    assert_eq!(Some(&again.refresh), next.first());
    assert_eq!(live(&app).await, 1);
    fresh.stop().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_the_same_successor_is_given_again() {
    for engine in [crate::harness::Engine::Sqlite, crate::harness::Engine::Postgres] {
        let Some(app) = TestApp::start_still(engine, &[]).await else { continue };
        let ada = app.person("ada@example.com", None).await;
        let session = app.login(&ada).await;
        let next = Session::of(&app.refresh(&session.refresh).await);
        let app = app.stop().await.start_still().await;
        app.verify(&next.access).await.decided("valid");
        app.advance(9);
        let again = Session::of(&app.refresh(&session.refresh).await);
        assert_eq!((again.refresh, live(&app).await), (next.refresh.clone(), 1), "{engine:?}");
        Session::of(&app.refresh(&next.refresh).await);
        app.refresh(&session.refresh).await.refused(401, "refresh_reused");
        app.stop().await;
    }
}
