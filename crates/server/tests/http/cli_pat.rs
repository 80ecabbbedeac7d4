//! `keywright login`, `pat`, `logout`: by a person, from a distance.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use keywright_core::BuiltInRole::{PublisherAdmin, PublisherEditor};

use crate::harness::child::{Printed, run, run_reading};
use crate::harness::logins::PASSWORD;
use crate::harness::{TestApp, on_both_engines};

on_both_engines![
    a_person_logs_in_makes_tokens_and_logs_out,
    a_login_renews_itself_and_says_when_it_has_ended,
    an_administrator_looks_after_the_tokens_of_a_user,
];

/// A command of somebody whose logins are kept in `folder`.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keywright"));
    command.args(arguments).env_clear().current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.env("KEYWRIGHT_CREDENTIALS", folder.join("credentials.json"));
    command
}

async fn done(folder: &Path, arguments: &[&str]) -> Printed {
    let printed = run(command(folder, arguments)).await;
    assert_eq!(printed.code, 0, "{arguments:?} {printed:?}");
    printed
}

async fn login(app: &TestApp, folder: &Path, email: &str) -> Printed {
    let url = format!("http://{}", app.address());
    run_reading(command(folder, &["login", "--url", &url, "--email", email]), PASSWORD).await
}

async fn a_person_logs_in_makes_tokens_and_logs_out(app: &TestApp) {
    let tenant = app.tenant("Songs").await;
    app.member_of("ada@example.com", &tenant, PublisherEditor).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let printed = login(app, folder, "ada@example.com").await;
    assert_eq!(printed.code, 0, "{printed:?}");
    let file = folder.join("credentials.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!std::fs::read_to_string(&file).unwrap().contains(PASSWORD));

    let create =
        ["pat", "create", "--name", "ci", "--scopes", "tokens:read", "--publisher", "Songs", "--json"];
    let made = done(folder, &create).await.json();
    let secret = made["token"].as_str().unwrap();
    assert_eq!(app.verify(secret).await.decided("valid")["scopes"][0], "tokens:read");
    let beyond = ["pat", "create", "--name", "more", "--scopes", "users:admin"];
    assert_eq!(run(command(folder, &beyond)).await.code, 3);
    let listed = done(folder, &["pat", "list", "--json"]).await.json();
    assert_eq!(listed["items"][0]["id"], made["id"]);
    let update = ["pat", "update", "--identifier", "ci", "--ip", "10.0.0.0/8", "--per-hour", "9", "--json"];
    assert_eq!(done(folder, &update).await.json()["rate_limits"]["per_hour"], 9);
    let rotate = ["pat", "rotate", "--identifier", "ci", "--reason", "r", "--grace", "1h", "--json"];
    let rotated = done(folder, &rotate).await.json();
    assert_eq!(rotated["rotated_from_id"], made["id"]);
    done(folder, &["pat", "usage", "--identifier", "ci"]).await;
    done(folder, &["pat", "scopes"]).await;
    done(folder, &["pat", "revoke", "--identifier", "ci", "--reason", "leak"]).await;
    app.verify(rotated["token"].as_str().unwrap()).await.decided("revoked");
    assert_eq!(done(folder, &["pat", "revoke-all", "--reason", "all", "--json"]).await.json()["revoked"], 1);
    done(folder, &["pat", "cleanup"]).await;

    done(folder, &["logout"]).await;
    assert_eq!(run(command(folder, &["logout"])).await.code, 2);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("rt_"));
}

async fn a_login_renews_itself_and_says_when_it_has_ended(app: &TestApp) {
    let tenant = app.tenant("Songs").await;
    let ada = app.member_of("ada@example.com", &tenant, PublisherEditor).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    login(app, folder, "ada@example.com").await;
    let file = folder.join("credentials.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut kept: serde_json::Value = serde_json::from_str(&text).unwrap();
    let login_kept = kept["logins"].as_object_mut().unwrap().values_mut().next().unwrap();
    let before = login_kept["refresh_token"].clone();
    login_kept["access_expires_at"] = serde_json::to_value(app.now()).unwrap();
    std::fs::write(&file, kept.to_string()).unwrap();
    done(folder, &["pat", "list"]).await;
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(before.as_str().unwrap()), "the refresh token is used once");
    done(folder, &["pat", "list"]).await;

    app.admin().delete(&format!("/users/{}/sessions", ada.id)).await.expect(204);
    let denied = run(command(folder, &["pat", "list"])).await;
    assert_eq!(denied.code, 3, "{denied:?}");
    let mut kept: serde_json::Value = serde_json::from_str(&text).unwrap();
    let login_kept = kept["logins"].as_object_mut().unwrap().values_mut().next().unwrap();
    login_kept["access_expires_at"] = serde_json::to_value(app.now()).unwrap();
    std::fs::write(&file, kept.to_string()).unwrap();
    let ended = run(command(folder, &["pat", "list"])).await;
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("has ended"), "{ended:?}");
}

async fn an_administrator_looks_after_the_tokens_of_a_user(app: &TestApp) {
    let tenant = app.tenant("Songs").await;
    app.member_of("boss@example.com", &tenant, PublisherAdmin).await;
    let ada = app.member_of("ada@example.com", &tenant, PublisherEditor).await;
    let id = app.personal_token(ada.id, "script").await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    login(app, folder, "boss@example.com").await;
    let list = ["pat", "list", "--user", "ada@example.com", "--json"];
    assert_eq!(done(folder, &list).await.json()["items"][0]["id"], id.as_str());
    let user = ["--user", "ada@example.com", "--identifier", "script"];
    done(folder, &[&["pat", "show"], &user[..]].concat()).await;
    done(folder, &[&["pat", "approve"], &user[..]].concat()).await;
    done(folder, &[&["pat", "revoke", "--reason", "r"], &user[..]].concat()).await;
    let listed = done(folder, &list).await.json();
    assert_eq!(
        listed["items"].as_array().unwrap().len(),
        0,
        "it was for all of her publishers, and is taken out"
    );
    done(folder, &["pat", "revoke-all", "--user", "ada@example.com", "--reason", "r"]).await;
}
