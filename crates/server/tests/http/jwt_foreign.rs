//! Access tokens of ours, verified by a library that is not ours: `PyJWT`, which is told nothing but where the keys
//! are published.

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keywright_core::BuiltInRole::PublisherViewer;
use serde_json::{Value, json};

use crate::harness::people::encode;
use crate::harness::{Engine, TestApp, python};

const ISSUER: &str = "https://auth.example.com";

/// What `PyJWT` says of each of these tokens; none where there is no `PyJWT`.
async fn verified(app: &TestApp, tokens: &[String]) -> Option<Vec<Value>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/verify_jwt.py");
    let Some(python) = python("jwt, cryptography") else {
        eprintln!("SKIPPED: there is no target/test-venv with PyJWT; scripts/test makes one");
        return None;
    };
    let mut command = Command::new(python);
    command.arg(script).arg(format!("http://{}/.well-known/jwks.json", app.address())).args([ISSUER, ISSUER]);
    command.env("NO_PROXY", "*").env("no_proxy", "*");
    let input = tokens.join("\n");
    let running = tokio::task::spawn_blocking(move || {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    });
    let output = running.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let said: Vec<_> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said.len(), tokens.len());
    Some(said)
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The same text with another character somewhere within it.
fn altered(text: &str) -> String {
    let at = text.len() / 2;
    let other = if &text[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &text[..at], &text[at + 1..])
}

async fn is_verified_by_pyjwt(algorithm: &str, kty: &str) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(app) = TestApp::start_with(engine, &[("JWT_ALGORITHM", algorithm)]).await else { continue };
        let tenant = app.tenant("Songtrust").await;
        let ada = app.member_of("ada@example.com", &tenant, PublisherViewer).await;
        let session = app.login(&ada).await;
        let parts: Vec<_> = session.access.split('.').collect();
        let mut claims = decoded(parts[1]);
        claims["permissions"] = json!(["*"]);
        let of_nobody =
            json!({"alg": algorithm, "typ": "at+jwt", "kid": "0198c0de-0000-7000-8000-000000000000"});
        let unsigned = json!({"alg": "none", "typ": "at+jwt", "kid": decoded(parts[0])["kid"]});
        let tokens = [
            session.access.clone(),
            format!("{}.{}.{}", parts[0], encode(claims.to_string()), parts[2]),
            format!("{}.{}.{}", parts[0], parts[1], altered(parts[2])),
            format!("{}.{}.{}", encode(of_nobody.to_string()), parts[1], parts[2]),
            format!("{}.{}.", encode(unsigned.to_string()), parts[1]),
        ];
        if let Some(said) = verified(&app, &tokens).await {
            let good = &said[0];
            assert_eq!(good["claims"], decoded(parts[1]), "{good}");
            assert_eq!((&good["claims"]["sub"], &good["kty"]), (&json!(ada.id), &json!(kty)));
            assert_eq!(good["header"], decoded(parts[0]));
            assert_eq!(
                (&good["header"]["alg"], &good["header"]["typ"]),
                (&json!(algorithm), &json!("at+jwt"))
            );
            let refused: Vec<_> = said[1..].iter().map(|said| &said["refused"]).collect();
            assert_eq!(
                refused,
                [
                    "InvalidSignatureError",
                    "InvalidSignatureError",
                    "PyJWKClientError",
                    "InvalidAlgorithmError"
                ]
            );
        }
        // And we say of them what it says.
        app.verify(&tokens[0]).await.decided("valid");
        for token in &tokens[1..4] {
            app.verify(token).await.decided("not_found");
        }
        app.verify(&tokens[4]).await.decided("malformed");
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_signed_by_eddsa_is_verified_by_pyjwt() {
    is_verified_by_pyjwt("EdDSA", "OKP").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_signed_by_es256_is_verified_by_pyjwt() {
    is_verified_by_pyjwt("ES256", "EC").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_signed_by_rs256_is_verified_by_pyjwt() {
    is_verified_by_pyjwt("RS256", "RSA").await;
}
