//! `POST /leaks/report` of what ends something else: access tokens, of which the session or the service token ends,
//! and links from mails.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keywright_core::BuiltInRole::{PlatformAdmin, PublisherAdmin, PublisherEditor};
use serde_json::{Value, json};

use crate::harness::mails::Mail;
use crate::harness::{Caller, TestApp, eventually, id, on_both_engines, standing_still};
use crate::leaks::{report, unknown};
use crate::users_me_tokens::person;

on_both_engines![
    of_a_leaked_access_token_the_session_ends,
    what_only_looks_like_an_access_token_of_ours_ends_nothing,
    of_a_leaked_access_token_of_an_account_the_service_token_ends,
    a_leaked_link_is_of_no_use,
    of_many_that_report_a_link_at_once_one_is_told,
];

standing_still![
    an_access_token_leads_to_its_session_however_long_ago_it_ended,
    an_access_token_of_an_account_that_is_over_ends_nothing,
];

/// What became of a token that somebody reports.
async fn reported(caller: &Caller, token: &str) -> Value {
    caller.post("/leaks/report", report(&[token], "a log")).await.expect(200)["items"][0].clone()
}

fn of_session(outcome: &str, session: &str) -> Value {
    json!({"outcome": outcome, "credential_id": session, "token_type": "user", "name": null})
}

fn of_link(outcome: &str) -> Value {
    json!({"outcome": outcome, "credential_id": null, "token_type": "mailed", "name": null})
}

/// Alerts of leaks, about whatever has this id.
async fn alerts(app: &TestApp, subject: &str) -> Vec<Value> {
    let path = format!("/alerts?kind=leak_reported&subject_id={subject}");
    app.admin().get(&path).await.expect(200)["items"].as_array().unwrap().clone()
}

/// Reports of leaks in the trail, about whatever has this id.
async fn told(app: &TestApp, subject: &str) -> Vec<Value> {
    let told = app.admin().get("/audit/security-events?type=leak.reported").await.expect(200);
    let items = told["items"].as_array().unwrap().iter();
    items.filter(|event| event["subject"]["id"] == *subject).cloned().collect()
}

async fn of_a_leaked_access_token_the_session_ends(app: &TestApp) {
    let (songs, films) = (app.tenant("Songs").await, app.tenant("Films").await);
    let ada = app.member_of("ada@example.com", &songs, PublisherEditor).await;
    let (session, other) = (app.login_for(&ada, &songs).await, app.login_for(&ada, &songs).await);
    let (_, stranger) = person(app, "eve@example.com", &films, PublisherAdmin).await;
    assert_eq!(reported(&stranger, &session.access).await, unknown());
    app.verify(&session.access).await.decided("valid");
    let (_, admin) = person(app, "grace@example.com", &songs, PublisherAdmin).await;
    assert_eq!(reported(&admin, &session.access).await, of_session("revoked", &session.id));
    app.verify(&session.access).await.decided("revoked");
    app.refresh(&session.refresh).await.refused(401, "revoked");
    app.verify(&other.access).await.decided("valid");
    assert_eq!(reported(&admin, &session.access).await, of_session("already_revoked", &session.id));
    assert_eq!(told(app, &session.id).await.len(), 1);
    let opened = alerts(app, &session.id).await;
    let summary = "An access token was found where it should not be; its session was ended at once.";
    assert_eq!((opened.len(), &opened[0]["summary"]), (1, &json!(summary)));
    for (table, text) in app.database().await.dump().await {
        assert!(!text.contains(&session.access), "{table}");
    }
}

/// The token with another session in it, and the signature that it had.
fn forged(access: &str, session: &str, other: &str) -> String {
    let parts: Vec<&str> = access.split('.').collect();
    let payload = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    let payload = BASE64_URL_SAFE_NO_PAD.encode(payload.replace(session, other));
    format!("{}.{payload}.{}", parts[0], parts[2])
}

async fn what_only_looks_like_an_access_token_of_ours_ends_nothing(app: &TestApp) {
    let songs = app.tenant("Songs").await;
    let ada = app.member_of("ada@example.com", &songs, PublisherEditor).await;
    let (mine, victim) = (app.login_for(&ada, &songs).await, app.login_for(&ada, &songs).await);
    let (head, rest) = mine.access.split_once('.').unwrap();
    let unsigned = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
    let header = BASE64_URL_SAFE_NO_PAD.decode(head).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    let nobodys =
        header.to_string().replace(header["kid"].as_str().unwrap(), "0198c0de-0000-7000-8000-000000000000");
    for fake in [
        forged(&mine.access, &mine.id, &victim.id),
        format!("{unsigned}.{rest}"),
        format!("{}.{rest}", BASE64_URL_SAFE_NO_PAD.encode(nobodys)),
        mine.access[..mine.access.len() - 4].to_owned(),
    ] {
        assert_eq!(reported(&app.admin(), &fake).await, unknown(), "{fake}");
    }
    for session in [&mine, &victim] {
        app.verify(&session.access).await.decided("valid");
        assert_eq!((told(app, &session.id).await, alerts(app, &session.id).await), (vec![], vec![]));
    }
}

async fn an_access_token_leads_to_its_session_however_long_ago_it_ended(app: &TestApp) {
    let ada = app.person("ada@example.com", Some(PlatformAdmin)).await;
    let (old, forgeable) = (app.login(&ada).await, app.login(&ada).await);
    let admin = app.admin();
    let rotated = admin.post("/signing-keys/rotate", json!({})).await.expect(200);
    app.advance(3 * 24 * 3_600);
    keywright_authority::signing_keys::keep(app.authority()).await.unwrap();
    app.advance(2 * 3_600);
    app.verify(&old.access).await.decided("not_found");
    assert_eq!(reported(&admin, &old.access).await, of_session("revoked", &old.id));
    app.refresh(&old.refresh).await.refused(401, "revoked");
    // Whoever has a key that was revoked wrote what they liked.
    let keys = admin.get("/signing-keys").await.expect(200);
    let signed_by =
        keys["items"].as_array().unwrap().iter().map(id).filter(|key| *key != id(&rotated["key"]));
    for key in signed_by {
        admin.post(&format!("/signing-keys/{key}/revoke"), json!({"reason": "stolen"})).await;
    }
    assert_eq!(reported(&admin, &forgeable.access).await, unknown());
    app.refresh(&forgeable.refresh).await.expect(200);
}

async fn of_a_leaked_access_token_of_an_account_the_service_token_ends(app: &TestApp) {
    let (songs, films) = (app.publisher("Songs").await, app.tenant("Films").await);
    let partner = app.partner("songtrust-api", &["works:read"], Some(&songs)).await;
    let access = partner.access(app).await;
    let (_, stranger) = person(app, "eve@example.com", &films, PublisherAdmin).await;
    assert_eq!(reported(&stranger, &access).await, unknown());
    app.verify(&access).await.decided("valid");
    let shown = app.admin().get(&partner.token.path()).await.expect(200);
    let found = reported(&app.admin(), &access).await;
    let expected = json!({"outcome": "revoked", "credential_id": partner.token.id, "token_type": "service",
        "name": shown["token_name"]});
    assert_eq!(found, expected);
    for ended in [&access, &partner.token.secret] {
        app.verify(ended).await.decided("revoked");
    }
    let opened = alerts(app, &partner.token.id).await;
    let summary = format!(
        "An access token that was made from the service token {} was found where it should not be; that token was \
         revoked at once.",
        shown["token_name"]
    );
    assert_eq!((opened.len(), &opened[0]["summary"]), (1, &json!(summary)));
    // The service token itself, found in the same place, is the same leak.
    assert_eq!(reported(&app.admin(), &partner.token.secret).await["outcome"], "already_revoked");
    assert_eq!(told(app, &partner.token.id).await.len(), 1);
}

async fn an_access_token_of_an_account_that_is_over_ends_nothing(app: &TestApp) {
    let partner = app.partner("songtrust-api", &["works:read"], None).await;
    let access = partner.access(app).await;
    app.advance(2 * 3_600);
    app.verify(&access).await.decided("expired");
    assert_eq!(reported(&app.admin(), &access).await, unknown());
    app.verify(&partner.token.secret).await.decided("valid");
    assert_eq!(told(app, &partner.token.id).await, [] as [Value; 0]);
}

async fn invited(app: &TestApp, publisher: &keywright_core::PublisherId, email: &str) -> (String, String) {
    let body = json!({"email": email, "publisher_id": publisher, "role": "publisher_viewer"});
    let user = app.admin().post("/users", body).await.expect(201);
    (id(&user).to_owned(), app.mail(email, 1).await.token())
}

async fn a_leaked_link_is_of_no_use(app: &TestApp) {
    let (songs, films) = (app.tenant("Songs").await, app.tenant("Films").await);
    let (user, link) = invited(app, &songs.id, "ada@example.com").await;
    let accept = json!({"token": link, "password": "seven blue walruses hum"});
    let (_, stranger) = person(app, "eve@example.com", &films, PublisherAdmin).await;
    assert_eq!(reported(&stranger, &link).await, unknown());
    let (_, admin) = person(app, "grace@example.com", &songs, PublisherAdmin).await;
    assert_eq!(reported(&admin, &link).await, of_link("revoked"));
    app.nobody().post("/auth/invitations/accept", accept).await.refused(400, "link_not_usable");
    assert_eq!(reported(&admin, &link).await, of_link("already_revoked"));
    assert_eq!(reported(&admin, &format!("mt_{}", "0e".repeat(32))).await, unknown());
    let events = told(app, &user).await;
    let details = json!({"found_in": "a log", "source": "report", "revoked": true, "purpose": "invitation"});
    assert_eq!((events.len(), &events[0]["details"]), (1, &details));
    assert_eq!(events[0]["publisher_id"], json!(songs.id));
    let opened = alerts(app, &user).await;
    let summary = "A mailed link to accept an invitation was found where it should not be; it was made useless at once.";
    assert_eq!((opened.len(), &opened[0]["summary"]), (1, &json!(summary)));
    assert_eq!(opened[0]["severity"], "critical");
    // Another one can be had, and is another leak.
    admin.post(&format!("/users/{user}/invite"), json!({})).await.expect(200);
    let mut again = None;
    eventually("another invitation is delivered", async || {
        // She is also told of the alert.
        let mails = app.mails("ada@example.com");
        let mut tokens = mails.iter().filter(|mail| mail.text.contains("?token=mt_")).map(Mail::token);
        again = tokens.find(|token| *token != link);
        again.is_some()
    })
    .await;
    assert_eq!(reported(&admin, &again.unwrap()).await, of_link("revoked"));
    assert_eq!(alerts(app, &user).await.len(), 2);
}

async fn of_many_that_report_a_link_at_once_one_is_told(app: &TestApp) {
    let songs = app.tenant("Songs").await;
    let (user, link) = invited(app, &songs.id, "ada@example.com").await;
    let admin = app.admin();
    let reports = futures::future::join_all((0..8).map(|_| reported(&admin, &link))).await;
    assert_eq!(reports.iter().filter(|found| **found == of_link("revoked")).count(), 1, "{reports:?}");
    assert_eq!(
        reports.iter().filter(|found| **found == of_link("already_revoked")).count(),
        7,
        "{reports:?}"
    );
    assert_eq!((told(app, &user).await.len(), alerts(app, &user).await.len()), (1, 1));
}
