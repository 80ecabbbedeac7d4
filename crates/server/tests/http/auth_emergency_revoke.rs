//! `POST /auth/emergency-revoke`.

use keywright_core::BuiltInRole::{PublisherAdmin, PublisherViewer};
use serde_json::{Value, json};

use crate::harness::logins::Session;
use crate::harness::{Answer, Caller, TestApp, eventually, on_both_engines};

on_both_engines![
    everything_dies_before_the_call_returns,
    the_caller_is_spared_only_if_it_asks,
    rows_are_marked_afterwards_and_names_are_free_at_once,
    kinds_that_are_not_named_are_not_reached,
    what_is_being_minted_at_that_moment_does_not_survive,
    it_can_be_done_again,
    a_reach_must_be_said,
    it_needs_its_permission,
    sessions_die_within_the_reach_and_nowhere_else,
    service_tokens_die_within_the_reach_and_nowhere_else,
    a_revoked_signing_key_kills_what_it_signed_and_the_next_one_signs,
    why_a_signing_key_is_rotated_need_not_be_said_and_is_kept_where_it_is,
];

async fn revoke(caller: &Caller, more: Value) -> Answer {
    let mut body = json!({"reason": "breach", "scope": {"all": true}});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    caller.post("/auth/emergency-revoke", body).await
}

async fn everything_dies_before_the_call_returns(app: &TestApp) {
    let mut tokens = Vec::new();
    for number in 0..5 {
        let token = app.mint(&format!("token {number}"), &["*"]).await;
        app.verify(&token.secret).await.decided("valid");
        tokens.push(token);
    }
    let unseen = app.mint("never cached", &["a"]).await;
    let answer = revoke(&app.admin(), json!({})).await;
    let revoked = answer.expect(200);
    assert_eq!(revoked["revoked"], json!({"service": 7, "personal": 0, "sessions": 0}));
    assert_eq!(revoked["nodes"], json!({"confirmed": [app.authority().node()], "pending": []}));
    let loads = app.loads();
    for token in &tokens {
        app.verify(&token.secret).await.decided("revoked");
    }
    assert_eq!(app.loads(), loads, "the dead cost no query");
    app.verify(&unseen.secret).await.decided("revoked");
    app.verify(app.admin_token()).await.decided("revoked");
    app.admin().get("/auth/me").await.refused(401, "revoked");
}

async fn the_caller_is_spared_only_if_it_asks(app: &TestApp) {
    let token = app.mint("not spared", &["*"]).await;
    let revoked = revoke(&app.admin(), json!({"keep_caller": true})).await.expect(200);
    assert_eq!(revoked["revoked"]["service"], 1);
    app.verify(&token.secret).await.decided("revoked");
    let me = app.admin().get("/auth/me").await.expect(200);
    let id = revoked["event_id"].as_str().unwrap();
    let events = app.admin().get("/audit/security-events?type=emergency.revoked").await.expect(200);
    let event = &events["items"][0];
    assert_eq!((&event["id"], &event["reason"]), (&json!(id), &json!("breach")));
    assert_eq!(event["actor"], me["principal"]);
    assert_eq!(event["details"]["kept_caller"], me["credential"]["id"]);
    let after = app.mint("after", &["a"]).await;
    app.verify(&after.secret).await.decided("valid");
}

async fn rows_are_marked_afterwards_and_names_are_free_at_once(app: &TestApp) {
    let token = app.mint("name", &["a"]).await;
    revoke(&app.admin(), json!({"keep_caller": true})).await.expect(200);
    let seen = app.admin().get(&token.path()).await.expect(200);
    assert_eq!(seen["status"], "revoked");
    app.admin().patch(&token.path(), json!({"is_active": true})).await.refused(409, "already_revoked");
    let rotate = format!("{}/rotate", token.path());
    app.admin().post(&rotate, json!({"reason": "r"})).await.refused(409, "not_rotatable");
    let again = app.mint("name", &["a"]).await;
    app.verify(&again.secret).await.decided("valid");
    eventually("the row is marked", async || {
        let seen = app.admin().get(&token.path()).await.expect(200);
        seen["revoked_at"].is_string() && seen["revoked_reason"] == "emergency revocation"
    })
    .await;
    app.admin().delete(&token.path()).await.expect(204);
    app.verify(&token.secret).await.decided("revoked");
    app.verify(&again.secret).await.decided("valid");
}

async fn kinds_that_are_not_named_are_not_reached(app: &TestApp) {
    let token = app.mint("service", &["a"]).await;
    let revoked =
        revoke(&app.admin(), json!({"include": ["personal", "sessions", "external"]})).await.expect(200);
    assert_eq!(revoked["revoked"], json!({"service": 0, "personal": 0, "sessions": 0}));
    app.verify(&token.secret).await.decided("valid");
    revoke(&app.admin(), json!({"include": ["service"], "keep_caller": true})).await.expect(200);
    app.verify(&token.secret).await.decided("revoked");
}

async fn what_is_being_minted_at_that_moment_does_not_survive(app: &TestApp) {
    for round in 0..5 {
        let rogue = app.caller_named(&format!("rogue {round}"), &["*"]).await;
        let mints = (0..20).map(|number| {
            let body = json!({"token_name": format!("round {round}, {number}"), "permissions": ["*"]});
            rogue.post("/auth/tokens", body)
        });
        let admin = app.admin();
        let emergency = revoke(&admin, json!({"keep_caller": true}));
        let (made, revoked) = tokio::join!(futures::future::join_all(mints), emergency);
        revoked.expect(200);
        for answer in made {
            if answer.status == 201 {
                app.verify(answer.json()["token"].as_str().unwrap()).await.decided("revoked");
            } else {
                answer.refused(401, "revoked");
            }
        }
    }
}

async fn it_can_be_done_again(app: &TestApp) {
    for round in 0..3 {
        let token = app.mint(&format!("round {round}"), &["a"]).await;
        app.verify(&token.secret).await.decided("valid");
        let revoked = revoke(&app.admin(), json!({"keep_caller": true})).await.expect(200);
        assert_eq!(revoked["revoked"]["service"], 1, "round {round}: only those that lived");
        app.verify(&token.secret).await.decided("revoked");
    }
}

async fn a_reach_must_be_said(app: &TestApp) {
    let send = async |body: Value| app.admin().post("/auth/emergency-revoke", body).await;
    send(json!({"reason": "r"})).await.bad_field("scope", "required");
    send(json!({"scope": {"all": true}})).await.bad_field("reason", "required");
    send(json!({"reason": "r", "scope": null})).await.bad_field("scope", "required");
    send(json!({"reason": "r", "scope": {}})).await.bad_field("scope.all", "required");
    send(json!({"reason": "r", "scope": {"all": false}})).await.bad_field("scope.all", "invalid_value");
    send(json!({"reason": "r", "scope": "all"})).await.bad_field("scope", "invalid_type");
    send(json!({"reason": "r", "scope": {"everything": true}})).await.refused(422, "unknown_field");
    let nobody = "0198c0de-0000-7000-8000-000000000000";
    for narrower in ["publisher_id", "service_account_id", "user_id"] {
        send(json!({"reason": "r", "scope": {narrower: nobody}})).await.refused(404, "not_found");
        send(json!({"reason": "r", "scope": {narrower: "x"}}))
            .await
            .bad_field(&format!("scope.{narrower}"), "invalid_format");
    }
    let all = json!({"all": true});
    send(json!({"reason": "r", "scope": all, "include": []})).await.bad_field("include", "too_short");
    send(json!({"reason": "r", "scope": all, "include": ["all"]}))
        .await
        .bad_field("include[0]", "invalid_value");
    send(json!({"reason": "r", "scope": all, "keep_caller": 1}))
        .await
        .bad_field("keep_caller", "invalid_type");
    app.admin().send("POST", "/auth/emergency-revoke", None).await.refused(400, "invalid_json");
    app.verify(app.admin_token()).await.decided("valid");
}

async fn it_needs_its_permission(app: &TestApp) {
    let poor = app.caller(&["tokens:admin", "audit:read", "tokens:verify"]).await;
    revoke(&poor, json!({})).await.refused(403, "insufficient_scope");
    app.verify(app.admin_token()).await.decided("valid");
    let enough = app.caller(&["emergency:revoke"]).await;
    revoke(&enough, json!({})).await.expect(200);
    app.verify(app.admin_token()).await.decided("revoked");
}

async fn sessions_die_within_the_reach_and_nowhere_else(app: &TestApp) {
    let (first, second) = (app.tenant("First").await, app.tenant("Second").await);
    let ada = app.member_of("ada@example.com", &first, PublisherViewer).await;
    app.join(&ada, &second, PublisherViewer).await;
    let bob = app.member_of("bob@example.com", &first, PublisherViewer).await;
    let admin = app.member_of("admin@example.com", &first, PublisherAdmin).await;
    let sign_in = async || {
        [
            app.login_for(&ada, &first).await,
            app.login_for(&ada, &second).await,
            app.login_for(&bob, &first).await,
            app.login_for(&admin, &first).await,
        ]
    };
    let verdicts = async |sessions: &[Session]| {
        let mut verdicts = Vec::new();
        for session in sessions {
            verdicts.push(app.verify(&session.access).await.json()["code"] == "valid");
        }
        verdicts
    };
    let scoped = async |caller: &Caller, scope: Value, keep: bool| {
        let body = json!({"reason": "breach", "scope": scope, "keep_caller": keep});
        caller.post("/auth/emergency-revoke", body).await
    };
    let of = |sessions: &[Session]| app.bearing(&sessions[3].access);
    for (scope, reached, alive) in [
        (json!({"user_id": ada.id}), 2, [false, false, true, true]),
        (json!({"publisher_id": first.id}), 3, [false, true, false, false]),
    ] {
        let sessions = sign_in().await;
        assert_eq!(verdicts(&sessions).await, [true; 4]);
        let revoked = scoped(&app.admin(), scope.clone(), false).await.expect(200);
        assert_eq!(revoked["revoked"], json!({"service": 0, "personal": 0, "sessions": reached}));
        assert_eq!(verdicts(&sessions).await, alive, "{scope}");
        app.refresh(&sessions[0].refresh).await.refused(401, "revoked");
        let path = format!("/users/{}/sessions", ada.id);
        app.admin().delete(&path).await.expect(204);
        for person in [&bob, &admin] {
            app.admin().delete(&format!("/users/{}/sessions", person.id)).await.expect(204);
        }
    }
    // Whoever belongs to a publisher reaches what is there, and nothing beyond.
    let sessions = sign_in().await;
    let caller = of(&sessions);
    scoped(&caller, json!({"all": true}), false).await.refused(403, "insufficient_scope");
    scoped(&caller, json!({"publisher_id": second.id}), false).await.refused(404, "not_found");
    let revoked = scoped(&caller, json!({"user_id": ada.id}), false).await.expect(200);
    assert_eq!(revoked["revoked"]["sessions"], 1);
    assert_eq!(verdicts(&sessions).await, [false, true, true, true]);
    let revoked = scoped(&caller, json!({"publisher_id": first.id}), true).await.expect(200);
    assert_eq!(revoked["revoked"]["sessions"], 1);
    assert_eq!(verdicts(&sessions).await, [false, true, false, true]);
    // The whole platform.
    let revoked = revoke(&app.admin(), json!({"keep_caller": true})).await.expect(200);
    assert_eq!(revoked["revoked"]["sessions"], 2);
    assert_eq!(verdicts(&sessions).await, [false; 4]);
    app.login_for(&ada, &first).await;
    let mut database = app.database().await;
    eventually("the rows are marked", async || {
        database.number("SELECT COUNT(*) FROM sessions WHERE revoked_at IS NULL").await == 1
    })
    .await;
    app.admin()
        .post("/auth/emergency-revoke/allow-external", json!({"scope": {"all": true}}))
        .await
        .expect(200);
}

async fn service_tokens_die_within_the_reach_and_nowhere_else(app: &TestApp) {
    let (first, second) = (app.tenant("First").await, app.tenant("Second").await);
    let account = async |name: &str, publisher: Value, scopes: Value| {
        let body =
            json!({"name": name, "service_type": "partner", "scopes": scopes, "publisher_id": publisher});
        app.account(body).await
    };
    let one = account("one", json!(first.id), json!([])).await;
    let two = account("two", json!(first.id), json!(["emergency:revoke"])).await;
    let other = account("other", json!(second.id), json!([])).await;
    let platforms = account("platform's", Value::Null, json!([])).await;
    let mut tokens = Vec::new();
    for account in [&one, &two, &other, &platforms] {
        tokens.push(app.token_of(account, json!({"token_name": "t"})).await);
    }
    tokens.push(app.mint("alone", &[]).await);
    let alive = async || {
        let mut alive = Vec::new();
        for token in &tokens {
            alive.push(app.verify(&token.secret).await.json()["code"] == "valid");
        }
        alive
    };
    let scoped = async |caller: &Caller, scope: Value, more: Value| {
        let mut body = json!({"reason": "breach", "scope": scope});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        caller.post("/auth/emergency-revoke", body).await
    };
    assert_eq!(alive().await, [true; 5]);
    let of_one = json!({"service_account_id": one["id"]});
    let sessions = json!({"include": ["sessions", "external"]});
    let revoked = scoped(&app.admin(), of_one.clone(), sessions).await.expect(200);
    assert_eq!(revoked["revoked"], json!({"service": 0, "personal": 0, "sessions": 0}));
    assert_eq!(alive().await, [true; 5], "an account has no sessions");

    let revoked = scoped(&app.admin(), of_one, json!({})).await.expect(200);
    assert_eq!(revoked["revoked"], json!({"service": 1, "personal": 0, "sessions": 0}));
    assert_eq!(alive().await, [false, true, true, true, true]);
    let events = app.admin().get("/audit/security-events?type=emergency.revoked").await.expect(200);
    let event = &events["items"][0];
    assert_eq!((&event["subject"]["id"], &event["publisher_id"]), (&one["id"], &json!(first.id)));
    assert_eq!(event["details"]["scope"], json!({"service_account_id": one["id"]}));

    // A token of an account reaches what is within its publisher, and spares itself if it asks.
    let caller = app.bearing(&tokens[1].secret);
    for beyond in [json!({"service_account_id": other["id"]}), json!({"service_account_id": platforms["id"]})]
    {
        scoped(&caller, beyond, json!({})).await.refused(404, "not_found");
    }
    let of_first = json!({"publisher_id": first.id});
    let revoked = scoped(&caller, of_first.clone(), json!({"keep_caller": true})).await.expect(200);
    assert_eq!(revoked["revoked"]["service"], 0);
    assert_eq!(alive().await, [false, true, true, true, true]);
    let revoked = scoped(&app.admin(), of_first, json!({})).await.expect(200);
    assert_eq!(revoked["revoked"]["service"], 1);
    assert_eq!(alive().await, [false, false, true, true, true]);
    let next = app.token_of(&one, json!({"token_name": "t"})).await;
    app.verify(&next.secret).await.decided("valid");

    let revoked = revoke(&app.admin(), json!({"keep_caller": true})).await.expect(200);
    assert_eq!(revoked["revoked"]["service"], 4, "what was revoked before is not counted again");
    assert_eq!(alive().await, [false; 5]);
    eventually("the rows are marked", async || {
        let page = app.admin().get("/auth/tokens?limit=200").await.expect(200);
        let marked = |token: &Value| token["revoked_at"].is_string() || token["status"] == "active";
        page["items"].as_array().unwrap().iter().all(marked)
    })
    .await;
    let external = json!({"scope": {"service_account_id": one["id"]}});
    let answer = app.admin().post("/auth/emergency-revoke/allow-external", external).await;
    answer.bad_field("scope.service_account_id", "out_of_range");
}

async fn a_revoked_signing_key_kills_what_it_signed_and_the_next_one_signs(app: &TestApp) {
    let ada = app.person("ada@example.com", None).await;
    let session = app.login(&ada).await;
    app.verify(&session.access).await.decided("valid");
    let rotate = async |revoke: bool| {
        let body = json!({"reason": "leaked", "revoke": revoke});
        app.admin().post("/signing-keys/rotate", body).await.expect(200)
    };
    let next = rotate(false).await;
    assert_eq!((&next["key"]["status"], &next["revoked"]), (&json!("next"), &json!([])));
    app.verify(&session.access).await.decided("valid");
    let rotated = rotate(true).await;
    assert_eq!(rotated["key"]["status"], "active");
    assert_eq!(rotated["revoked"].as_array().unwrap().len(), 2);
    app.verify(&session.access).await.decided("not_found");
    let again = Session::of(&app.refresh(&session.refresh).await);
    app.verify(&again.access).await.decided("valid");
    let keys = app.nobody().get("/.well-known/jwks.json").await.expect(200);
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    assert_eq!(keys["keys"][0]["kid"], rotated["key"]["id"]);
    let path = format!("/signing-keys/{}/revoke", rotated["key"]["id"].as_str().unwrap());
    app.admin().post(&path, json!({"reason": "again"})).await.expect(200);
    app.verify(&again.access).await.decided("not_found");
    Session::of(&app.refresh(&again.refresh).await);
}

async fn why_a_signing_key_is_rotated_need_not_be_said_and_is_kept_where_it_is(app: &TestApp) {
    let told = async |kind: &str| {
        let events = app.admin().get(&format!("/audit/security-events?type={kind}")).await.expect(200);
        events["items"][0]["reason"].clone()
    };
    app.admin().send("POST", "/signing-keys/rotate", None).await.expect(200);
    assert_eq!(told("signing_key.created").await, json!(null));
    app.admin().post("/signing-keys/rotate", json!({"reason": "planned"})).await.expect(200);
    assert_eq!(told("signing_key.created").await, "planned");
    app.admin().post("/signing-keys/rotate", json!({"revoke": true})).await.expect(200);
    assert_eq!(told("signing_key.revoked").await, "all signing keys were replaced at once");
    app.admin().post("/signing-keys/rotate", json!({"reason": ""})).await.bad_field("reason", "too_short");
}
