//! The doors in OAuth's form, by clients that are not ours: Authlib for Python, and oauth4webapi for JavaScript.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use keywright_core::BuiltInRole::PublisherViewer;
use serde_json::{Value, json};

use crate::harness::oauth::{Partner, claims};
use crate::harness::{Engine, TestApp, python};

const ISSUER: &str = "https://auth.example.com";

/// What a program says that reads JSON and prints JSON.
async fn said(mut command: Command, given: &Value) -> Value {
    command.env("NO_PROXY", "*").env("no_proxy", "*");
    let input = given.to_string();
    let running = tokio::task::spawn_blocking(move || {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    });
    let output = running.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A client that may ask about tokens, a session, and a token of the client that is to be revoked.
struct Given {
    partner: Partner,
    spare: String,
    session: crate::harness::logins::Session,
}

impl Given {
    async fn make(app: &TestApp) -> Self {
        let tenant = app.tenant("Songtrust").await;
        let ada = app.member_of("ada@example.com", &tenant, PublisherViewer).await;
        let partner = app.partner("partner", &["works:read", "works:write", "tokens:verify"], None).await;
        let spare = app.token_of(&partner.account, json!({"token_name": "spare"})).await.secret;
        Self { partner, spare, session: app.login(&ada).await }
    }

    fn told(&self) -> Value {
        json!({
            "client_id": self.partner.id, "client_secret": self.partner.token.secret,
            "refresh_token": self.session.refresh,
            "revoke": {"spare": self.spare, "unknown": format!("sk_{}", "0a".repeat(32))},
        })
    }

    /// What came of all that both clients do.
    async fn holds(&self, app: &TestApp, said: &Value) {
        for way in ["client_secret_basic", "client_secret_post"] {
            let (token, about) = (&said[way]["token"], &said[way]["introspection"]);
            assert_eq!(
                (&token["expires_in"], &token["scope"]),
                (&json!(900), &json!("works:read")),
                "{token}"
            );
            let of_it = (&about["active"], &about["client_id"], &about["scope"]);
            assert_eq!(of_it, (&json!(true), &json!(self.partner.id), &json!("works:read")), "{about}");
            let access = token["access_token"].as_str().unwrap();
            assert_eq!(app.verify(access).await.decided("valid")["scopes"], json!(["works:read"]));
        }
        let access = said["refreshed"]["access_token"].as_str().unwrap();
        assert_eq!(app.verify(access).await.decided("valid")["credential_id"], self.session.id);
        assert!(said["refreshed"]["refresh_token"].as_str().unwrap().starts_with("rt_"));
        assert_eq!((&said["revoked_spare"], &said["revoked_unknown"]), (&json!(200), &json!(200)));
        app.verify(&self.spare).await.decided("revoked");
        app.verify(&self.partner.token.secret).await.decided("valid");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authlib_is_given_tokens_asks_about_them_and_ends_them() {
    let Some(python) = python("authlib, httpx") else {
        eprintln!("SKIPPED: there is no target/test-venv with Authlib; scripts/test makes one");
        return;
    };
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(app) = TestApp::start(engine).await else { continue };
        let given = Given::make(&app).await;
        let mut command = Command::new(&python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/oauth_authlib.py"));
        command.arg(format!("http://{}", app.address()));
        let said = said(command, &given.told()).await;
        given.holds(&app, &said).await;
        assert_eq!((&said["refused"], &said["beyond"]), (&json!("invalid_client"), &json!("invalid_scope")));
        assert_eq!(said["client_secret_basic"]["me"]["principal"]["id"], given.partner.id);
        assert_eq!((&said["metadata"]["issuer"], &said["metadata_is"]), (&json!(ISSUER), &json!("valid")));
        app.stop().await;
    }
}

/// The folder in which `scripts/test` installs the package, if it has.
fn node_packages() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/test-node");
    let has_it = folder.join("node_modules/oauth4webapi/package.json").exists();
    let node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    (has_it && node).then(|| folder.canonicalize().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oauth4webapi_finds_the_doors_and_goes_through_them() {
    let Some(packages) = node_packages() else {
        eprintln!("SKIPPED: there is no target/test-node with oauth4webapi; scripts/test makes one");
        return;
    };
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(app) = TestApp::start(engine).await else { continue };
        let given = Given::make(&app).await;
        let mut command = Command::new("node");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/oauth_node/client.mjs"));
        command.arg(&packages).arg(ISSUER).arg(format!("http://{}", app.address()));
        let said = said(command, &given.told()).await;
        given.holds(&app, &said).await;
        assert_eq!((&said["server"]["issuer"], &said["refused"]), (&json!(ISSUER), &json!("401 basic")));
        for way in ["client_secret_basic", "client_secret_post"] {
            let access = said[way]["token"]["access_token"].as_str().unwrap();
            assert_eq!(said[way]["claims"], claims(access), "{way}");
            assert_eq!(said[way]["media"], "application/token-introspection+jwt");
            assert_eq!(said[way]["signedIntrospection"], said[way]["introspection"], "{way}");
        }
        app.stop().await;
    }
}
