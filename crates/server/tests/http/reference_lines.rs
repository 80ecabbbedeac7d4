//! Each operation's line for a shell, as the reference shows it, carried out by a shell against a server.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::json;

use crate::authorization::{Targets, is_personal, owner, permissions};
use crate::harness::child::run_reading;
use crate::harness::logins::PASSWORD;
use crate::harness::{Engine, Operation, TestApp, operations};

/// A node that trusts this machine's proxies, and asks nobody elsewhere.
const SETTINGS: [(&str, &str); 2] =
    [("server.trusted_proxies", "127.0.0.1/32"), ("file", "[leaks]\ngithub_keys_url = \"\"\n")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_of_the_reference_can_be_pasted_on_sqlite() {
    every_line_can_be_pasted(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_of_the_reference_can_be_pasted_on_postgres() {
    every_line_can_be_pasted(Engine::Postgres).await;
}

/// What the lines of these answer, which cannot be carried out here, and why. This list may only shrink.
const OTHERWISE: &[(&str, u16)] = &[
    // Nobody was sent a link with this secret.
    ("accept_invitation", 400),
    ("confirm_password_reset", 400),
    ("verify_email", 400),
    ("confirm_email_change", 400),
    // Nobody with that address and that password.
    ("log_in", 401),
    ("refresh_session", 401),
    ("request_token", 400),
    // No cache was given a voucher.
    ("report_usage", 422),
    // GitHub is not listened to unless that is configured, and signs for itself.
    ("report_leaks_by_github", 409),
];

/// Operations about what only a user has, whose lines are tried as one.
const AS_USER: [&str; 5] =
    ["switch_publisher", "end_session", "change_password", "ask_for_email_change", "update_me"];

/// A program that is missing is no fault of ours.
fn has_curl() -> bool {
    Command::new("curl").arg("--version").output().is_ok_and(|output| output.status.success())
}

async fn every_line_can_be_pasted(engine: Engine) {
    if !has_curl() {
        eprintln!("SKIPPED: curl is not here");
        return;
    }
    let Some(app) = TestApp::start_with(engine, &SETTINGS).await else { return };
    let mut wrong = Vec::new();
    for operation in operations() {
        let line = line(&app, &operation).await;
        let variables = variables(&app, &operation).await;
        let (status, said) = carry_out(&line, &variables).await;
        let otherwise = OTHERWISE.iter().find(|(id, _)| *id == operation.id).map(|(_, status)| *status);
        let is_right = otherwise.map_or((200..300).contains(&status), |otherwise| otherwise == status);
        if !is_right {
            wrong.push(format!("{}: {status}\n{line}\n{said}", operation.id));
        }
    }
    assert!(wrong.is_empty(), "{} lines\n{}", wrong.len(), wrong.join("\n\n"));
    app.stop().await;
}

/// As the page shows it.
async fn line(app: &TestApp, operation: &Operation) -> String {
    let tag = operation.object["tags"][0].as_str().unwrap().replace(' ', "-");
    let page =
        reqwest::get(format!("http://{}/docs/{tag}", app.address())).await.unwrap().text().await.unwrap();
    let from = &page[page.find(&format!("id=\"{}\"", operation.id)).unwrap()..];
    let block = from.split("<pre><code>").nth(1).unwrap().split("</code></pre>").next().unwrap();
    let mut text = block.to_owned();
    for (escaped, plain) in [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")]
    {
        text = text.replace(escaped, plain);
    }
    text
}

/// What the variables of the line are, about objects of its own.
async fn variables(app: &TestApp, operation: &Operation) -> BTreeMap<String, String> {
    let targets = Targets::make(app, operation).await;
    let path = format!("/api/v1{}", targets.path(operation));
    let mut variables = BTreeMap::new();
    for (template, real) in operation.path.split('/').zip(path.split(['/', '?']).collect::<Vec<_>>()) {
        if let Some(name) = template.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            variables.insert(name.to_ascii_uppercase(), real.to_owned());
        }
    }
    let number = targets.number;
    let publisher = match targets.publisher["id"].as_str() {
        Some(id) => id.to_owned(),
        None => app.publisher(&format!("of line {number}")).await["id"].as_str().unwrap().to_owned(),
    };
    let bearer = if is_personal(operation) {
        owner(app, &targets, &permissions(operation)).await
    } else if AS_USER.contains(&operation.id.as_str()) {
        let person = app.person(&format!("line{number}@example.com"), None).await;
        let role = app.role(&json!({"id": publisher}), &format!("of line {number}"), &[]).await;
        app.member(&person.id.to_string(), &role).await;
        if operation.id == "end_session" {
            variables.insert("ID".to_owned(), app.login(&person).await.id);
        }
        app.login(&person).await.access
    } else {
        // Nobody grants what they lack: what the examples grant that is no permission of ours, whoever tries them has.
        let permissions = [permissions(operation), vec!["works:read"]].concat();
        app.mint(&format!("bearer of line {number}"), &permissions).await.secret
    };
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    for (name, value) in [
        ("KEYWRIGHT_URL", format!("http://{}", app.address())),
        ("KEYWRIGHT_TOKEN", bearer),
        ("PUBLISHER_ID", publisher),
        ("CREDENTIAL_ID", targets.token.id.clone()),
        ("USER_ID", targets.stranger.clone()),
        ("ROLE_ID", text(&targets.role["id"])),
        ("ROLE", text(&targets.role["id"])),
        ("EVENT_ID", uuid::Uuid::nil().to_string()),
        (
            "TOKEN",
            if operation.path.contains("/auth/verify") || operation.path.contains("/leaks") {
                targets.token.secret.clone()
            } else {
                format!("mt_{}", "0e".repeat(32))
            },
        ),
        ("REFRESH_TOKEN", format!("rt_{}", "0e".repeat(32))),
        ("PASSWORD", PASSWORD.to_owned()),
        ("CURRENT_PASSWORD", PASSWORD.to_owned()),
        ("NEW_PASSWORD", "seven blue walruses hum".to_owned()),
    ] {
        variables.entry(name.to_owned()).or_insert(value);
    }
    if operation.path.contains("{user_id}") {
        variables.insert("USER_ID".to_owned(), targets.member.clone());
    }
    variables
}

/// The status that the server answered, and what it said.
async fn carry_out(line: &str, variables: &BTreeMap<String, String>) -> (u16, String) {
    // Nothing of ours is added but a line with the status, and an end of what has none; an unset variable is a fault.
    let script = format!("set -eu\ncurl() {{ command curl -m 10 -w '\\n%{{http_code}}' \"$@\"; }}\n{line}\n");
    let mut shell = Command::new("sh");
    shell.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(variables);
    let printed = run_reading(shell, &script).await;
    let said = printed.stdout + &printed.stderr;
    let status = said.lines().rev().find_map(|line| line.parse().ok()).unwrap_or_default();
    (status, said)
}

#[test]
fn no_exception_is_for_an_operation_that_does_not_exist() {
    let known: Vec<_> = operations().into_iter().map(|operation| operation.id).collect();
    for id in OTHERWISE.iter().map(|(id, _)| id).chain(&AS_USER) {
        assert!(known.iter().any(|known| known == id), "{id}");
    }
}
