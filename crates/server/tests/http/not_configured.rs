//! What a server answers that was not told all that this needs.

use keywright_core::BuiltInRole::PlatformAdmin;
use serde_json::{Value, json};

use crate::harness::logins::{PASSWORD, Session};
use crate::harness::{Answer, Engine, TestApp};

async fn on_each_engine(settings: &[(&str, &str)], check: impl AsyncFn(&TestApp)) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(app) = TestApp::start_with(engine, settings).await else { continue };
        check(&app).await;
        app.stop().await;
    }
}

fn bare(answer: &Answer) -> Value {
    let mut problem = answer.refused(409, "not_configured");
    problem.as_object_mut().unwrap().remove("request_id");
    problem
}

fn invitation() -> Value {
    json!({"email": "new@example.com", "platform_role": "platform_admin"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_address_of_its_own_a_server_logs_nobody_in_and_says_so_to_everybody() {
    on_each_engine(&[("server.public_url", ""), ("mail.folder", "")], async |app| {
        let ada = app.person("ada@example.com", Some(PlatformAdmin)).await;
        let expected = bare(&app.try_login(&ada.email, PASSWORD).await);
        assert!(expected["detail"].as_str().unwrap().contains("server.public_url"), "{expected}");
        for (email, password) in
            [(ada.email.as_str(), "wrong password 123"), ("nobody@example.com", PASSWORD), ("x", "y")]
        {
            assert_eq!(bare(&app.try_login(email, password).await), expected);
        }
        bare(&app.refresh(&format!("rt_{}", "0e".repeat(32))).await);
        app.refresh("nonsense").await.refused(401, "malformed");
        let mut database = app.database().await;
        for nothing in ["SELECT COUNT(*) FROM sessions", "SELECT COUNT(*) FROM login_throttles"] {
            assert_eq!(database.number(nothing).await, 0, "{nothing}");
        }
        // A link could not say where it leads.
        app.admin().post("/users", invitation()).await.refused(409, "mail_not_configured");
        assert_eq!(database.number("SELECT COUNT(*) FROM users").await, 1);
        // Everything else is as ever.
        app.verify(app.admin_token()).await.decided("valid");
        app.nobody().get("/.well-known/jwks.json").await.expect(200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_way_to_send_mail_nobody_is_invited_and_guests_are_told_nothing() {
    on_each_engine(&[("mail.folder", "")], async |app| {
        let ada = app.person("ada@example.com", Some(PlatformAdmin)).await;
        let session = Session::of(&app.try_login(&ada.email, PASSWORD).await);
        app.admin().post("/users", invitation()).await.refused(409, "mail_not_configured");
        let own = app.bearing(&session.access);
        let body = json!({"new_email": "new@example.com", "password": PASSWORD});
        own.post("/auth/email/change", body).await.refused(409, "mail_not_configured");
        for path in ["/auth/password/reset", "/auth/email/verify/resend"] {
            for email in [ada.email.as_str(), "nobody@example.com"] {
                let answer = app.nobody().post(path, json!({"email": email})).await;
                assert_eq!((answer.status, answer.text()), (202, ""), "{path}");
            }
        }
        let mut database = app.database().await;
        for nothing in ["SELECT COUNT(*) FROM outbox", "SELECT COUNT(*) FROM mailed_tokens"] {
            assert_eq!(database.number(nothing).await, 0, "{nothing}");
        }
    })
    .await;
}
