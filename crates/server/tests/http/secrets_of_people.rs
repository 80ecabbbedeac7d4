//! No secret of a person in any log, error, event, metric, trace, journal or database: passwords, refresh tokens,
//! access tokens, links from mails, and tokens of other issuers are canaries here, as in `secrets`.

use std::path::Path;

use keywright_verify::clock::wall_clock;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::child::{Server, keywright, run};
use crate::harness::issuer::TestIssuer;
use crate::harness::logins::Session;
use crate::harness::mails::mails_in;
use crate::harness::{Answer, Caller, Database, Engine, eventually};
use crate::secrets::{Canary, files, misplace, pass_on, without_hashes};
use crate::traces::Receiver;

const EMAIL: &str = "ada@example.com";

/// A password that nobody guesses, and that stands nowhere else.
fn password(number: u32) -> String {
    format!("Vq7xKd29-canary-{number}-Lm4tRw8zUe")
}

/// A server as in production, with everything that people need, and all that it tells.
struct Stage {
    server: Server,
    admin: Caller,
    first: String,
    home: TempDir,
    receiver: Receiver,
    issuer: TestIssuer,
    secrets: Vec<String>,
}

impl Stage {
    async fn set(url: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let issuer = TestIssuer::start().await;
        let issuers = format!(
            "[issuers.idp]\nissuer = '{}'\naudiences = ['keywright']\nemail_domains = ['example.com']\n",
            issuer.url()
        );
        std::fs::write(home.path().join("keywright.toml"), issuers).unwrap();
        let bootstrap = ["bootstrap", "--email", "ops@example.com", "--json"];
        let made = run(keywright(home.path(), url, &bootstrap)).await;
        let first = made.json()["token"].as_str().unwrap().to_owned();
        let (receiver, traces) = Receiver::start().await;
        let folder = home.path().join("mail").display().to_string();
        let environment = [
            ("KEYWRIGHT_LOG__LEVEL", "trace"),
            ("KEYWRIGHT_SERVER__PUBLIC_URL", "https://auth.example.com"),
            ("KEYWRIGHT_MAIL__FOLDER", folder.as_str()),
            // Nobody listens there: what lies in the folder stays in the outbox as well, sealed.
            ("KEYWRIGHT_MAIL__SMTP_URL", "smtp://127.0.0.1:1"),
            ("KEYWRIGHT_MAIL__FROM", "keywright@example.com"),
            ("KEYWRIGHT_TELEMETRY__OTLP_ENDPOINT", traces.as_str()),
            ("KEYWRIGHT_TELEMETRY__SAMPLE_RATIO", "1"),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ];
        let server = Server::start_plain(home.path(), url, &environment).await;
        let admin = server.nobody().bearing(&first);
        Self { server, admin, first, home, receiver, issuer, secrets: Vec::new() }
    }

    /// A secret from here on, which is to be found nowhere.
    fn secret(&mut self, secret: &str) -> String {
        self.secrets.push(secret.to_owned());
        secret.to_owned()
    }

    /// The secret of the link in the mail to Ada whose subject has these words.
    async fn link(&mut self, words: &str) -> String {
        let folder = self.mail_folder();
        let mut found = None;
        eventually("the mail is delivered", async || {
            let mut mails = mails_in(&folder, EMAIL).into_iter().chain(mails_in(&folder, "new@example.com"));
            found = mails.find(|mail| mail.text.contains(&format!("/account/{words}?token=mt_")));
            found.is_some()
        })
        .await;
        self.secret(&found.unwrap().token())
    }

    fn mail_folder(&self) -> std::path::PathBuf {
        self.home.path().join("mail")
    }

    /// Asks as nobody; what is answered repeats no secret but those that it gives.
    async fn ask(&self, path: &str, body: Value) -> Answer {
        self.checked(self.server.nobody().post(path, body).await)
    }

    fn checked(&self, answer: Answer) -> Answer {
        if answer.status >= 400 {
            for secret in &self.secrets {
                Canary::new(secret).is_not_in("a refusal", answer.text());
                Canary::new(secret).is_not_in("a refusal", &format!("{:?}", answer.headers));
            }
        }
        answer
    }

    async fn log_in(&mut self, password: &str) -> Session {
        let session =
            Session::of(&self.ask("/auth/login", json!({"email": EMAIL, "password": password})).await);
        self.given(session)
    }

    fn given(&mut self, session: Session) -> Session {
        let (_, signature) = session.access.rsplit_once('.').unwrap();
        let signature = signature.to_owned();
        for secret in [&session.access, &signature, &session.refresh] {
            self.secret(secret);
        }
        session
    }

    /// Passwords, right and wrong ones, where they belong and in bodies that cannot be read.
    async fn garble(&self, session: &Session, passwords: [&str; 2]) {
        let own = self.server.nobody().bearing(&session.access);
        for password in passwords {
            let other = password.replace("canary", "kanary");
            for body in [
                json!({"email": EMAIL, "password": [password]}),
                json!({"email": EMAIL, "password": {password: password}}),
                json!({"email": EMAIL, "password": password, "otp": password}),
                json!({"email": [password], "password": password}),
                json!({"email": password, "password": other}),
                json!({"email": EMAIL, "password": password, "publisher_id": password}),
                json!({"refresh_token": password}),
                json!({"token": password, "new_password": password}),
                json!({"token": password, "password": password, "display_name": [password]}),
                json!({"current_password": password, "new_password": [password]}),
                json!({"current_password": [password], "new_password": "short"}),
                json!({"new_email": [password], "password": [password]}),
            ] {
                for path in PATHS {
                    self.ask(path, body.clone()).await;
                    self.checked(own.post(path, body.clone()).await);
                }
            }
            // As the name of a field it comes back to whoever sent it, and goes nowhere else.
            for path in PATHS {
                own.post(path, json!({"email": EMAIL, password: 1})).await.expect(422);
            }
            for text in [
                format!("{{\"email\":\"{EMAIL}\",\"password\":\"{password}"),
                format!("{{\"email\":\"{EMAIL}\",\"password\":\"{password}\",\"password\":\"{password}\"}}"),
                format!("{{\"email\":\"{EMAIL}\",\"password\":{password}}}"),
                format!("email={EMAIL}&password={password}"),
                format!("\"{password}\""),
                password.to_owned(),
            ] {
                for path in PATHS {
                    for kind in ["application/json", "application/x-www-form-urlencoded"] {
                        let caller = self.server.nobody().with("content-type", kind);
                        self.checked(caller.send_bytes("POST", path, text.clone().into_bytes()).await);
                    }
                }
            }
        }
    }
}

/// Where a password, a refresh token or the secret of a link is sent.
const PATHS: [&str; 7] = [
    "/auth/login",
    "/auth/refresh",
    "/auth/invitations/accept",
    "/auth/password/change",
    "/auth/password/reset/confirm",
    "/auth/email/change",
    "/auth/email/verify",
];

/// A person's whole life with this server; the secrets of all of it are kept.
async fn live(stage: &mut Stage) {
    let (first, second, third) = (password(1), password(2), password(3));
    for secret in [&first, &second, &third] {
        stage.secret(secret);
    }
    let publisher = stage.admin.post("/publishers", json!({"name": "Songtrust"})).await.expect(201);
    let body = json!({"email": EMAIL, "publisher_id": publisher["id"], "role": "publisher_admin"});
    stage.admin.post("/users", body).await.expect(201);
    let link = stage.link("invitation").await;
    stage.ask("/auth/invitations/accept", json!({"token": link, "password": "short"})).await.expect(422);
    stage.ask("/auth/invitations/accept", json!({"token": link, "password": first})).await.expect(200);
    stage.ask("/auth/invitations/accept", json!({"token": link, "password": first})).await.expect(400);

    let session = stage.log_in(&first).await;
    stage.ask("/auth/login", json!({"email": EMAIL, "password": second})).await.expect(401);
    stage.ask("/auth/login", json!({"email": "nobody@example.com", "password": second})).await.expect(401);
    let next = Session::of(&stage.ask("/auth/refresh", json!({"refresh_token": session.refresh})).await);
    let next = stage.given(next);
    let own = stage.server.nobody().bearing(&next.access);
    own.send("POST", "/auth/verify", None).await.decided("valid");
    own.get("/auth/me").await.expect(200);
    let external = stage.issuer.token_at(wall_clock(), "k1", &json!({}));
    let external = stage.secret(&external);
    let header = stage.server.nobody().with("cf-access-jwt-assertion", &external);
    header.send("POST", "/auth/verify", None).await.decided("valid");
    let other = stage.issuer.token_at(wall_clock(), "k1", &json!({"aud": "another"}));
    let other = stage.secret(&other);
    let header = stage.server.nobody().with("cf-access-jwt-assertion", &other);
    header.send("POST", "/auth/verify", None).await.decided("not_found");
    stage.garble(&next, [&first, &second]).await;

    let wrong = json!({"current_password": second, "new_password": third});
    own.post("/auth/password/change", wrong).await.expect(422);
    let right = json!({"current_password": first, "new_password": second});
    own.post("/auth/password/change", right).await.expect(204);
    stage.ask("/auth/password/reset", json!({"email": EMAIL})).await.expect(202);
    let link = stage.link("password-reset").await;
    let body = json!({"token": link, "new_password": third});
    stage.ask("/auth/password/reset/confirm", body.clone()).await.expect(204);
    stage.ask("/auth/password/reset/confirm", body).await.expect(400);
    let session = stage.log_in(&third).await;
    let own = stage.server.nobody().bearing(&session.access);
    let body = json!({"new_email": "new@example.com", "password": third});
    own.post("/auth/email/change", body).await.expect(202);
    let change = stage.link("email-change").await;

    for secret in [&session.refresh, &session.access] {
        misplace(&stage.server, &stage.admin, secret).await;
    }
    for secret in [&session.refresh, &session.access, &external, &change] {
        pass_on(&stage.admin, secret).await;
    }
    // A reuse ends the session, and is told in an event.
    let next = Session::of(&stage.ask("/auth/refresh", json!({"refresh_token": session.refresh})).await);
    let next = stage.given(next);
    let last = Session::of(&stage.ask("/auth/refresh", json!({"refresh_token": next.refresh})).await);
    stage.given(last);
    stage
        .ask("/auth/refresh", json!({"refresh_token": session.refresh}))
        .await
        .refused(401, "refresh_reused");
    stage.ask("/auth/email/change/confirm", json!({"token": change})).await.expect(204);
}

async fn no_secret_of_a_person_is_left_anywhere(engine: Engine) {
    let Some(store) = keywright_store::testing::store_on(engine).await else { return };
    let url = store.options().url.clone();
    let mut stage = Stage::set(&url).await;
    live(&mut stage).await;
    let Stage { server, admin, first, home, receiver, mut secrets, .. } = stage;
    secrets.push(first);
    let mut answers = Vec::new();
    for path in [
        "/users",
        "/audit/security-events?limit=200",
        "/audit/authentication-events?limit=200",
        "/audit/authentication-events?success=false&limit=200",
        "/signing-keys",
        "/system/status",
        "/auth/me",
        "/metrics",
    ] {
        answers.push((path, admin.get(path).await.text().to_owned()));
    }
    eventually("the traces are sent", async || receiver.bodies().len() > 3).await;
    let process = Path::new("/proc").join(server.id().to_string());
    let command_line = std::fs::read(process.join("cmdline")).unwrap();
    let printed = server.printed();
    server.signal(Signal::TERM);
    let (status, log) = server.ended().await;
    assert!(status.success(), "{log}");
    assert!(log.contains("DEBUG"), "the log is not as talkative as it could be");
    let mut database = Database::connect(&url).await;
    let waiting = "SELECT COUNT(*) FROM outbox WHERE sealed IS NOT NULL";
    assert!(database.number(waiting).await > 0, "letters wait in the outbox");
    let kept = database.texts("SELECT password_hash FROM users WHERE password_hash IS NOT NULL").await;
    assert!(kept.iter().all(|kept| kept.starts_with("$argon2id$v=19$")) && kept.len() == 1);
    let dump = database.dump().await;
    let mails = std::fs::read_dir(home.path().join("mail")).unwrap();
    let mails: Vec<_> = mails.map(|mail| std::fs::read_to_string(mail.unwrap().path()).unwrap()).collect();
    for secret in &secrets {
        let canary = Canary::new(secret);
        canary.is_not_in("standard output", &printed);
        canary.is_not_in("the log", &log);
        canary.is_not_in_bytes("the process list", &command_line);
        for (path, text) in &answers {
            canary.is_not_in(path, text);
        }
        for body in receiver.bodies() {
            canary.is_not_in_bytes("the traces", &body);
        }
        for (table, rows) in &dump {
            // The places where hashes are kept, and then only there.
            let has_hashes = ["service_tokens", "refresh_tokens", "mailed_tokens"].contains(&table.as_str());
            let rows = if has_hashes { without_hashes(rows) } else { rows.clone() };
            canary.is_not_in(&format!("the table {table}"), &rows);
        }
        for (path, bytes) in files(&home.path().join("journal")) {
            canary.is_not_in_bytes(&path, &bytes);
        }
        // Links are what mails are for.
        for mail in mails.iter().filter(|_| !secret.starts_with("mt_")) {
            canary.is_not_in("a mail", mail);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_of_a_person_is_left_anywhere_on_sqlite() {
    no_secret_of_a_person_is_left_anywhere(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_of_a_person_is_left_anywhere_on_postgres() {
    no_secret_of_a_person_is_left_anywhere(Engine::Postgres).await;
}
