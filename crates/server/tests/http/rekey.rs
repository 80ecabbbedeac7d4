//! `keywright keys rekey`: what the master key seals outlives it.

use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::child::{Server, keywright, run};
use crate::harness::logins::{PASSWORD, Session};
use crate::harness::mails::mails_in;
use crate::harness::{Database, Engine, MASTER_KEY, eventually};

/// Another 32 bytes.
const NEXT_KEY: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

async fn start(home: &Path, url: &str, key: &str, more: &[(&str, &str)]) -> Server {
    let folder = home.join("mail").display().to_string();
    let mut environment = vec![
        ("KEYWRIGHT_MASTER_KEY", key),
        ("KEYWRIGHT_SERVER__PUBLIC_URL", "https://auth.example.com"),
        ("KEYWRIGHT_MAIL__FOLDER", &folder),
    ];
    environment.extend(more);
    Server::start_with(home, url, &environment).await
}

async fn end(server: Server) {
    server.signal(Signal::TERM);
    let (status, log) = server.ended().await;
    assert!(status.success(), "{log}");
}

async fn what_is_sealed_outlives_its_key(engine: Engine) {
    let Some(store) = keywright_store::testing::store_on(engine).await else { return };
    let (url, home) = (store.options().url.clone(), tempfile::tempdir().unwrap());
    let folder = home.path().join("mail");

    // Under the old key somebody logs in, and a mail cannot be delivered: nobody listens on port 9.
    let away = [
        ("KEYWRIGHT_MAIL__SMTP_URL", "smtp://127.0.0.1:9"),
        ("KEYWRIGHT_MAIL__FROM", "keywright@example.com"),
    ];
    let server = start(home.path(), &url, MASTER_KEY, &away).await;
    let admin = server.nobody().bearing(&server.first_token().await);
    let body = json!({"email": "ada@example.com", "platform_role": "platform_admin"});
    admin.post("/users", body).await.expect(201);
    eventually("the mail is in the folder", async || mails_in(&folder, "ada@example.com").len() == 1).await;
    let token = mails_in(&folder, "ada@example.com")[0].token();
    let body = json!({"token": token, "password": PASSWORD});
    server.nobody().post("/auth/invitations/accept", body).await.expect(200);
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let session = Session::of(&server.nobody().post("/auth/login", body).await);
    end(server).await;

    // Without the old key nothing of it opens, and it is said.
    let rekey = async |keys: &str| {
        let mut command = keywright(home.path(), &url, &["keys", "rekey", "--json"]);
        command.env("KEYWRIGHT_MASTER_KEY", keys);
        run(command).await
    };
    assert_eq!(rekey(NEXT_KEY).await.code, 1);
    let sealed = rekey(&format!("{NEXT_KEY},{MASTER_KEY}")).await;
    assert_eq!(
        (sealed.code, sealed.json()),
        (0, json!({"signing_keys": 1, "mails": 1, "channels": 0, "rotations": 0})),
        "{sealed:?}"
    );

    // Under the new key alone it all goes on: the mail, the session, what was signed and what is to be.
    std::fs::remove_dir_all(&folder).unwrap();
    let mut database = Database::connect(&url).await;
    assert_eq!(
        database.execute("UPDATE outbox SET next_attempt_at = created_at WHERE sealed IS NOT NULL").await,
        1
    );
    let server = start(home.path(), &url, NEXT_KEY, &[]).await;
    eventually("the mail is delivered", async || mails_in(&folder, "ada@example.com").len() == 1).await;
    let ada = server.nobody().bearing(&session.access);
    ada.get("/auth/me").await.expect(200);
    let body = json!({"refresh_token": session.refresh});
    let next = Session::of(&server.nobody().post("/auth/refresh", body).await);
    let ada = server.nobody().bearing(&next.access);
    ada.post("/auth/tokens", json!({"token_name": "after", "permissions": ["a"]})).await.expect(201);
    // The trail is sealed on; what came before is told to be another key's.
    let chain = async || ada.get("/audit/security-events/verify").await.expect(200);
    eventually("the trail is sealed", async || chain().await["unsealed"] == 0).await;
    let problem = chain().await["broken_at"]["problem"].clone();
    assert!(problem.as_str().is_some_and(|problem| problem.contains("is not configured")), "{problem}");
    let events = ada.get("/audit/security-events?type=master_key.rekeyed").await.expect(200);
    assert_eq!(events["items"][0]["actor"]["type"], "operator");
    end(server).await;

    // With the old key behind the new one all of the trail holds.
    let server = start(home.path(), &url, &format!("{NEXT_KEY},{MASTER_KEY}"), &[]).await;
    let ada = server.nobody().bearing(&next.access);
    let holds = ada.get("/audit/security-events/verify").await.expect(200);
    assert_eq!((&holds["holds"], &holds["broken_at"]), (&json!(true), &Value::Null));
    end(server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sealed_outlives_its_key_on_sqlite() {
    what_is_sealed_outlives_its_key(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sealed_outlives_its_key_on_postgres() {
    what_is_sealed_outlives_its_key(Engine::Postgres).await;
}
