//! `Idempotency-Key`, on everything that creates or rotates.

use keywright_core::BuiltInRole::PublisherAdmin;
use serde_json::{Value, json};

use crate::harness::logins::Session;
use crate::harness::{Caller, Minted, TestApp, eventually, id, on_both_engines};

on_both_engines![
    a_repeated_creation_gives_the_first_answer_again,
    a_repeated_rotation_gives_the_first_answer_again,
    the_secret_is_told_for_ten_minutes_and_the_answer_for_a_day,
    a_key_belongs_to_its_caller_its_request_and_its_body,
    a_refused_request_leaves_its_key_free,
    of_many_twins_at_once_one_is_carried_out,
    a_key_has_a_form,
    a_repeated_answer_is_refused_to_who_may_not_ask_any_more,
    a_key_belongs_to_the_publisher_that_is_acted_for,
    of_one_session_no_publisher_is_told_what_was_made_for_another,
    of_access_tokens_of_one_client_each_scope_has_keys_of_its_own,
];

const KEY: &str = "0123456789abcdef";

fn body(name: &str) -> Value {
    json!({"token_name": name, "permissions": ["a"]})
}

fn keyed(app: &TestApp) -> Caller {
    app.admin().with("idempotency-key", KEY)
}

async fn a_repeated_creation_gives_the_first_answer_again(app: &TestApp) {
    let first = keyed(app).post("/auth/tokens", body("once")).await;
    assert_eq!(first.header("idempotency-replayed"), "");
    let made = Minted::of(&first);
    for _ in 0..2 {
        let again = keyed(app).post("/auth/tokens", body("once")).await;
        assert_eq!((again.status, again.json()), (201, first.json()));
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("cache-control"), "no-store");
        assert_ne!(again.request_id(), first.request_id());
    }
    app.verify(&made.secret).await.decided("valid");
    let events = format!("/audit/security-events?credential_id={}", made.id);
    assert_eq!(app.admin().get(&events).await.expect(200)["items"].as_array().unwrap().len(), 1);
    // As it was then, whatever has become of it since.
    app.admin().delete(&made.path()).await.expect(204);
    let again = keyed(app).post("/auth/tokens", body("once")).await;
    assert_eq!(again.json(), first.json());
}

async fn a_repeated_rotation_gives_the_first_answer_again(app: &TestApp) {
    let old = app.mint("rotated", &["a"]).await;
    let rotate = async || keyed(app).post(&format!("{}/rotate", old.path()), json!({"reason": "r"})).await;
    let first = rotate().await;
    first.expect(200);
    let again = rotate().await;
    assert_eq!((again.expect(200), again.header("idempotency-replayed")), (first.json(), "true"));
    let own = app.mint("own", &["tokens:rotate_self"]).await;
    let own = app.bearing(&own.secret).with("idempotency-key", KEY);
    let first = own.post("/auth/tokens/self/rotate", json!({"reason": "r"})).await;
    let again = own.post("/auth/tokens/self/rotate", json!({"reason": "r"})).await;
    assert_eq!(again.expect(200), first.expect(200));
}

async fn the_secret_is_told_for_ten_minutes_and_the_answer_for_a_day(app: &TestApp) {
    let mut first = keyed(app).post("/auth/tokens", body("aging")).await.expect(201);
    let mut database = app.database().await;
    let mut age = async |seconds: i64| {
        let created = database.moment(&app.now().plus_seconds(-seconds).to_string());
        database.execute(&format!("UPDATE idempotency_records SET created_at = {created}")).await;
    };
    age(9 * 60).await;
    assert_eq!(keyed(app).post("/auth/tokens", body("aging")).await.expect(201), first);
    age(10 * 60 + 1).await;
    first.as_object_mut().unwrap().remove("token");
    assert_eq!(keyed(app).post("/auth/tokens", body("aging")).await.expect(201), first);
    age(24 * 3600 - 60).await;
    keyed(app).post("/auth/tokens", body("another")).await.refused(409, "idempotency_mismatch");
    age(24 * 3600 + 1).await;
    let another = keyed(app).post("/auth/tokens", body("another")).await.expect(201);
    assert_ne!(another["id"], first["id"]);
}

async fn a_key_belongs_to_its_caller_its_request_and_its_body(app: &TestApp) {
    let first = keyed(app).post("/auth/tokens", body("mine")).await;
    let made = Minted::of(&first);
    keyed(app).post("/auth/tokens", body("other")).await.refused(409, "idempotency_mismatch");
    let rotate = format!("{}/rotate", made.path());
    keyed(app).post(&rotate, json!({"reason": "r"})).await.refused(409, "idempotency_mismatch");
    let stranger = app.caller(&["tokens:admin", "a"]).await.with("idempotency-key", KEY);
    stranger.post("/auth/tokens", body("mine")).await.refused(409, "name_taken");
    let theirs = stranger.post("/auth/tokens", body("theirs")).await.expect(201);
    assert_ne!(theirs["id"], first.json()["id"]);
}

async fn a_refused_request_leaves_its_key_free(app: &TestApp) {
    app.mint("taken", &["a"]).await;
    keyed(app).post("/auth/tokens", body("taken")).await.refused(409, "name_taken");
    keyed(app).post("/auth/tokens", json!({"token_name": ""})).await.refused(422, "validation_failed");
    let made = keyed(app).post("/auth/tokens", body("free")).await;
    assert_eq!(made.header("idempotency-replayed"), "");
    made.expect(201);
}

async fn of_many_twins_at_once_one_is_carried_out(app: &TestApp) {
    let caller = keyed(app);
    let twins = (0..30).map(|_| caller.post("/auth/tokens", body("twin")));
    let answers = futures::future::join_all(twins).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert!(made.iter().all(|answer| answer.json() == made[0].json()), "{made:?}");
    let first = made.iter().filter(|answer| answer.header("idempotency-replayed").is_empty());
    assert_eq!(first.count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.refused(409, "idempotency_in_progress");
    }
    eventually("the key is at rest", async || caller.post("/auth/tokens", body("twin")).await.status == 201)
        .await;
    let list = app.admin().get("/auth/tokens?q=twin").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

async fn a_key_has_a_form(app: &TestApp) {
    for key in ["short", "", "with a space in it", "x\u{e9}xxxxxxxxxxxxxxxxx", &"x".repeat(129)] {
        let caller = app.admin().with("idempotency-key", key);
        caller.post("/auth/tokens", body("never")).await.refused(400, "invalid_header");
    }
    let twice = keyed(app).with("idempotency-key", KEY);
    twice.post("/auth/tokens", body("never")).await.refused(400, "invalid_header");
    let list = app.admin().get("/auth/tokens?q=never").await.expect(200);
    assert_eq!(list["items"], json!([]));
    for key in ["!\"#$%&'()*+,-./~", &"x".repeat(128)] {
        let caller = app.admin().with("idempotency-key", key);
        caller.post("/auth/tokens", body(key)).await.expect(201);
    }
}

async fn a_repeated_answer_is_refused_to_who_may_not_ask_any_more(app: &TestApp) {
    let admin = app.mint("demoted", &["tokens:admin", "a"]).await;
    let caller = app.bearing(&admin.secret).with("idempotency-key", KEY);
    caller.post("/auth/tokens", body("secret")).await.expect(201);
    app.admin().patch(&admin.path(), json!({"permissions": ["a"]})).await.expect(200);
    caller.post("/auth/tokens", body("secret")).await.refused(403, "insufficient_scope");
    app.admin().delete(&admin.path()).await.expect(204);
    caller.post("/auth/tokens", body("secret")).await.refused(401, "revoked");
}

async fn a_key_belongs_to_the_publisher_that_is_acted_for(app: &TestApp) {
    let (one, other) = (app.publisher("One").await, app.publisher("Other").await);
    let within = |publisher: &Value| keyed(app).with("x-publisher-id", id(publisher));
    let event = json!({"event_type": "deployment", "status": "success"});
    let first = within(&one).post("/audit/cicd-event", event.clone()).await.expect(201);
    within(&other).post("/audit/cicd-event", event.clone()).await.refused(409, "idempotency_mismatch");
    keyed(app).post("/audit/cicd-event", event.clone()).await.refused(409, "idempotency_mismatch");
    assert_eq!(within(&one).post("/audit/cicd-event", event).await.expect(201)["id"], first["id"]);
}

async fn of_one_session_no_publisher_is_told_what_was_made_for_another(app: &TestApp) {
    let (one, other) = (app.tenant("One").await, app.tenant("Other").await);
    let ada = app.member_of("ada@example.com", &one, PublisherAdmin).await;
    app.join(&ada, &other, PublisherAdmin).await;
    let session = app.login_for(&ada, &one).await;
    let here = app.bearing(&session.access);
    let switched = here.post("/auth/switch-publisher", json!({"publisher_id": other.id})).await;
    let there = app.bearing(&Session::of(&switched).access).with("idempotency-key", KEY);
    let account = json!({"name": "partner", "service_type": "partner", "scopes": ["a"]});
    let account = here.post("/service-accounts", account).await.expect(201);
    let body = json!({"token_name": "t", "permissions": ["a"], "service_account_id": account["id"]});
    let here = here.with("idempotency-key", KEY);
    let made = here.post("/auth/tokens", body.clone()).await.expect(201);
    let answer = there.post("/auth/tokens", body.clone()).await;
    answer.refused(409, "idempotency_mismatch");
    assert!(!answer.text().contains(made["token"].as_str().unwrap()));
    assert_eq!(here.post("/auth/tokens", body).await.expect(201), made);
}

async fn of_access_tokens_of_one_client_each_scope_has_keys_of_its_own(app: &TestApp) {
    let partner = app.partner("partner", &["service_accounts:admin", "a"], None).await;
    let access = async |scope: &str| {
        let given = partner.caller(app).client_credentials(&[("scope", scope)]).await.expect(200);
        app.bearing(given["access_token"].as_str().unwrap()).with("idempotency-key", KEY)
    };
    let (wide, narrow) = (access("service_accounts:admin a").await, access("service_accounts:admin").await);
    let path = format!("{}/tokens", partner.path());
    let body = json!({"token_name": "t", "permissions": ["a"]});
    let made = wide.post(&path, body.clone()).await.expect(201);
    narrow.post(&path, body.clone()).await.refused(403, "scope_exceeds_grantor");
    let again = access("service_accounts:admin a").await;
    assert_eq!(again.post(&path, body).await.expect(201), made, "another token of the same scope");
}
