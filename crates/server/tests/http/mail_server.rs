//! Mail by SMTP, to a mail server that is not ours: aiosmtpd.

use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::child::{Server, keywright, run};
use crate::harness::{Engine, TestApp, eventually, python};

/// A mail server in a process of its own, and what it took.
struct MailServer {
    process: Child,
    port: u16,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl MailServer {
    fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    fn start_with(arguments: &[&str]) -> Option<Self> {
        let Some(python) = python("aiosmtpd") else {
            eprintln!("SKIPPED: there is no target/test-venv with aiosmtpd; scripts/test makes one");
            return None;
        };
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/http/smtp_server.py");
        let mut process = Command::new(python)
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
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

/// The address under which this machine is known to others, where it has one: to itself it speaks in the clear.
fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // An address for documentation (RFC 5737): nothing is sent.
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// A certificate authority of our own in `ca.pem`, and in `cert.pem` and `key.pem` a certificate of it for this machine.
pub(crate) fn certify(folder: &Path, names: &str) -> bool {
    let request = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        command.current_dir(folder).args(["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec"]);
        command.args(["-pkeyopt", "ec_paramgen_curve:prime256v1"]).args(arguments).output()
    };
    let made =
        |output: std::io::Result<std::process::Output>| output.is_ok_and(|output| output.status.success());
    let names = format!("subjectAltName={names}");
    made(request(&["-subj", "/CN=Test authority", "-keyout", "ca.key", "-out", "ca.pem"]))
        && made(request(&[
            "-subj",
            "/CN=mail",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-addext",
            &names,
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ]))
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_over_tls_to_who_is_vouched_for_and_doctor_says_what_is_wrong() {
    let Some(store) = keywright_store::testing::store_on(Engine::Sqlite).await else { return };
    let (database, home) = (store.options().url.clone(), tempfile::tempdir().unwrap());
    let here = outward();
    let names = here.map_or_else(String::new, |ip| format!(",IP:{ip}"));
    if !certify(home.path(), &format!("DNS:localhost{names}")) {
        eprintln!("SKIPPED: there is no openssl that makes certificates");
        return;
    }
    let file = |name: &str| home.path().join(name).display().to_string();
    let hosts = [("smtps", Some("localhost".to_owned())), ("starttls", here.map(|ip| ip.to_string()))];
    for (mode, host) in hosts {
        let Some(host) = host else { continue };
        let Some(mails) = MailServer::start_with(&[mode, &file("cert.pem"), &file("key.pem")]) else {
            return;
        };
        let scheme = if mode == "smtps" { "smtps" } else { "smtp" };
        let url = |password: &str| format!("{scheme}://user:{password}@{host}:{}", mails.port);
        let authority = file("ca.pem");
        let environment = |url: &str, trusted: bool| -> Vec<(&str, String)> {
            let mut all = vec![
                ("KEYWRIGHT_SERVER__PUBLIC_URL", "https://auth.example.com".to_owned()),
                ("KEYWRIGHT_MAIL__SMTP_URL", url.to_owned()),
                ("KEYWRIGHT_MAIL__FROM", "keywright@example.com".to_owned()),
            ];
            all.extend(trusted.then(|| ("SSL_CERT_FILE", authority.clone())));
            all
        };
        let doctor = async |url: String, trusted: bool| {
            let mut command = keywright(home.path(), &database, &["doctor", "--json"]);
            command.envs(environment(&url, trusted));
            let printed = run(command).await;
            assert!(!printed.stdout.contains("pass%40") && !printed.stdout.contains("pass@"), "{printed:?}");
            let findings = printed.json();
            let mut findings = findings.as_array().unwrap().iter();
            findings.find(|finding| finding["check"] == "mail").unwrap().clone()
        };
        let said = |finding: &Value| finding["what"].as_str().unwrap().to_owned();
        let found = doctor(url("pass%40word"), true).await;
        assert_eq!(found["severity"], "ok", "{mode}: {found}");
        let found = doctor(url("pass%40wort"), true).await;
        assert!(found["severity"] == "error" && said(&found).contains("535"), "{mode}: {found}");
        let found = doctor(url("pass%40word"), false).await;
        assert!(found["severity"] == "error" && said(&found).contains("TLS"), "{mode}: {found}");
        assert!(found["advice"].as_str().unwrap().contains("SSL_CERT_FILE"), "{found}");

        let environment = environment(&url("pass%40word"), true);
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let server = Server::start_with(home.path(), &database, &environment).await;
        let to = format!("{mode}@example.com");
        let invite = ["user", "invite", "--platform-admin", "--email", &to];
        let invited = run(keywright(home.path(), &database, &invite)).await;
        assert_eq!(invited.code, 0, "{invited:?}");
        assert_eq!(mails.taken(1).await[0]["to"], json!([to]));
        drop(server);
    }
}
