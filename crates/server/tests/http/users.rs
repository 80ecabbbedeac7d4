//! `/users`: who is invited, seen, locked out and deleted, and by whom.

use keywright_core::BuiltInRole::{PlatformAdmin, PublisherAdmin, PublisherViewer};
use serde_json::{Value, json};

use crate::harness::logins::Session;
use crate::harness::{Answer, Caller, TestApp, id, on_both_engines};

on_both_engines![
    who_is_invited_accepts_once_and_is_then_active,
    a_password_that_is_guessed_first_uses_the_link_not_up,
    of_fifty_who_accept_at_once_one_wins,
    an_address_with_an_account_gets_a_membership_and_the_caller_learns_no_more,
    an_invitation_keeps_to_the_publisher_and_to_what_the_caller_holds,
    an_invitation_that_is_sent_again_voids_the_older,
    an_invitation_is_made_once_for_its_key,
    within_a_publisher_there_are_its_members_alone,
    who_is_locked_out_is_let_in_again_and_both_are_told,
    who_belongs_elsewhere_too_is_the_platforms_to_change,
    a_deleted_user_is_gone_and_leaves_no_person_behind,
    no_table_names_a_deleted_user,
    the_last_administrator_stays,
    a_change_of_address_is_told_to_both,
    what_the_server_sets_is_refused,
];

pub(crate) const PASSWORD: &str = "seven blue walruses hum";

/// A caller within a publisher, and the publisher.
async fn accept(app: &TestApp, token: &str, password: &str) -> Answer {
    app.nobody().post("/auth/invitations/accept", json!({"token": token, "password": password})).await
}

async fn invite(app: &TestApp, publisher: &Value, email: &str) -> Value {
    let body = json!({"email": email, "publisher_id": id(publisher), "role": "publisher_viewer"});
    app.admin().post("/users", body).await.expect(201)
}

async fn events(app: &TestApp, user: &Value) -> Vec<String> {
    let list = app.admin().get("/audit/security-events?limit=200").await.expect(200);
    let items = list["items"].as_array().unwrap().iter();
    let about = items.filter(|event| event["subject"]["id"] == user["id"]);
    about.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

async fn who_is_invited_accepts_once_and_is_then_active(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let body = json!({"email": "Ada@Example.com", "display_name": "Ada", "locale": "de",
        "publisher_id": id(&publisher), "role": "publisher_editor"});
    let answer = app.admin().post("/users", body).await;
    let invited = answer.expect(201);
    assert_eq!(answer.header("location"), format!("/api/v1/users/{}", id(&invited)));
    assert_eq!((&invited["status"], &invited["email"]), (&json!("invited"), &json!("Ada@example.com")));
    assert_eq!(invited["publishers"][0]["role"], "publisher_editor");
    assert_eq!(invited["default_publisher_id"], publisher["id"]);

    let mail = app.mail("Ada@example.com", 1).await;
    assert!(mail.link().starts_with("https://auth.example.com/account/invitation?token=mt_"), "{mail:?}");
    assert!(mail.text.contains("Songtrust") && mail.text.contains("Guten Tag Ada"), "{mail:?}");
    let token = mail.token();
    let accepted = accept(app, &token, PASSWORD).await.expect(200);
    assert_eq!((&accepted["status"], &accepted["display_name"]), (&json!("active"), &json!("Ada")));
    assert!(accepted["email_verified_at"].is_string());
    accept(app, &token, PASSWORD).await.refused(400, "link_not_usable");
    let seen = app.admin().get(&format!("/users/{}", id(&invited))).await.expect(200);
    assert_eq!(seen["status"], "active");
    assert_eq!(events(app, &invited).await, ["user.accepted", "member.added", "user.invited"]);
}

async fn a_password_that_is_guessed_first_uses_the_link_not_up(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    invite(app, &publisher, "ada.lovelace@example.com").await;
    let token = app.mail("ada.lovelace@example.com", 1).await.token();
    for bad in ["short", "passwordpassword", "ada.lovelace2026", "songtrustsongtrust", &"x".repeat(257)] {
        let problem = accept(app, &token, bad).await.refused(422, "validation_failed");
        assert_eq!(problem["errors"][0]["field"], "password", "{problem}");
        assert!(!problem.to_string().contains(bad) || bad == "short", "{problem}");
    }
    accept(app, &token, PASSWORD).await.expect(200);
    for token in ["", "mt_", "nonsense", &format!("mt_{}", "0a".repeat(32)), &token.to_uppercase()] {
        accept(app, token, PASSWORD).await.refused(400, "link_not_usable");
    }
}

async fn of_fifty_who_accept_at_once_one_wins(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    invite(app, &publisher, "ada@example.com").await;
    let token = app.mail("ada@example.com", 1).await.token();
    let attempts = (0..50).map(|_| accept(app, &token, PASSWORD));
    let answers = futures::future::join_all(attempts).await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(won, 1);
    for lost in answers.iter().filter(|answer| answer.status != 200) {
        lost.refused(400, "link_not_usable");
    }
}

async fn an_address_with_an_account_gets_a_membership_and_the_caller_learns_no_more(app: &TestApp) {
    let (first, second) = (app.publisher("First").await, app.publisher("Second").await);
    let known = invite(app, &first, "ada@example.com").await;
    accept(app, &app.mail("ada@example.com", 1).await.token(), PASSWORD).await.expect(200);
    let again = invite(app, &second, " ADA@example.com").await;
    assert_eq!(again["id"], known["id"]);
    let mail = app.mail("ada@example.com", 2).await;
    assert!(mail.text.contains("Second") && !mail.text.contains("mt_"), "{mail:?}");
    let members = app.admin().get(&format!("/publishers/{}/members", id(&second))).await.expect(200);
    assert_eq!(members["items"][0]["user_id"], known["id"]);
    let body = json!({"email": "ada@example.com", "publisher_id": id(&second), "role": "publisher_viewer"});
    app.admin().post("/users", body).await.refused(409, "already_member");
}

async fn an_invitation_keeps_to_the_publisher_and_to_what_the_caller_holds(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let settings = json!({"allowed_login_domains": ["example.com"]});
    let path = format!("/publishers/{}/settings", id(&publisher));
    app.admin().patch(&path, settings).await.expect(200);
    let caller = app.caller(&["users:admin", "tokens:read"]).await;
    let at = |email: &str, role: &str| json!({"email": email, "publisher_id": id(&publisher), "role": role});
    let field = |problem: Value| problem["errors"][0]["field"].as_str().unwrap().to_owned();
    let refused = caller.post("/users", at("ada@elsewhere.com", "publisher_viewer")).await;
    assert_eq!(field(refused.refused(422, "validation_failed")), "email");
    let refused = caller.post("/users", at("ada@example.com", "no such role")).await;
    assert_eq!(field(refused.refused(422, "validation_failed")), "role");
    caller
        .post("/users", at("ada@example.com", "publisher_admin"))
        .await
        .refused(403, "scope_exceeds_grantor");
    let role = app.role(&publisher, "reader", &["tokens:read"]).await;
    caller.post("/users", at("ada@example.com", id(&role))).await.expect(201);
    let platform = json!({"email": "root@example.com", "platform_role": "platform_admin"});
    caller.post("/users", platform.clone()).await.refused(403, "scope_exceeds_grantor");
    let made = app.admin().post("/users", platform).await.expect(201);
    assert_eq!(made["platform_role"], "platform_admin");
    caller.post("/users", json!({"email": "a@example.com"})).await.refused(422, "publisher_required");
    for alone in [json!({"show_link": true}), json!({"password": PASSWORD})] {
        let mut body = at("b@example.com", id(&role));
        body.as_object_mut().unwrap().extend(alone.as_object().unwrap().clone());
        app.admin().post("/users", body).await.refused(422, "validation_failed");
    }
}

async fn an_invitation_that_is_sent_again_voids_the_older(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let invited = invite(app, &publisher, "ada@example.com").await;
    let first = app.mail("ada@example.com", 1).await.token();
    let path = format!("/users/{}/invite", id(&invited));
    app.admin().post(&path, json!({})).await.expect(200);
    let second = app.mail("ada@example.com", 2).await.token();
    accept(app, &first, PASSWORD).await.refused(400, "link_not_usable");
    accept(app, &second, PASSWORD).await.expect(200);
    app.admin().post(&path, json!({})).await.refused(409, "not_invited");
}

async fn an_invitation_is_made_once_for_its_key(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let keyed = app.admin().with("idempotency-key", "0123456789abcdef");
    let body =
        json!({"email": "ada@example.com", "publisher_id": id(&publisher), "role": "publisher_viewer"});
    let first = keyed.post("/users", body.clone()).await.expect(201);
    let second = keyed.post("/users", body).await;
    assert_eq!(second.expect(201), first);
    assert_eq!(second.header("idempotency-replayed"), "true");
    app.mail("ada@example.com", 1).await;
    let other =
        json!({"email": "eve@example.com", "publisher_id": id(&publisher), "role": "publisher_viewer"});
    keyed.post("/users", other).await.refused(409, "idempotency_mismatch");
}

/// A platform caller that acts for a publisher sees what one of it sees.
fn acting(caller: &Caller, publisher: &Value) -> Caller {
    caller.with("x-publisher-id", id(publisher))
}

async fn within_a_publisher_there_are_its_members_alone(app: &TestApp) {
    let (first, second) = (app.publisher("First").await, app.publisher("Second").await);
    let ada = invite(app, &first, "ada@example.com").await;
    let eve = invite(app, &second, "eve@example.com").await;
    let caller = acting(&app.admin(), &first);
    let list = caller.get("/users").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["id"], ada["id"]);
    let stranger = caller.get(&format!("/users/{}", id(&eve))).await;
    let nobody = caller.get("/users/01980000-0000-7000-8000-000000000001").await;
    assert_eq!(stranger.refused(404, "not_found")["detail"], nobody.refused(404, "not_found")["detail"]);
    assert_eq!(caller.get("/users?email=eve@example.com").await.expect(200)["items"], json!([]));
    for q in ["email=ADA@example.com", "q=aDa", "status=invited"] {
        let found = caller.get(&format!("/users?{q}")).await.expect(200);
        assert_eq!(found["items"][0]["id"], ada["id"], "{q}");
    }
    assert_eq!(app.admin().get("/users").await.expect(200)["items"].as_array().unwrap().len(), 2);
    caller.delete(&format!("/users/{}", id(&eve))).await.refused(404, "not_found");
}

async fn who_is_locked_out_is_let_in_again_and_both_are_told(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let ada = invite(app, &publisher, "ada@example.com").await;
    let path = format!("/users/{}", id(&ada));
    let disabled = app.admin().post(&format!("{path}/disable"), json!({"reason": "left"})).await.expect(200);
    assert_eq!((&disabled["status"], &disabled["disabled_reason"]), (&json!("disabled"), &json!("left")));
    accept(app, &app.mail("ada@example.com", 1).await.token(), PASSWORD)
        .await
        .refused(400, "link_not_usable");
    let enabled = app.admin().post(&format!("{path}/enable"), json!({})).await.expect(200);
    assert_eq!(enabled["status"], "invited");
    let stale = app.admin().with("if-match", "\"1\"").post(&format!("{path}/disable"), json!({})).await;
    stale.refused(412, "precondition_failed");
    assert_eq!(events(app, &ada).await[..2], ["user.enabled", "user.disabled"]);
}

/// An administrator of one publisher sees who belongs to another too, and ends their membership; what reaches further
/// is not theirs.
async fn who_belongs_elsewhere_too_is_the_platforms_to_change(app: &TestApp) {
    let (first, second) = (app.tenant("First").await, app.tenant("Second").await);
    let boss = app.member_of("boss@example.com", &first, PublisherAdmin).await;
    let boss = app.bearing(&app.login(&boss).await.access);
    let elsewhere = app.member_of("ada@example.com", &first, PublisherViewer).await;
    app.join(&elsewhere, &second, PublisherViewer).await;
    let of_platform = app.person("root@example.com", Some(PlatformAdmin)).await;
    app.join(&of_platform, &first, PublisherViewer).await;
    app.person("other@example.com", Some(PlatformAdmin)).await;
    let own = app.member_of("tom@example.com", &first, PublisherViewer).await;
    // Nor is it told for whom else somebody acts.
    let default = json!({"default_publisher_id": second.id});
    app.bearing(&app.login_for(&elsewhere, &first).await.access).patch("/auth/me", default).await.expect(200);
    let path = format!("/users/{}", elsewhere.id);
    assert_eq!(app.admin().get(&path).await.expect(200)["default_publisher_id"], json!(second.id));
    for shown in [boss.get(&path).await, boss.get("/users").await] {
        let shown = shown.expect(200).to_string();
        assert!(
            shown.contains("ada@example.com") && !shown.contains(&json!(second.id).to_string()),
            "{shown}"
        );
    }
    for (person, without) in [(&elsewhere, "wrong_publisher"), (&of_platform, "valid")] {
        let session = app.login_for(person, &first).await;
        let path = format!("/users/{}", person.id);
        boss.get(&path).await.expect(200);
        let state = async || app.admin().get(&path).await.expect(200);
        let before = state().await;
        for answer in [
            boss.post(&format!("{path}/disable"), json!({})).await,
            boss.post(&format!("{path}/enable"), json!({})).await,
            boss.patch(&path, json!({"display_name": "Mallory"})).await,
            boss.patch(&path, json!({"email": "mallory@example.com"})).await,
            boss.delete(&path).await,
        ] {
            let problem = answer.refused(403, "insufficient_scope");
            assert!(!problem.to_string().contains("Second"), "{problem}");
        }
        assert_eq!(state().await, before);
        app.verify(&session.access).await.decided("valid");
        // Their part in the publisher is.
        boss.delete(&format!("/publishers/{}/members/{}", first.id, person.id)).await.expect(204);
        // An administrator of the platform acts for every publisher.
        app.verify(&session.access).await.decided(without);
        boss.get(&path).await.refused(404, "not_found");
    }
    let path = format!("/users/{}", own.id);
    boss.patch(&path, json!({"display_name": "Tom"})).await.expect(200);
    boss.post(&format!("{path}/disable"), json!({})).await.expect(200);
    boss.post(&format!("{path}/enable"), json!({})).await.expect(200);
    boss.delete(&path).await.expect(204);
}

async fn a_deleted_user_is_gone_and_leaves_no_person_behind(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let ada = invite(app, &publisher, "ada@example.com").await;
    let token = app.mail("ada@example.com", 1).await.token();
    let path = format!("/users/{}", id(&ada));
    for _ in 0..2 {
        app.admin().delete(&path).await.expect(204);
    }
    app.admin().get(&path).await.refused(404, "not_found");
    accept(app, &token, PASSWORD).await.refused(400, "link_not_usable");
    let members = app.admin().get(&format!("/publishers/{}/members", id(&publisher))).await.expect(200);
    assert_eq!(members["items"], json!([]));
    // The trail keeps the id, and no name or address of the person.
    let trail = app.admin().get("/audit/security-events?limit=200").await.expect(200).to_string();
    assert!(trail.contains(id(&ada)) && !trail.contains("ada@example.com"), "{trail}");
    invite(app, &publisher, "ada@example.com").await;
}

async fn no_table_names_a_deleted_user(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let ada = invite(app, &publisher, "ada@example.com").await;
    accept(app, &app.mail("ada@example.com", 1).await.token(), PASSWORD).await.expect(200);
    // Whatever leaves a record of her: logins, decisions, refusals, changes, a refresh token that was stolen.
    let good = app.try_login("ada@example.com", PASSWORD).await;
    let session = Session::of(&good);
    let bad = app.try_login("ada@example.com", "wrong password 123").await;
    app.verify(&session.access).await.decided("valid");
    let mine = app.bearing(&session.access);
    mine.get("/publishers?limit=1").await.refused(403, "insufficient_scope");
    mine.patch("/auth/me", json!({"display_name": "Ada Lovelace"})).await.expect(200);
    let next = Session::of(&app.refresh(&session.refresh).await);
    app.refresh(&next.refresh).await.expect(200);
    app.refresh(&session.refresh).await.refused(401, "refresh_reused");
    app.bearing(&next.access).get("/auth/me").await.refused(401, "revoked");
    app.recorded().await;
    let shown = async |answer: &Answer| {
        let events = app.admin().get("/audit/authentication-events?limit=200").await.expect(200);
        let mut events = events["items"].as_array().unwrap().iter();
        let event = events.find(|event| event["request_id"] == answer.request_id()).unwrap();
        (event["user_email"].clone(), event["principal_id"].clone())
    };
    for answer in [&good, &bad] {
        assert_eq!(shown(answer).await, (json!("ada@example.com"), ada["id"].clone()));
    }
    app.admin().delete(&format!("/users/{}", id(&ada))).await.expect(204);
    for answer in [&good, &bad] {
        assert_eq!(shown(answer).await, (Value::Null, ada["id"].clone()));
    }
    for (table, rows) in app.database().await.dump().await {
        let rows = rows.to_lowercase();
        for named in ["ada@example.com", "lovelace"] {
            assert!(!rows.contains(named), "{table} still has {named}: {rows}");
        }
    }
}

async fn the_last_administrator_stays(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let body =
        |email: &str| json!({"email": email, "publisher_id": id(&publisher), "role": "publisher_admin"});
    let accepts = async |email: &str| {
        accept(app, &app.mail(email, 1).await.token(), PASSWORD).await.expect(200);
    };
    let ada = app.admin().post("/users", body("ada@example.com")).await.expect(201);
    accepts("ada@example.com").await;
    let path = format!("/users/{}", id(&ada));
    app.admin().post(&format!("{path}/disable"), json!({})).await.refused(409, "last_administrator");
    app.admin().delete(&path).await.refused(409, "last_administrator");
    // Who was only invited cannot take over, and may be uninvited.
    let tom = app.admin().post("/users", body("tom@example.com")).await.expect(201);
    app.admin().delete(&path).await.refused(409, "last_administrator");
    app.admin().delete(&format!("/users/{}", id(&tom))).await.expect(204);
    app.admin().post("/users", body("eve@example.com")).await.expect(201);
    accepts("eve@example.com").await;
    app.admin().delete(&path).await.expect(204);
    let root = json!({"email": "root@example.com", "platform_role": "platform_admin"});
    let root = app.admin().post("/users", root).await.expect(201);
    accepts("root@example.com").await;
    let path = format!("/users/{}", id(&root));
    app.admin().patch(&path, json!({"platform_role": null})).await.refused(409, "last_administrator");
    app.admin().post(&format!("{path}/disable"), json!({})).await.refused(409, "last_administrator");
}

async fn a_change_of_address_is_told_to_both(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let ada = invite(app, &publisher, "ada@example.com").await;
    accept(app, &app.mail("ada@example.com", 1).await.token(), PASSWORD).await.expect(200);
    let path = format!("/users/{}", id(&ada));
    let changed =
        app.admin().patch(&path, json!({"email": "new@example.com", "display_name": "Ada L."})).await;
    let changed = changed.expect(200);
    assert_eq!(
        (&changed["email"], &changed["email_verified_at"], &changed["display_name"]),
        (&json!("new@example.com"), &Value::Null, &json!("Ada L."))
    );
    assert!(app.mail("ada@example.com", 2).await.text.contains("new@example.com"));
    let token = app.mail("To: \"Ada L.\" <new@example.com>", 1).await.token();
    app.nobody().post("/auth/email/verify", json!({"token": token})).await.expect(204);
    app.nobody().post("/auth/email/verify", json!({"token": token})).await.refused(400, "link_not_usable");
    assert!(app.admin().get(&path).await.expect(200)["email_verified_at"].is_string());
    let eve = invite(app, &publisher, "eve@example.com").await;
    let taken = app.admin().patch(&format!("/users/{}", id(&eve)), json!({"email": "NEW@example.com"})).await;
    taken.refused(409, "email_taken");
}

async fn what_the_server_sets_is_refused(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let ada = invite(app, &publisher, "ada@example.com").await;
    let path = format!("/users/{}", id(&ada));
    for (name, value) in [
        ("email_verified_at", json!("2026-01-01T00:00:00Z")),
        ("status", json!("active")),
        ("password", json!(PASSWORD)),
        ("id", json!("1")),
    ] {
        app.admin().patch(&path, json!({ name: value })).await.refused(403, "forbidden_field");
    }
    app.admin().patch(&path, json!({"emial": "x"})).await.refused(422, "unknown_field");
    for bad in ["", "ada", "a b@example.com", "ada@example.com\nbcc: x@y.z"] {
        app.admin().patch(&path, json!({ "email": bad })).await.refused(422, "validation_failed");
    }
}
