//! `POST /oauth2/revoke`: whoever has a token in the hand ends it; whoever says who they are ends what is theirs.

use keywright_core::BuiltInRole::{PublisherAdmin, PublisherEditor};
use serde_json::{Value, json};

use crate::harness::oauth::Partner;
use crate::harness::{Answer, Caller, Engine, TestApp, eventually, on_both_engines};
use crate::users_me_tokens::{make, person};

on_both_engines![
    what_somebody_holds_is_ended,
    a_client_ends_what_is_its_own_and_nothing_else,
    whoever_may_revoke_by_the_api_may_here,
    what_is_unknown_or_over_is_answered_alike,
    what_is_held_is_ended_though_it_could_not_be_used,
    what_ends_by_itself_is_not_revoked,
    who_is_not_who_they_say_ends_nothing,
    it_is_told_in_the_audit_trail,
    of_many_at_once_one_revokes,
];

async fn revoke(caller: &Caller, token: &str) -> Answer {
    caller.form("/oauth2/revoke", &[("token", token)]).await
}

#[track_caller]
fn done(answer: &Answer) {
    assert_eq!((answer.status, answer.text()), (200, ""));
    assert_eq!(answer.header("cache-control"), "no-store");
}

async fn what_somebody_holds_is_ended(app: &TestApp) {
    let nobody = app.nobody();
    let alone = app.mint("alone", &["a"]).await;
    let partner = app.partner("partner", &["a"], None).await;
    let access = partner.access(app).await;
    app.verify(&access).await.decided("valid");
    done(&revoke(&nobody, &alone.secret).await);
    app.verify(&alone.secret).await.decided("revoked");
    done(&revoke(&nobody, &partner.token.secret).await);
    app.verify(&partner.token.secret).await.decided("revoked");
    // With what was made from it.
    app.verify(&access).await.decided("revoked");

    let tenant = app.tenant("Songs").await;
    let (ada, me) = person(app, "ada@example.com", &tenant, PublisherEditor).await;
    let personal = make(&me, json!({"name": "deploy", "scopes": []})).await;
    done(&revoke(&nobody, &personal.secret).await);
    app.verify(&personal.secret).await.decided("revoked");

    let (by_access, by_refresh, by_old, other) =
        (app.login(&ada).await, app.login(&ada).await, app.login(&ada).await, app.login(&ada).await);
    done(&revoke(&nobody, &by_access.access).await);
    app.verify(&by_access.access).await.decided("revoked");
    app.refresh(&by_access.refresh).await.refused(401, "revoked");
    done(&revoke(&nobody, &by_refresh.refresh).await);
    app.verify(&by_refresh.access).await.decided("revoked");
    app.refresh(&by_refresh.refresh).await.refused(401, "revoked");
    // One that was used before is of the same family.
    let next = app.refresh(&by_old.refresh).await.expect(200);
    done(&revoke(&nobody, &by_old.refresh).await);
    app.verify(next["access_token"].as_str().unwrap()).await.decided("revoked");
    // No other session of theirs.
    app.verify(&other.access).await.decided("valid");
}

async fn a_client_ends_what_is_its_own_and_nothing_else(app: &TestApp) {
    let (partner, stranger) = (app.partner("a", &["a"], None).await, app.partner("b", &["a"], None).await);
    let spare = app.token_of(&partner.account, json!({"token_name": "spare"})).await;
    let tenant = app.tenant("Songs").await;
    let (ada, me) = person(app, "ada@example.com", &tenant, PublisherEditor).await;
    let (eve, other) = person(app, "eve@example.com", &tenant, PublisherEditor).await;
    let personal = make(&me, json!({"name": "deploy", "scopes": []})).await;
    let session = app.login(&ada).await;
    let alone = app.mint("alone", &["a"]).await;
    let all = [&spare.secret, &personal.secret, &session.access, &alone.secret];
    let eves = app.bearing(&app.login(&eve).await.access);
    for caller in [stranger.caller(app), app.bearing(&stranger.token.secret), other, eves] {
        for token in all.into_iter().chain([&session.refresh]) {
            done(&revoke(&caller, token).await);
        }
    }
    for token in all {
        app.verify(token).await.decided("valid");
    }
    done(&revoke(&partner.caller(app), &spare.secret).await);
    app.verify(&spare.secret).await.decided("revoked");
    done(&revoke(&me, &personal.secret).await);
    app.verify(&personal.secret).await.decided("revoked");
    done(&revoke(&me, &session.refresh).await);
    app.verify(&session.access).await.decided("revoked");
    // Also the one by which it says who it is.
    done(&revoke(&partner.caller(app), &partner.token.secret).await);
    app.verify(&partner.token.secret).await.decided("revoked");
}

async fn whoever_may_revoke_by_the_api_may_here(app: &TestApp) {
    let (one, other) = (app.publisher("One").await, app.publisher("Other").await);
    let partner = app.partner("partner", &["a"], Some(&one)).await;
    let rights = ["tokens:admin", "users:admin"];
    let elsewhere = app.partner("elsewhere", &rights, Some(&other)).await;
    let administrator = app.partner("administrator", &rights, Some(&one)).await;
    let user = app.person("ada@example.com", None).await;
    let role = app.built_in(&one, "publisher_admin").await;
    app.member(&user.id.to_string(), &role).await;
    let me = app.bearing(&app.login(&user).await.access);
    let body = json!({"name": "deploy", "scopes": [], "publisher_ids": [one["id"]]});
    let personal = make(&me, body).await;
    let session = app.login(&user).await;
    for token in [&partner.token.secret, &personal.secret] {
        done(&revoke(&elsewhere.caller(app), token).await);
        app.verify(token).await.decided("valid");
        done(&revoke(&administrator.caller(app), token).await);
        app.verify(token).await.decided("revoked");
    }
    // A single session of somebody else is nobody's to end.
    done(&revoke(&administrator.caller(app), &session.access).await);
    done(&revoke(&app.admin(), &session.refresh).await);
    app.verify(&session.access).await.decided("valid");
}

async fn what_is_unknown_or_over_is_answered_alike(app: &TestApp) {
    let partner = app.partner("partner", &["a"], None).await;
    let gone = app.mint("gone", &["a"]).await;
    app.admin().delete(&gone.path()).await.expect(204);
    let events = async || app.database().await.number("SELECT COUNT(*) FROM security_events").await;
    let before = events().await;
    let unknown = format!("sk_{}", "0a".repeat(32));
    let refresh = format!("rt_{}", "0a".repeat(32));
    for token in [unknown.as_str(), &refresh, &gone.secret, "nonsense", "pat_x", "eyJhbGciOiJub25lIn0.e30."] {
        for caller in [app.nobody(), partner.caller(app), app.admin()] {
            for hint in ["access_token", "refresh_token", "nonsense"] {
                let form = [("token", token), ("token_type_hint", hint)];
                done(&caller.form("/oauth2/revoke", &form).await);
            }
        }
    }
    assert_eq!(events().await, before);
    // A hint that is wrong keeps nothing back.
    let token = app.mint("hinted", &["a"]).await;
    let form = [("token", token.secret.as_str()), ("token_type_hint", "refresh_token")];
    done(&app.nobody().form("/oauth2/revoke", &form).await);
    app.verify(&token.secret).await.decided("revoked");
}

async fn what_is_held_is_ended_though_it_could_not_be_used(app: &TestApp) {
    let elsewhere = json!({"token_name": "elsewhere", "permissions": [], "ip_allowlist": ["192.0.2.0/24"]});
    let elsewhere = app.mint_as(elsewhere).await;
    let inactive = app.mint("inactive", &["a"]).await;
    app.admin().patch(&inactive.path(), json!({"is_active": false})).await.expect(200);
    let disabled = app.partner("disabled", &["a"], None).await;
    app.admin().post(&format!("{}/disable", disabled.path()), json!({})).await.expect(200);
    let limited = json!({"token_name": "limited", "permissions": [], "rate_limits": {"per_minute": 1}});
    let limited = app.mint_as(limited).await;
    app.verify(&limited.secret).await.decided("valid");
    for token in [&elsewhere, &inactive, &disabled.token, &limited] {
        done(&revoke(&app.nobody(), &token.secret).await);
        app.verify(&token.secret).await.decided("revoked");
    }
}

async fn what_ends_by_itself_is_not_revoked(app: &TestApp) {
    let partner = app.partner("partner", &["a"], None).await;
    let access = partner.access(app).await;
    for caller in [app.nobody(), partner.caller(app), app.bearing(&access), app.admin()] {
        revoke(&caller, &access).await.oauth_error(400, "unsupported_token_type");
    }
    app.verify(&access).await.decided("valid");
    // What has ended already is over, whatever it was.
    app.admin().delete(&partner.token.path()).await.expect(204);
    done(&revoke(&app.nobody(), &access).await);
}

async fn who_is_not_who_they_say_ends_nothing(app: &TestApp) {
    let partner = app.partner("partner", &["a"], None).await;
    let token = app.mint("alone", &["a"]).await;
    let wrong = Partner { id: "0198c0de-0000-7000-8000-000000000000".to_owned(), ..partner.clone() };
    revoke(&wrong.caller(app), &token.secret).await.oauth_error(401, "invalid_client");
    revoke(&app.nobody().as_client(&partner.id, "sk_x"), &token.secret)
        .await
        .oauth_error(401, "invalid_client");
    revoke(&app.bearing("nonsense"), &token.secret).await.oauth_error(401, "invalid_token");
    let twice = partner.caller(app).with("x-api-key", &token.secret);
    revoke(&twice, &token.secret).await.oauth_error(400, "invalid_request");
    for form in ["", "token=", "token=a&token=b", "token_type_hint=access_token"] {
        app.nobody().form_text("/oauth2/revoke", form).await.oauth_error(400, "invalid_request");
    }
    let plain = app.nobody().with("content-type", "application/json");
    let body = json!({"token": token.secret}).to_string().into_bytes();
    plain.send_bytes("POST", "/oauth2/revoke", body).await.oauth_error(400, "invalid_request");
    app.verify(&token.secret).await.decided("valid");
}

async fn it_is_told_in_the_audit_trail(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let partner = app.partner("partner", &["a"], Some(&publisher)).await;
    let tenant = app.tenant("Songs").await;
    let (ada, me) = person(app, "ada@example.com", &tenant, PublisherAdmin).await;
    let personal = make(&me, json!({"name": "deploy", "scopes": [], "publisher_ids": [tenant.id]})).await;
    let session = app.login(&ada).await;
    for (token, kind, subject, actor) in [
        (&partner.token.secret, "token.revoked", &partner.token.id, &partner.id),
        (&personal.secret, "personal_token.revoked", &personal.id, &ada.id.to_string()),
        (&session.refresh, "session.ended", &session.id, &ada.id.to_string()),
    ] {
        let caller = app.nobody().with("x-request-id", &format!("ends-{subject}"));
        done(&revoke(&caller, token).await);
        // Again, and nothing more is told of it.
        done(&revoke(&caller, token).await);
        let path = format!("/audit/security-events?type={kind}");
        let events = app.admin().get(&path).await.expect(200);
        let of_it = |event: &&Value| event["subject"]["id"] == **subject;
        let told: Vec<_> = events["items"].as_array().unwrap().iter().filter(of_it).collect();
        assert_eq!(told.len(), 1, "{events}");
        let event = told[0];
        assert_eq!(
            (&event["actor"]["id"], &event["request_id"], &event["ip_address"]),
            (&json!(actor), &json!(format!("ends-{subject}")), &json!("127.0.0.1")),
            "{event}"
        );
        assert!(event["before"]["revoked_at"].is_null() && event["after"]["revoked_at"].is_string());
    }
}

async fn of_many_at_once_one_revokes(app: &TestApp) {
    let token = app.mint("contended", &["a"]).await;
    let (nobody, admin, path) = (app.nobody(), app.admin(), token.path());
    let held = futures::future::join_all((0..20).map(|_| revoke(&nobody, &token.secret)));
    let (held, deleted) = tokio::join!(held, admin.delete(&path));
    deleted.expect(204);
    held.iter().for_each(done);
    app.verify(&token.secret).await.decided("revoked");
    let count = "SELECT COUNT(*) FROM security_events WHERE type = 'token.revoked'";
    assert_eq!(app.database().await.number(count).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_ended_on_one_node_is_denied_on_the_other() {
    let Some(one) = TestApp::start(Engine::Postgres).await else { return };
    let other = one.another(None, &[]).await;
    let ada = one.person("ada@example.com", None).await;
    let tenant = one.tenant("Songs").await;
    one.join(&ada, &tenant, PublisherEditor).await;
    let (session, token) = (one.login(&ada).await, one.mint("alone", &["a"]).await);
    for (held, used) in [(&session.refresh, &session.access), (&token.secret, &token.secret)] {
        let code = async || other.verify(used).await.expect(200)["code"].clone();
        eventually("the other node knows it", async || code().await == "valid").await;
        done(&revoke(&one.nobody(), held).await);
        eventually("the other node denies", async || code().await == "revoked").await;
    }
    other.stop().await;
    one.stop().await;
}
