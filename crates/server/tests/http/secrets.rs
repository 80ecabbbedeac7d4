//! No secret in any log, event or table: canaries are misplaced wherever a caller could put one, and
//! then searched for.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use rustix::process::Signal;
use serde_json::json;

use crate::harness::child::Server;
use crate::harness::{Caller, Raw, TestApp, on_both_engines, sha256};

on_both_engines![no_table_holds_a_secret_or_more_than_one_hash_of_it];

/// Every spelling in which a secret could turn up.
fn spellings(secret: &str) -> Vec<String> {
    let hash = sha256(secret);
    let digits = secret.strip_prefix("sk_").unwrap_or(secret).to_owned();
    vec![digits, STANDARD_NO_PAD.encode(hash), URL_SAFE_NO_PAD.encode(hash), STANDARD_NO_PAD.encode(secret)]
}

fn is_not_in(place: &str, text: &str, secret: &str) {
    let folded = text.to_ascii_lowercase();
    for spelling in spellings(secret) {
        assert!(!text.contains(&spelling) && !folded.contains(&spelling.to_ascii_lowercase()), "in {place}");
    }
}

/// Sends the secret wherever a caller could put it by mistake. No answer repeats it.
async fn misplace(caller: &Caller, secret: &str) {
    let misplaced = [
        caller.get(&format!("/auth/tokens/{secret}")).await,
        caller.get(&format!("/auth/tokens?token={secret}")).await,
        caller.get(&format!("/auth/tokens?cursor={secret}")).await,
        caller.get(&format!("/{secret}")).await,
        caller.with("user-agent", &format!("curl {secret}")).get("/auth/tokens").await,
        caller.with("x-request-id", &secret[3..]).get("/auth/tokens").await,
        caller
            .with("idempotency-key", "short")
            .post("/auth/tokens", json!({"token_name": secret, secret: 1}))
            .await,
        caller.post("/auth/tokens", json!({"token_name": "n", "permissions": [secret]})).await,
        caller
            .post(
                "/auth/verify",
                json!({"token": "x", "endpoint": format!("/a?{secret}"), "user_agent": secret,
            "method": secret, "cloudflare_ray_id": secret, "ip_address": secret}),
            )
            .await,
        caller.post("/auth/verify", json!({"token": format!("{secret}0"), "required_scopes": []})).await,
    ];
    for answer in misplaced {
        is_not_in("an answer", answer.text(), secret);
        is_not_in("a header", &format!("{:?}", answer.headers), secret);
    }
}

async fn no_table_holds_a_secret_or_more_than_one_hash_of_it(app: &TestApp) {
    let keyed = app.admin().with("idempotency-key", "idempotency-canary-0123456789");
    let made = keyed.post("/auth/tokens", json!({"token_name": "canary", "permissions": ["a"]})).await;
    let secret = made.expect(201)["token"].as_str().unwrap().to_owned();
    app.verify(&secret).await.decided("valid");
    for caller in [app.admin(), app.nobody(), app.bearing(&secret)] {
        misplace(&caller, &secret).await;
    }
    app.recorded().await;
    let hash = hex::encode(sha256(&secret));
    for (table, rows) in app.database().await.dump().await {
        is_not_in(&table, &rows, &secret);
        assert!(!rows.contains("idempotency-canary"), "{table}");
        let hashes = rows.to_ascii_lowercase().matches(&hash).count();
        assert_eq!(hashes, usize::from(table == "service_tokens"), "{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_or_process_list_shows_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("keywright.db").display());
    let server = Server::start_with(folder.path(), &url, &[("KEYWRIGHT_LOG__LEVEL", "trace")]).await;
    let secret = server.first_token().await;
    for caller in [server.nobody(), server.nobody().bearing(&secret)] {
        misplace(&caller, &secret).await;
    }
    let mut raw = Raw::connect(server.address()).await;
    raw.send(format!("{secret} / HTTP/1.1\r\nhost: a\r\n\r\n")).await;
    drop(raw);
    let arguments = std::fs::read(format!("/proc/{}/cmdline", server.id())).unwrap();
    is_not_in("the process list", &String::from_utf8_lossy(&arguments), &secret);
    server.signal(Signal::TERM);
    let (status, log) = server.ended().await;
    assert!(status.success(), "{log}");
    is_not_in("the log", &log, &secret);
    assert!(!log.contains(&hex::encode(sha256(&secret))), "the hash is in the log");
}
