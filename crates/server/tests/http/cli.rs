//! The command line against a running authority: over HTTP, and as the local operator beside it.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::child::{Printed, keywright, run, run_reading};
use crate::harness::remote::{admin, done, remote};
use crate::harness::{Engine, TestApp, on_both_engines};

on_both_engines![
    a_token_s_whole_life_from_a_distance,
    json_is_what_the_api_answers,
    a_denied_caller_is_told_and_the_exit_code_says_so,
    names_of_the_reference_texts_work,
    the_trail_is_read_and_verified,
    signing_keys_are_rotated_with_a_reason_or_without,
];

async fn verify(app: &TestApp, secret: &str, arguments: &[&str]) -> Printed {
    let mut line = vec!["verify", "--json"];
    line.extend_from_slice(arguments);
    run_reading(remote(app, app.admin_token(), &line), secret).await
}

async fn a_token_s_whole_life_from_a_distance(app: &TestApp) {
    let create =
        ["token", "create", "--name", "ci", "--permissions", "a:read,b", "--expires-in-days", "7", "--json"];
    let made = done(app, &create).await.json();
    let secret = made["token"].as_str().unwrap().to_owned();
    assert_eq!(made["permissions"], json!(["a:read", "b"]));
    assert_eq!(verify(app, &secret, &["--scope", "a:read"]).await.code, 0);
    assert_eq!(verify(app, &secret, &["--scope", "z"]).await.code, 3);
    let rotated =
        done(app, &["token", "rotate", "--identifier", "ci", "--reason", "r", "--grace", "1h", "--json"])
            .await
            .json();
    assert_eq!(rotated["rotated_from_id"], made["id"]);
    assert_eq!(verify(app, &secret, &[]).await.json()["rotation"]["superseded"], true);
    let renewed = rotated["token"].as_str().unwrap().to_owned();
    done(app, &["token", "revoke", "--identifier", "ci", "--reason", "leak"]).await;
    let denied = verify(app, &renewed, &[]).await;
    assert_eq!((denied.code, &denied.json()["code"]), (3, &json!("revoked")));
    done(app, &["token", "revoke", "--identifier", made["id"].as_str().unwrap(), "--reason", "leak"]).await;
    assert_eq!(verify(app, &secret, &[]).await.json()["code"], "revoked");
    done(app, &["token", "cleanup", "--deactivate-only"]).await;
    let unknown = admin(app, &["token", "show", "--identifier", "nobody"]).await;
    assert_eq!(unknown.code, 1, "{unknown:?}");
}

async fn json_is_what_the_api_answers(app: &TestApp) {
    let token = app.mint("shown", &["a"]).await;
    for (arguments, path) in [
        (&["token", "show", "--identifier", "shown", "--json"][..], token.path()),
        (&["token", "show", "--identifier", &token.id, "--json"], token.path()),
        (&["token", "list", "--json"], "/auth/tokens".to_owned()),
        (&["me", "--json"], "/auth/me".to_owned()),
    ] {
        assert_eq!(
            done(app, arguments).await.json(),
            app.admin().get(&path).await.expect(200),
            "{arguments:?}"
        );
    }
    let listed = done(app, &["token", "list"]).await;
    assert!(listed.stdout.contains("shown") && !listed.stdout.contains('\u{1b}'), "{listed:?}");
}

async fn a_denied_caller_is_told_and_the_exit_code_says_so(app: &TestApp) {
    let poor = app.mint("poor", &["a"]).await;
    let refused = run(remote(app, &poor.secret, &["token", "list", "--json"])).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (3, ""));
    let problem: Value = serde_json::from_str(&refused.stderr).unwrap();
    assert_eq!(problem["code"], "insufficient_scope");
    app.admin().delete(&poor.path()).await.expect(204);
    let refused = run(remote(app, &poor.secret, &["me"])).await;
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(!refused.stderr.contains(&poor.secret[3..]), "{refused:?}");
    let taken = done(app, &["token", "create", "--name", "taken", "--permissions", "a", "--quiet"]).await;
    assert!(taken.stdout.starts_with("sk_") && taken.stdout.trim().len() == 67, "{taken:?}");
    let again = admin(app, &["token", "create", "--name", "taken", "--permissions", "a"]).await;
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.stderr.contains("request id"), "{again:?}");
    let limited = ["token", "create", "--name", "limited", "--permissions", "a", "--per-minute"];
    let none = admin(app, &[&limited[..], &["0"]].concat()).await;
    assert!(none.code != 0 && !none.stdout.contains("sk_"), "{none:?}");
    let some = admin(app, &[&limited[..], &["5", "--json"]].concat()).await;
    let made: Value = serde_json::from_str(&some.stdout).unwrap();
    assert_eq!(made["rate_limits"]["per_minute"], 5, "{made}");
}

async fn names_of_the_reference_texts_work(app: &TestApp) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keywright"));
    command.args(["me", "--json"]).env_clear().current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.env("PROMPTCRAFT_API_URL", format!("http://{}", app.address()));
    command.env("PROMPTCRAFT_SERVICE_TOKEN", app.admin_token());
    let me = run(command).await;
    assert_eq!(me.json(), app.admin().get("/auth/me").await.expect(200));
}

async fn signing_keys_are_rotated_with_a_reason_or_without(app: &TestApp) {
    let next = done(app, &["keys", "rotate", "--json"]).await.json();
    assert_eq!(next["key"]["status"], "next");
    done(app, &["keys", "rotate", "--reason", "planned"]).await;
    let replaced = done(app, &["keys", "rotate", "--revoke", "--json"]).await.json();
    assert_eq!(
        (&replaced["key"]["status"], replaced["revoked"].as_array().unwrap().len()),
        (&json!("active"), 3)
    );
    let listed = done(app, &["keys", "list", "--json"]).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 4);
}

async fn the_trail_is_read_and_verified(app: &TestApp) {
    app.mint("watched", &["a"]).await;
    let events = done(app, &["events", "list", "--json"]).await;
    assert!(events.stdout.contains("token.created"), "{events:?}");
    crate::harness::eventually("the chain is sealed", async || {
        let verified = admin(app, &["events", "verify", "--json"]).await;
        verified.code == 0 && verified.json()["unsealed"] == 0
    })
    .await;
    app.database().await.execute("UPDATE security_events SET type = 'token.forged' WHERE seq = 1").await;
    let broken = admin(app, &["events", "verify", "--json"]).await;
    assert_ne!(broken.code, 0, "{broken:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_beside_a_node_on_postgres_waits_until_it_has_confirmed() {
    let Some(app) = TestApp::start(Engine::Postgres).await else { return };
    let home = tempfile::tempdir().unwrap();
    let url = app.url().to_owned();
    let operator = async |arguments: &[&str]| {
        let printed = run(keywright(home.path(), &url, arguments)).await;
        assert_eq!(printed.code, 0, "{arguments:?} {printed:?}");
        printed
    };
    for round in 0..5 {
        let name = format!("round-{round}");
        let made =
            operator(&["token", "create", "--name", &name, "--permissions", "a", "--json"]).await.json();
        let secret = made["token"].as_str().unwrap().to_owned();
        app.verify(&secret).await.decided("valid");
        operator(&["token", "revoke", "--identifier", &name, "--reason", "leak"]).await;
        app.verify(&secret).await.decided("revoked");
    }
    let token = app.mint("last", &["a"]).await;
    app.verify(&token.secret).await.decided("valid");
    operator(&["emergency-revoke", "--reason", "breach", "--yes"]).await;
    app.verify(&token.secret).await.decided("revoked");
    app.verify(app.admin_token()).await.decided("revoked");
    app.stop().await;
}
