//! What people do with their own accounts, by session and by link.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::people::{People, id};
use crate::harness::{Answer, Caller, TestApp, eventually, on_both_engines};
use crate::users::PASSWORD;

on_both_engines![
    a_reset_is_alike_for_every_address_and_ends_all_sessions,
    a_newer_link_comes_after_a_pause_and_a_change_by_hand_voids_it,
    of_fifty_resets_with_one_link_one_wins,
    a_changed_password_ends_the_other_sessions,
    who_guesses_the_present_password_waits_as_at_a_login,
    a_new_address_is_proved_and_both_are_told,
    an_address_that_others_have_is_not_told,
    people_change_their_own_profile,
    a_link_leads_to_a_page_that_uses_nothing_up,
    the_form_of_a_page_does_what_it_says,
];

const OTHER: &str = "nine green teapots sing";

/// Ada, who has accepted and is logged in twice.
async fn ada(app: &TestApp) -> People {
    let people = People::settle(app).await;
    people.session(&mut app.database().await, id(5), people.user).await;
    app.admin().post(&format!("/users/{}/invite", people.user), json!({})).await.expect(200);
    let token = app.mail("ada@example.com", 1).await.token();
    let body = json!({"token": token, "password": PASSWORD});
    app.nobody().post("/auth/invitations/accept", body).await.expect(200);
    people
}

fn session(app: &TestApp, people: &People, session: Uuid) -> Caller {
    app.bearing(&people.token(app, &json!({ "session_id": session })))
}

async fn code(caller: &Caller) -> Value {
    caller.send("POST", "/auth/verify", None).await.json()["code"].clone()
}

async fn confirm(app: &TestApp, token: &str, password: &str) -> Answer {
    let body = json!({"token": token, "new_password": password});
    app.nobody().post("/auth/password/reset/confirm", body).await
}

async fn a_reset_is_alike_for_every_address_and_ends_all_sessions(app: &TestApp) {
    let people = ada(app).await;
    let mut answers = Vec::new();
    for email in [" ADA@example.com", "nobody@example.com"] {
        let answer = app.nobody().post("/auth/password/reset", json!({ "email": email })).await;
        answers.push((answer.status, answer.text().to_owned()));
    }
    assert_eq!(answers[0], (202, String::new()));
    assert_eq!(answers[0], answers[1]);
    app.nobody()
        .post("/auth/password/reset", json!({"email": "no address"}))
        .await
        .refused(422, "validation_failed");
    let mail = app.mail("ada@example.com", 2).await;
    assert!(mail.head.contains("<ada@example.com>") || mail.head.contains("To: ada@example.com"), "{mail:?}");
    assert_eq!(app.mails("nobody@example.com").len(), 0);

    let both = [session(app, &people, people.session), session(app, &people, id(5))];
    for caller in &both {
        assert_eq!(code(caller).await, "valid");
    }
    let token = mail.token();
    confirm(app, &token, "passwordpassword").await.refused(422, "validation_failed");
    confirm(app, &token, OTHER).await.expect(204);
    for caller in &both {
        assert_eq!(code(caller).await, "revoked");
    }
    confirm(app, &token, PASSWORD).await.refused(400, "link_not_usable");
    assert!(!app.mail("ada@example.com", 3).await.text.contains("mt_"));
}

async fn a_newer_link_comes_after_a_pause_and_a_change_by_hand_voids_it(app: &TestApp) {
    let people = ada(app).await;
    let ask = async || {
        app.nobody().post("/auth/password/reset", json!({"email": "ada@example.com"})).await.expect(202);
    };
    ask().await;
    let first = app.mail("ada@example.com", 2).await.token();
    ask().await;
    let older = "UPDATE mailed_tokens SET created_at = expires_at";
    let mut database = app.database().await;
    let ago = database.moment("2020-01-01T00:00:00Z");
    database.execute(&older.replace("expires_at", &ago)).await;
    ask().await;
    let second = app.mail("ada@example.com", 3).await.token();
    confirm(app, &first, OTHER).await.refused(400, "link_not_usable");
    let body = json!({"current_password": PASSWORD, "new_password": OTHER});
    session(app, &people, people.session).post("/auth/password/change", body).await.expect(204);
    confirm(app, &second, OTHER).await.refused(400, "link_not_usable");
}

async fn of_fifty_resets_with_one_link_one_wins(app: &TestApp) {
    ada(app).await;
    app.nobody().post("/auth/password/reset", json!({"email": "ada@example.com"})).await.expect(202);
    let token = app.mail("ada@example.com", 2).await.token();
    let answers = futures::future::join_all((0..50).map(|_| confirm(app, &token, OTHER))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1);
    for lost in answers.iter().filter(|answer| answer.status != 204) {
        lost.refused(400, "link_not_usable");
    }
}

async fn a_changed_password_ends_the_other_sessions(app: &TestApp) {
    let people = ada(app).await;
    let (mine, other) = (session(app, &people, people.session), session(app, &people, id(5)));
    assert_eq!(code(&other).await, "valid");
    let change = async |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        mine.post("/auth/password/change", body).await
    };
    let wrong = change(OTHER, OTHER).await.refused(422, "validation_failed");
    assert_eq!(wrong["errors"][0]["field"], "current_password");
    let weak = change(PASSWORD, "ada@example.com!").await.refused(422, "validation_failed");
    assert_eq!(weak["errors"][0]["field"], "new_password");
    change(PASSWORD, OTHER).await.expect(204);
    assert_eq!((code(&mine).await, code(&other).await), (json!("valid"), json!("revoked")));
    change(PASSWORD, OTHER).await.refused(422, "validation_failed");
    app.mail("ada@example.com", 2).await;
}

/// Asks until too many have failed; how often that was tried.
async fn guess_until_refused(ask: impl AsyncFn() -> Answer) -> (usize, Answer) {
    for tried in 0..20 {
        let answer = ask().await;
        if answer.status == 429 {
            return (tried, answer);
        }
        answer.refused(422, "validation_failed");
    }
    panic!("nobody has to wait");
}

async fn who_guesses_the_present_password_waits_as_at_a_login(app: &TestApp) {
    let people = ada(app).await;
    let mine = session(app, &people, people.session);
    let change = async |current: &str| {
        let body = json!({"current_password": current, "new_password": OTHER});
        mine.post("/auth/password/change", body).await
    };
    let move_house = async |password: &str| {
        mine.post("/auth/email/change", json!({"new_email": "new@example.com", "password": password})).await
    };
    let mut database = app.database().await;
    let over = database.moment(&app.now().plus_seconds(-60).to_string());
    let over = format!("UPDATE login_throttles SET blocked_until = {over}");
    let (tried, refused) = guess_until_refused(async || change("wrong password 123").await).await;
    assert!(tried >= 6, "{tried}");
    refused.refused(429, "too_many_attempts");
    assert!((1..=900).contains(&refused.header("retry-after").parse::<u32>().unwrap()));
    // The right one waits too, wherever it is asked for.
    database.execute("UPDATE login_throttles SET failures = 20").await;
    database.execute(&over).await;
    change("wrong password 123").await.refused(422, "validation_failed");
    change(PASSWORD).await.refused(429, "too_many_attempts");
    move_house(PASSWORD).await.refused(429, "too_many_attempts");
    app.try_login("ada@example.com", PASSWORD).await.refused(429, "too_many_attempts");
    // When the wait is over the right one is taken, and what failed before is forgotten.
    database.execute(&over).await;
    move_house(PASSWORD).await.expect(202);
    for _ in 0..5 {
        move_house("wrong password 123").await.refused(422, "validation_failed");
    }
    change(PASSWORD).await.expect(204);
}

async fn a_new_address_is_proved_and_both_are_told(app: &TestApp) {
    let people = ada(app).await;
    let mine = session(app, &people, people.session);
    let ask = async |email: &str, password: &str| {
        mine.post("/auth/email/change", json!({"new_email": email, "password": password})).await
    };
    ask("new@example.com", OTHER).await.refused(422, "validation_failed");
    ask("new@example.com", PASSWORD).await.expect(202);
    assert!(app.mail("ada@example.com", 2).await.text.contains("new@example.com"));
    let token = app.mail("new@example.com>", 1).await.token();
    assert_eq!(code(&mine).await, "valid");
    let confirm = async || app.nobody().post("/auth/email/change/confirm", json!({ "token": token })).await;
    confirm().await.expect(204);
    confirm().await.refused(400, "link_not_usable");
    assert_eq!(code(&mine).await, "revoked");
    let seen = app.admin().get(&format!("/users/{}", people.user)).await.expect(200);
    assert_eq!(seen["email"], "new@example.com");
    assert!(seen["email_verified_at"].is_string());
}

async fn an_address_that_others_have_is_not_told(app: &TestApp) {
    let people = ada(app).await;
    app.user("eve@example.com").await;
    let mine = session(app, &people, people.session);
    let body = json!({"new_email": "EVE@example.com", "password": PASSWORD});
    mine.post("/auth/email/change", body).await.expect(202);
    app.mail("To: Ada <ada@example.com>", 2).await;
    assert_eq!(app.mails("To: Ada <EVE@example.com>").len(), 0);
    app.nobody().post("/auth/email/verify/resend", json!({"email": "nobody@example.com"})).await.expect(202);
}

async fn people_change_their_own_profile(app: &TestApp) {
    let people = ada(app).await;
    let mine = session(app, &people, people.session);
    let body = json!({"display_name": "Ada L.", "preferences": {"locale": "de", "theme": "dark"},
        "default_publisher_id": people.publisher});
    let seen = mine.patch("/auth/me", body).await.expect(200);
    assert_eq!((&seen["display_name"], &seen["preferences"]["theme"]), (&json!("Ada L."), &json!("dark")));
    let seen = mine.patch("/auth/me", json!({"preferences": {"theme": null}})).await.expect(200);
    assert_eq!(seen["preferences"], json!({"locale": "de"}));
    for (wrong, field) in [
        (json!({"preferences": {"locale": "xx"}}), "preferences.locale"),
        (json!({"default_publisher_id": id(77)}), "default_publisher_id"),
    ] {
        let problem = mine.patch("/auth/me", wrong).await.refused(422, "validation_failed");
        assert_eq!(problem["errors"][0]["field"], field);
    }
    mine.patch("/auth/me", json!({"platform_role": "platform_admin"})).await.refused(403, "forbidden_field");
    app.nobody().post("/auth/password/reset", json!({"email": "ada@example.com"})).await.expect(202);
    assert!(app.mail("ada@example.com", 2).await.text.contains("Guten Tag Ada L."));
}

/// A page as a browser sees it.
async fn page(app: &TestApp, path: &str, form: Option<&str>) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}{path}", app.address());
    let request = match form {
        None => client.get(url),
        Some(form) => {
            client.post(url).header("content-type", "application/x-www-form-urlencoded").body(form.to_owned())
        }
    };
    request.header("host", "evil.example.net").send().await.unwrap()
}

async fn a_link_leads_to_a_page_that_uses_nothing_up(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let body = json!({"email": "ada@example.com", "display_name": "<b>Ada</b>\"'",
        "publisher_id": publisher["id"], "role": "publisher_viewer"});
    app.admin().post("/users", body).await.expect(201);
    let mail = app.mail("ada@example.com", 1).await;
    let path = mail.link().strip_prefix("https://auth.example.com").unwrap().to_owned();
    for _ in 0..3 {
        let answer = page(app, &path, None).await;
        assert_eq!(answer.status(), 200);
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "no-referrer");
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        let text = answer.text().await.unwrap();
        assert!(!text.contains("<b>") && !text.contains("<script") && !text.contains(" style="), "{text}");
        assert!(text.contains("&#60;b&#62;Ada"), "{text}");
    }
    let gone = page(app, "/account/invitation?token=mt_0", None).await;
    assert_eq!(gone.status(), 400);
    assert!(!gone.text().await.unwrap().contains("<form"));
    assert_eq!(page(app, "/account/style.css", None).await.status(), 200);
    let body = json!({"token": mail.token(), "password": PASSWORD});
    app.nobody().post("/auth/invitations/accept", body).await.expect(200);
}

async fn the_form_of_a_page_does_what_it_says(app: &TestApp) {
    let publisher = app.publisher("Songtrust").await;
    let body =
        json!({"email": "ada@example.com", "publisher_id": publisher["id"], "role": "publisher_viewer"});
    let ada = app.admin().post("/users", body).await.expect(201);
    let token = app.mail("ada@example.com", 1).await.token();
    let form = |password: &str| format!("token={token}&display_name=Ada+L.&password={password}");
    let weak = page(app, "/account/invitation", Some(&form("passwordpassword"))).await;
    assert_eq!(weak.status(), 422);
    let text = weak.text().await.unwrap();
    assert!(text.contains("role=\"alert\"") && !text.contains("passwordpassword"), "{text}");
    assert!(text.contains("This password is guessed too soon"), "{text}");
    let short = page(app, "/account/invitation", Some(&form("short"))).await.text().await.unwrap();
    assert!(short.contains("needs at least 15 characters"), "{short}");
    let done = page(app, "/account/invitation", Some(&form(&PASSWORD.replace(' ', "+")))).await;
    assert_eq!(done.status(), 200);
    assert_eq!(page(app, "/account/invitation", Some(&form(OTHER))).await.status(), 400);
    let seen = app.admin().get(&format!("/users/{}", crate::harness::id(&ada))).await.expect(200);
    assert_eq!((&seen["status"], &seen["display_name"]), (&json!("active"), &json!("Ada L.")));
    // A poisoned Host header changes no link.
    app.nobody()
        .with("x-forwarded-host", "evil.example.net")
        .post("/auth/password/reset", json!({"email": "ada@example.com"}))
        .await
        .expect(202);
    eventually("the link is sent", async || app.mails("ada@example.com").len() == 2).await;
    assert!(
        app.mail("ada@example.com", 2)
            .await
            .link()
            .starts_with("https://auth.example.com/account/password-reset?")
    );
}
