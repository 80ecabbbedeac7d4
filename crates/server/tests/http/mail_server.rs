//! Mail by SMTP, to a mail server that is not ours: aiosmtpd.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::{Engine, TestApp, eventually};

/// The Python of a virtual environment that has aiosmtpd, as `scripts/test` makes it.
fn python() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/test-venv/bin/python");
    let has_it = Command::new(&python).args(["-c", "import aiosmtpd"]).output();
    has_it.is_ok_and(|output| output.status.success()).then_some(python)
}

/// A mail server in a process of its own, and what it took.
struct MailServer {
    process: Child,
    port: u16,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl MailServer {
    fn start() -> Option<Self> {
        let Some(python) = python() else {
            eprintln!("SKIPPED: there is no target/test-venv with aiosmtpd; scripts/test makes one");
            return None;
        };
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/http/smtp_server.py");
        let mut process =
            Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().parse().unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&taken);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Some(Self { process, port, taken })
    }

    async fn taken(&self, count: usize) -> Vec<Value> {
        eventually("the mail server has it", async || self.taken.lock().unwrap().len() >= count).await;
        self.taken.lock().unwrap().clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn count(condition: &str) -> String {
    format!("SELECT COUNT(*) FROM outbox WHERE {condition}")
}

async fn mail_goes_to_a_mail_server(engine: Engine) {
    let Some(server) = MailServer::start() else { return };
    let url = format!("smtp://127.0.0.1:{}", server.port);
    let settings = [("mail.smtp_url", url.as_str()), ("mail.from", "Keywright <keywright@example.com>")];
    let Some(app) = TestApp::start_with(engine, &settings).await else { return };
    let publisher = app.publisher("Ärger & Söhne\u{1F3B5}").await;
    let invite = async |email: &str| {
        let body = json!({"email": email, "display_name": "Ada Ö.", "publisher_id": publisher["id"],
            "role": "publisher_viewer"});
        app.admin().post("/users", body).await.expect(201);
    };
    invite("ada@example.com").await;
    let mail = server.taken(1).await.remove(0);
    assert_eq!((&mail["from"], &mail["to"]), (&json!("keywright@example.com"), &json!(["ada@example.com"])));
    let headers = &mail["headers"];
    assert_eq!(headers["from"], "Keywright <keywright@example.com>");
    assert_eq!(headers["to"], "\"Ada Ö.\" <ada@example.com>");
    assert_eq!(headers["subject"], "Your invitation to Ärger & Söhne\u{1F3B5}");
    assert_eq!(headers["auto-submitted"], "auto-generated");
    for part in ["text", "html"] {
        let text = mail[part].as_str().unwrap();
        assert!(text.contains("https://auth.example.com/account/invitation?token=mt_"), "{text}");
    }

    // One that is put off is tried again, one that has no mailbox is not; the log of neither tells the address.
    invite("busy@example.com").await;
    invite("gone@example.com").await;
    let mut database = app.database().await;
    eventually("both were tried", async || {
        database.number(&count("attempts = 1 AND delivered_at IS NULL AND last_error IS NOT NULL")).await == 2
    })
    .await;
    for settled in ["451' AND dead_at IS NULL", "550' AND dead_at IS NOT NULL AND sealed IS NULL"] {
        let condition = format!("last_error = 'the mail server answered {settled}");
        assert_eq!(database.number(&count(&condition)).await, 1, "{settled}");
    }
    database.execute("UPDATE outbox SET next_attempt_at = created_at WHERE dead_at IS NULL").await;
    let mail = server.taken(2).await.remove(1);
    assert_eq!(mail["to"], json!(["busy@example.com"]));
    eventually("it is noted", async || database.number(&count("delivered_at IS NOT NULL")).await == 2).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_to_a_mail_server_on_sqlite() {
    mail_goes_to_a_mail_server(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_to_a_mail_server_on_postgres() {
    mail_goes_to_a_mail_server(Engine::Postgres).await;
}
