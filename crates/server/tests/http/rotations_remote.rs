//! `/rotation-policies` that deliver elsewhere: what is asked of each kind, and what is told of it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::harness::child::Server;
use crate::harness::{Database, Engine, TestApp, eventually, id, on_both_engines};
use crate::mail_server::certify;

on_both_engines![
    each_kind_of_delivery_takes_the_fields_of_its_receiver,
    what_lets_a_delivery_in_is_shown_by_nothing,
    what_a_webhook_is_signed_with_is_told_once,
];

const POLICIES: &str = "/rotation-policies";
const KEY: &str = "canary-of-the-receiver-5ec7";

fn github() -> Value {
    json!({"type": "github_actions_secret", "repository": "acme/api", "secret_name": "TOKEN", "secret": KEY})
}

fn kubernetes() -> Value {
    json!({"type": "kubernetes_secret", "url": "https://k8s.example", "namespace": "live", "secret_name": "api",
        "key": "token", "secret": KEY})
}

fn vault() -> Value {
    json!({"type": "vault_kv", "url": "https://vault.example:8200", "mount": "secret", "path": "api", "key": "token",
        "secret": KEY})
}

fn webhook() -> Value {
    json!({"type": "webhook", "url": "https://hooks.example/in"})
}

/// The same with one field as it is given, or without it.
fn but(mut delivery: Value, field: &str, value: Value) -> Value {
    delivery[field] = value;
    delivery
}

async fn each_kind_of_delivery_takes_the_fields_of_its_receiver(app: &TestApp) {
    let token = app.mint("api", &[]).await;
    let policy = app.policy(json!({"credential_id": token.id})).await;
    let path = format!("{POLICIES}/{policy}");
    let long = "a".repeat(4_097);
    for (delivery, field, code) in [
        (but(webhook(), "url", Value::Null), "delivery.url", "required"),
        (but(webhook(), "url", json!("http://hooks.example/in")), "delivery.url", "out_of_range"),
        (but(webhook(), "url", json!("https://169.254.169.254/")), "delivery.url", "out_of_range"),
        (but(webhook(), "url", json!("https://10.0.0.1/")), "delivery.url", "out_of_range"),
        (but(webhook(), "url", json!("https://user:pass@hooks.example/")), "delivery.url", "out_of_range"),
        (but(webhook(), "url", json!("x".repeat(2_049))), "delivery.url", "too_long"),
        (but(webhook(), "public_key", json!("AAAA")), "delivery.public_key", "out_of_range"),
        (
            but(webhook(), "public_key", json!(STANDARD.encode([0; 32]))),
            "delivery.public_key",
            "out_of_range",
        ),
        (but(webhook(), "secret", json!("hunter2")), "delivery.secret", "out_of_range"),
        (but(webhook(), "repository", json!("acme/api")), "delivery.repository", "invalid_value"),
        (but(github(), "secret", Value::Null), "delivery.secret", "out_of_range"),
        (but(github(), "secret", json!("two words")), "delivery.secret", "out_of_range"),
        (but(github(), "secret", json!(long)), "delivery.secret", "too_long"),
        (but(github(), "secret", json!([KEY])), "delivery.secret", "invalid_type"),
        (but(github(), "repository", Value::Null), "delivery.repository", "required"),
        (but(github(), "repository", json!("acme")), "delivery.repository", "out_of_range"),
        (but(github(), "environment", json!("..")), "delivery.environment", "out_of_range"),
        (but(github(), "secret_name", json!("GITHUB_TOKEN")), "delivery.secret_name", "out_of_range"),
        (but(github(), "public_key", json!("AAAA")), "delivery.public_key", "invalid_value"),
        (but(kubernetes(), "namespace", json!("Live")), "delivery.namespace", "out_of_range"),
        (but(kubernetes(), "secret_name", json!("../x")), "delivery.secret_name", "out_of_range"),
        (but(kubernetes(), "key", json!("a/b")), "delivery.key", "out_of_range"),
        (but(kubernetes(), "url", json!("https://k8s.example/?a=b")), "delivery.url", "out_of_range"),
        (but(kubernetes(), "mount", json!("secret")), "delivery.mount", "invalid_value"),
        (but(vault(), "mount", json!("/secret")), "delivery.mount", "out_of_range"),
        (but(vault(), "path", json!("a/../b")), "delivery.path", "out_of_range"),
        (but(vault(), "key", Value::Null), "delivery.key", "required"),
        (but(vault(), "password", json!(KEY)), "delivery.password", "unknown_field"),
        (json!({"type": "none", "secret": KEY}), "delivery.secret", "out_of_range"),
        (
            json!({"type": "command", "command": "x", "url": "https://a.example"}),
            "delivery.url",
            "invalid_value",
        ),
    ] {
        let answer = app.admin().patch(&path, json!({ "delivery": delivery })).await;
        answer.bad_field(field, code);
        assert!(!answer.text().contains(KEY), "{}", answer.text());
    }
    // On more than one token a place needs what tells them apart.
    let everywhere = |delivery: Value| json!({"publisher_id": null, "delivery": delivery});
    for (delivery, field) in
        [(github(), "delivery.secret_name"), (kubernetes(), "delivery.key"), (vault(), "delivery.key")]
    {
        app.admin().post(POLICIES, everywhere(delivery)).await.bad_field(field, "out_of_range");
    }
    let apart = but(vault(), "path", json!("tokens/{lineage_id}"));
    let made = app.admin().post(POLICIES, everywhere(apart)).await.expect(201);
    app.admin().delete(&format!("{POLICIES}/{}", id(&made))).await.expect(204);
}

async fn what_lets_a_delivery_in_is_shown_by_nothing(app: &TestApp) {
    let account = app.account(json!({"name": "api", "service_type": "internal", "scopes": []})).await;
    let of_account = format!("/service-accounts/{}/rotation-policy", id(&account));
    let mut texts = Vec::new();
    for (number, (delivery, shown)) in [
        (
            github(),
            json!({"url": "https://api.github.com", "repository": "acme/api", "secret_name": "TOKEN"}),
        ),
        (kubernetes(), json!({"namespace": "live", "secret_name": "api", "key": "token"})),
        (vault(), json!({"mount": "secret", "path": "api", "key": "token"})),
    ]
    .into_iter()
    .enumerate()
    {
        let token = app.mint(&format!("api {number}"), &[]).await;
        let body = json!({"credential_id": token.id, "delivery": delivery});
        let keyed = app.admin().with("idempotency-key", &format!("0123456789abcdef{number}"));
        let made = keyed.post(POLICIES, body.clone()).await;
        assert_eq!(made.expect(201).get("secret"), None, "nobody is told what they said");
        let again = keyed.post(POLICIES, body).await;
        assert_eq!(again.expect(201), made.json());
        let path = format!("{POLICIES}/{}", id(&made.json()));
        let seen = app.admin().get(&path).await;
        for (field, value) in shown.as_object().unwrap() {
            assert_eq!(&seen.json()["delivery"][field], value, "{field}");
        }
        assert_eq!(seen.json()["delivery"].get("secret"), None);
        // What is not said again stays, for the same receiver alone.
        let same = but(delivery.clone(), "secret", Value::Null);
        texts.push(app.admin().patch(&path, json!({"delivery": same, "quiet_hours": 2})).await);
        texts.last().unwrap().expect(200);
        let other = but(but(delivery, "url", json!("https://other.example")), "secret", Value::Null);
        let refused = app.admin().patch(&path, json!({ "delivery": other })).await;
        refused.bad_field("delivery.secret", "out_of_range");
        texts.extend([made, again, seen, refused]);
    }
    let put =
        app.admin().put(&of_account, json!({"delivery": but(vault(), "path", json!("{lineage_id}"))})).await;
    assert_eq!(put.expect(200)["delivery"]["mount"], "secret");
    texts.extend([put, app.admin().get(&of_account).await, app.admin().get(POLICIES).await]);
    texts.push(app.admin().get("/audit/security-events?limit=200").await);
    texts.push(app.admin().get("/rotations/plan?days=300").await);
    for answer in texts {
        assert!(!answer.text().contains(KEY), "{}", answer.text());
    }
    for (table, rows) in app.database().await.dump().await {
        assert!(!rows.contains(KEY), "{table}");
    }
}

async fn what_a_webhook_is_signed_with_is_told_once(app: &TestApp) {
    let token = app.mint("api", &[]).await;
    let body = json!({"credential_id": token.id, "delivery": webhook()});
    let keyed = app.admin().with("idempotency-key", "0123456789abcdef");
    let answer = keyed.post(POLICIES, body.clone()).await;
    let made = answer.expect(201);
    assert_eq!(answer.header("cache-control"), "no-store");
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"));
    assert_eq!(keyed.post(POLICIES, body).await.expect(201), made);
    let path = format!("{POLICIES}/{}", id(&made));
    let same = app.admin().patch(&path, json!({ "delivery": webhook() })).await;
    assert_eq!(same.expect(200).get("secret"), None);
    let elsewhere = but(webhook(), "url", json!("https://hooks.example/other"));
    let changed = app.admin().patch(&path, json!({ "delivery": elsewhere })).await.expect(200);
    assert_ne!(changed["secret"], json!(secret));
    let anew = changed["secret"].as_str().unwrap();
    let events = app.admin().get("/audit/security-events?limit=200").await;
    for text in [app.admin().get(&path).await.text(), same.text(), events.text()] {
        assert!(!text.contains(&secret) && !text.contains(anew), "{text}");
    }
    let account = app.account(json!({"name": "api", "service_type": "internal", "scopes": []})).await;
    let of_account = format!("/service-accounts/{}/rotation-policy", id(&account));
    let put = app.admin().put(&of_account, json!({ "delivery": webhook() })).await.expect(200);
    assert!(put["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(app.admin().get(&of_account).await.expect(200).get("secret"), None);
}

/// A cluster that speaks TLS, and keeps what it was sent.
async fn cluster(folder: &Path) -> (u16, Arc<Mutex<Vec<String>>>) {
    let certificates = CertificateDer::pem_file_iter(folder.join("cert.pem")).unwrap();
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(certificates, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, taken) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
    let own = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, own) = (acceptor.clone(), Arc::clone(&own));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let (mut bytes, mut buffer) = (Vec::new(), [0; 4_096]);
                while !bytes.ends_with(b"}}") {
                    match stream.read(&mut buffer).await {
                        Ok(read) if read > 0 => bytes.extend_from_slice(&buffer[..read]),
                        _ => return,
                    }
                }
                own.lock().unwrap().push(String::from_utf8(bytes).unwrap());
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (port, taken)
}

/// A secret goes to who is vouched for, over TLS, and stands in no log however talkative.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_brought_to_nobody_but_who_is_vouched_for_and_stands_in_no_log() {
    let Some(store) = keywright_store::testing::store_on(Engine::Sqlite).await else { return };
    let (url, home) = (store.options().url.clone(), tempfile::tempdir().unwrap());
    if !certify(home.path(), "DNS:localhost") {
        eprintln!("SKIPPED: there is no openssl that makes certificates");
        return;
    }
    let (port, taken) = cluster(home.path()).await;
    let authority = home.path().join("ca.pem").display().to_string();
    let own = [
        ("KEYWRIGHT_LOG__LEVEL", "trace"),
        ("KEYWRIGHT_ROTATION__ENABLED", "true"),
        ("KEYWRIGHT_NOTIFICATIONS__ALLOWED_NETWORKS", "127.0.0.0/8,::1/128"),
    ];
    let server = Server::start_with(home.path(), &url, &own).await;
    let first = server.first_token().await;
    let admin = server.nobody().bearing(&first);
    let made = admin.post("/auth/tokens", json!({"token_name": "api", "permissions": []})).await.expect(201);
    let delivery = but(kubernetes(), "url", json!(format!("https://localhost:{port}")));
    let body = json!({"credential_id": made["id"], "max_age_days": 1, "delivery": delivery});
    admin.post(POLICIES, body).await.expect(201);
    let mut database = Database::connect(&url).await;
    let long_ago = database.moment("2026-01-01T00:00:00Z");
    let sql = format!("UPDATE service_tokens SET created_at = {long_ago} WHERE token_name = 'api'");
    assert_eq!(database.execute(&sql).await, 1);
    // Nobody vouches for the cluster: it is sent nothing.
    let rotation =
        async |admin: &crate::harness::Caller| admin.get("/rotations").await.expect(200)["items"][0].clone();
    eventually("it is tried", async || rotation(&admin).await["last_answer"].is_string()).await;
    let tried = rotation(&admin).await;
    assert_eq!((&tried["state"], &tried["may_have_sent"]), (&json!("delivering"), &json!(false)), "{tried}");
    assert_eq!(taken.lock().unwrap().len(), 0);
    server.signal(Signal::TERM);
    let (_, mut log) = server.ended().await;
    database.execute("DELETE FROM leases").await;
    database.execute("UPDATE rotations SET next_attempt_at = created_at").await;
    let trusting: Vec<_> = own.iter().copied().chain([("SSL_CERT_FILE", authority.as_str())]).collect();
    let server = Server::start_with(home.path(), &url, &trusting).await;
    let admin = server.nobody().bearing(&first);
    eventually("it is delivered", async || rotation(&admin).await["state"] == "awaiting_confirmation").await;
    let request = taken.lock().unwrap()[0].clone();
    assert!(request.starts_with("PATCH /api/v1/namespaces/live/secrets/api HTTP/1.1\r\n"), "{request}");
    let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    let encoded = body["data"]["token"].as_str().unwrap();
    let secret = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
    admin.post("/auth/verify", json!({ "token": secret })).await.decided("valid");
    server.signal(Signal::TERM);
    log.push_str(&server.ended().await.1);
    assert!(log.contains("DEBUG"), "the log is not as talkative as it could be");
    for hidden in [KEY, &secret, &secret[3..], encoded] {
        assert!(!log.contains(hidden), "in the log");
        for (table, rows) in database.dump().await {
            assert!(!rows.contains(hidden), "{table}");
        }
    }
}
