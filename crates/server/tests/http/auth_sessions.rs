//! Sessions: `GET /auth/sessions`, `DELETE /auth/sessions/{id}`, `POST /auth/logout`, `POST /auth/logout-all`,
//! `POST /auth/switch-publisher`, `GET` and `DELETE /users/{id}/sessions`, and what `GET /auth/me` tells of them.

use keywright_core::BuiltInRole::{PlatformAdmin, PublisherAdmin, PublisherEditor, PublisherViewer};
use serde_json::{Value, json};

use crate::harness::logins::Session;
use crate::harness::{Caller, TestApp, on_both_engines};

on_both_engines![
    a_user_sees_who_they_are_and_for_whom_they_act,
    a_session_that_was_logged_out_is_denied_at_once,
    logging_out_everywhere_ends_all_and_one_may_be_ended_alone,
    nobody_ends_or_sees_the_sessions_of_others,
    administrators_see_and_end_those_of_their_publisher_alone,
    switching_gives_the_other_publisher_in_the_same_session,
    a_credential_that_is_no_session_has_none,
    lists_go_on_page_by_page,
];

fn within(app: &TestApp, session: &Session) -> Caller {
    app.bearing(&session.access)
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

async fn a_user_sees_who_they_are_and_for_whom_they_act(app: &TestApp) {
    let tenant = app.tenant("Songtrust").await;
    let ada = app.member_of("ada@example.com", &tenant, PublisherEditor).await;
    let session = app.login(&ada).await;
    let me = within(app, &session).get("/auth/me").await.expect(200);
    assert_eq!(me["principal"], json!({"type": "user", "id": ada.id, "name": "ada@example.com"}));
    assert_eq!((&me["publishers"], &me["publisher_id"]), (&json!([tenant.id]), &json!(tenant.id)));
    assert!(me["permissions"].as_array().unwrap().contains(&json!("personal_tokens:write")));
    let credential = &me["credential"];
    assert_eq!((&credential["id"], &credential["token_type"]), (&json!(session.id), &json!("user")));
    assert_eq!((&me["session"]["id"], &me["session"]["current"]), (&json!(session.id), &json!(true)));
    let user = &me["user"];
    assert_eq!((&user["id"], &user["email_verified"]), (&json!(ada.id), &json!(true)));
    let membership = &user["memberships"][0];
    assert_eq!(membership["publisher_name"], "Songtrust");
    assert_eq!(membership["role"], "publisher_editor");
    let decision = app.verify_body(json!({"token": session.access})).await.decided("valid");
    assert_eq!(decision["principal"]["id"], json!(ada.id));
}

async fn a_session_that_was_logged_out_is_denied_at_once(app: &TestApp) {
    let ada = app.person("ada@example.com", Some(PlatformAdmin)).await;
    let (session, other) = (app.login(&ada).await, app.login(&ada).await);
    app.verify(&session.access).await.decided("valid");
    let ended = within(app, &session).send("POST", "/auth/logout", None).await.expect(200);
    assert_eq!(ended, json!({"ended": 1}));
    app.verify(&session.access).await.decided("revoked");
    within(app, &session).get("/auth/me").await.refused(401, "revoked");
    app.refresh(&session.refresh).await.refused(401, "revoked");
    app.verify(&other.access).await.decided("valid");
    let events = app.admin().get("/audit/security-events?type=session.ended").await.expect(200);
    let event = &events["items"][0];
    assert_eq!((&event["subject"]["id"], &event["actor"]["id"]), (&json!(session.id), &json!(ada.id)));
}

async fn logging_out_everywhere_ends_all_and_one_may_be_ended_alone(app: &TestApp) {
    let ada = app.person("ada@example.com", None).await;
    let [first, second, third] = [app.login(&ada).await, app.login(&ada).await, app.login(&ada).await];
    let path = format!("/auth/sessions/{}", second.id);
    for _ in 0..2 {
        within(app, &first).delete(&path).await.expect(204);
    }
    app.verify(&second.access).await.decided("revoked");
    let list = within(app, &first).get("/auth/sessions").await.expect(200);
    assert_eq!(ids(&list), [third.id.as_str(), &first.id]);
    assert_eq!((&list["items"][0]["current"], &list["items"][1]["current"]), (&json!(false), &json!(true)));
    assert!(list["items"][0]["ip_address"].is_string());
    let ended = within(app, &third).send("POST", "/auth/logout-all", None).await.expect(200);
    assert_eq!(ended, json!({"ended": 2}));
    for session in [&first, &third] {
        app.verify(&session.access).await.decided("revoked");
    }
    app.login(&ada).await;
}

async fn nobody_ends_or_sees_the_sessions_of_others(app: &TestApp) {
    let (ada, bob) = (app.person("ada@example.com", None).await, app.person("bob@example.com", None).await);
    let (mine, theirs) = (app.login(&ada).await, app.login(&bob).await);
    let caller = within(app, &mine);
    assert_eq!(ids(&caller.get("/auth/sessions").await.expect(200)), [mine.id.as_str()]);
    let foreign = caller.delete(&format!("/auth/sessions/{}", theirs.id)).await;
    let missing = caller.delete("/auth/sessions/0198c0de-0000-7000-8000-000000000000").await;
    let bare = |answer: &crate::harness::Answer| {
        let mut problem = answer.refused(404, "not_found");
        problem.as_object_mut().unwrap().remove("request_id");
        problem
    };
    assert_eq!(bare(&foreign), bare(&missing));
    caller.get(&format!("/users/{}/sessions", bob.id)).await.refused(403, "insufficient_scope");
    app.verify(&theirs.access).await.decided("valid");
}

async fn administrators_see_and_end_those_of_their_publisher_alone(app: &TestApp) {
    let (first, second) = (app.tenant("First").await, app.tenant("Second").await);
    let admin = app.member_of("admin@example.com", &first, PublisherAdmin).await;
    let ada = app.member_of("ada@example.com", &first, PublisherViewer).await;
    app.join(&ada, &second, PublisherViewer).await;
    let stranger = app.member_of("bob@example.com", &second, PublisherViewer).await;
    let (here, there) = (app.login_for(&ada, &first).await, app.login_for(&ada, &second).await);
    let foreign = app.login(&stranger).await;
    let admin = within(app, &app.login(&admin).await);
    let path = format!("/users/{}/sessions", ada.id);
    assert_eq!(ids(&admin.get(&path).await.expect(200)), [here.id.as_str()]);
    assert_eq!(ids(&app.admin().get(&path).await.expect(200)), [there.id.as_str(), &here.id]);
    let beyond = format!("/users/{}/sessions", stranger.id);
    admin.get(&beyond).await.refused(404, "not_found");
    admin.delete(&beyond).await.refused(404, "not_found");
    admin.delete(&path).await.expect(204);
    app.verify(&here.access).await.decided("revoked");
    app.verify(&there.access).await.decided("valid");
    app.verify(&foreign.access).await.decided("valid");
    app.admin().delete(&path).await.expect(204);
    app.verify(&there.access).await.decided("revoked");
}

async fn switching_gives_the_other_publisher_in_the_same_session(app: &TestApp) {
    let (first, second, third) =
        (app.tenant("First").await, app.tenant("Second").await, app.tenant("Third").await);
    let ada = app.member_of("ada@example.com", &first, PublisherAdmin).await;
    app.join(&ada, &second, PublisherViewer).await;
    let session = app.login_for(&ada, &first).await;
    let caller = within(app, &session);
    let switch = async |to: Value| caller.post("/auth/switch-publisher", json!({"publisher_id": to})).await;
    let switched = switch(json!(second.id)).await;
    let other = Session::of(&switched);
    assert_eq!((&other.id, other.body["publisher_id"].clone()), (&session.id, json!(second.id)));
    assert!(other.body.get("refresh_token").is_none());
    let me = within(app, &other).get("/auth/me").await.expect(200);
    assert_eq!(me["publisher_id"], json!(second.id));
    assert!(!me["permissions"].as_array().unwrap().contains(&json!("*")));
    // What was given before is for the first one still, and a refresh gives the new one.
    assert_eq!(caller.get("/auth/me").await.expect(200)["publisher_id"], json!(first.id));
    let next = Session::of(&app.refresh(&session.refresh).await);
    assert_eq!(next.body["publisher_id"], json!(second.id));
    switch(json!(third.id)).await.refused(403, "wrong_publisher");
    switch(Value::Null).await.refused(403, "wrong_publisher");
    caller.post("/auth/switch-publisher", json!({})).await.bad_field("publisher_id", "required");

    let root = app.person("root@example.com", Some(PlatformAdmin)).await;
    let session = app.login_for(&root, &first).await;
    within(app, &session).get("/system/status").await.refused(403, "insufficient_scope");
    let body = json!({"publisher_id": null});
    let platform = Session::of(&within(app, &session).post("/auth/switch-publisher", body).await);
    within(app, &platform).get("/system/status").await.expect(200);
}

async fn a_credential_that_is_no_session_has_none(app: &TestApp) {
    let token = app.caller(&["users:read"]).await;
    assert_eq!(token.get("/auth/sessions").await.expect(200)["items"], json!([]));
    for path in ["/auth/logout", "/auth/logout-all"] {
        assert_eq!(token.send("POST", path, None).await.expect(200), json!({"ended": 0}));
    }
    token.get("/auth/me").await.expect(200);
}

async fn lists_go_on_page_by_page(app: &TestApp) {
    let ada = app.person("ada@example.com", None).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(app.login(&ada).await);
    }
    made.reverse();
    let caller = within(app, &made[0]);
    let (mut seen, mut path) = (Vec::new(), "/auth/sessions?limit=2".to_owned());
    loop {
        let page = caller.get(&path).await.expect(200);
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/auth/sessions?limit=2&cursor={cursor}");
    }
    let expected: Vec<_> = made.iter().map(|session| session.id.clone()).collect();
    assert_eq!(seen, expected);
    caller.get("/auth/sessions?cursor=x").await.bad_field("cursor", "invalid_format");
}
