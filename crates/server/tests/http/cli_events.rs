//! `keywright events …`, `ci-event` and `keys audit-key` against a real authority.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::child::{Printed, run};
use crate::harness::remote::{admin, done, remote};
use crate::harness::{MASTER_KEY, PATIENCE, TestApp, eventually, on_both_engines};

on_both_engines![
    an_export_is_checked_without_a_server_and_every_tampering_is_named,
    an_export_appears_when_it_is_complete,
    whoever_follows_misses_nothing_and_reads_nothing_twice,
    a_pipeline_records_what_it_did,
];

/// A command of an auditor: no server, no database, and no master key.
async fn auditor(key: &str, arguments: &[&str]) -> Printed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keywright"));
    command.args(arguments).env_clear().current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.env("KEYWRIGHT_AUDIT_KEY", key);
    run(command).await
}

/// The audit key, as the operator prints it.
async fn audit_key() -> String {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_keywright"));
    command.args(["keys", "audit-key"]).env_clear().current_dir(home.path());
    command.env("KEYWRIGHT_MASTER_KEY", MASTER_KEY);
    let printed = run(command).await;
    assert_eq!(printed.code, 0, "{printed:?}");
    assert!(!printed.stdout.contains(MASTER_KEY));
    printed.stdout.trim().to_owned()
}

async fn check(key: &str, file: &Path, more: &[&str]) -> (i32, Value) {
    let mut arguments = vec!["events", "verify", "--json", "--file", file.to_str().unwrap()];
    arguments.extend_from_slice(more);
    let printed = auditor(key, &arguments).await;
    (printed.code, if printed.stdout.is_empty() { json!(printed.stderr) } else { printed.json() })
}

async fn an_export_is_checked_without_a_server_and_every_tampering_is_named(app: &TestApp) {
    for number in 0..6 {
        app.mint_as(json!({"token_name": format!("t {number}"), "permissions": ["a"], "metadata": {"k": [1, {"ü": "\u{2028}"}]}})).await;
    }
    eventually("all events are sealed", async || {
        app.admin().get("/audit/security-events/verify").await.expect(200)["unsealed"] == 0
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("trail.ndjson");
    done(app, &["events", "export", "--format", "ndjson", "--output", file.to_str().unwrap()]).await;
    let key = audit_key().await;
    let (code, told) = check(&key, &file, &[]).await;
    assert_eq!(
        (code, &told["holds"], &told["checked"], &told["last_seq"]),
        (0, &json!(true), &json!(8), &json!(8)),
        "{told}"
    );
    let chain = app.admin().get("/audit/security-events/verify").await.expect(200);
    let head = format!("{}:{}", chain["head_seq"], chain["head_mac"].as_str().unwrap());
    assert_eq!(check(&key, &file, &["--head", &head]).await.1["through_head"], true);
    let newest_first = home.path().join("desc.ndjson");
    done(app, &["events", "export", "--order", "desc", "--output", newest_first.to_str().unwrap()]).await;
    assert_eq!(check(&key, &newest_first, &["--head", &head]).await.0, 0);

    let whole: Vec<String> = std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
    let tampered = home.path().join("tampered.ndjson");
    let found = async |lines: Vec<String>, more: &[&str]| {
        std::fs::write(&tampered, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        let (code, told) = check(&key, &tampered, more).await;
        assert_eq!((code, &told["holds"]), (1, &json!(false)), "{told}");
        let findings = told["findings"].as_array().unwrap().iter();
        findings
            .map(|f| {
                (
                    f["line"].as_u64().unwrap(),
                    f["seq"].as_u64().unwrap(),
                    f["problem"].as_str().unwrap().to_owned(),
                )
            })
            .collect::<Vec<_>>()
    };
    let at = |line: u64, seq: u64, problem: &str| (line, seq, problem.to_owned());
    // On PostgreSQL, whose clock a node follows, the order of times need not be that of commits.
    let seqs: Vec<u64> = whole
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap())
        .collect();
    let places = |findings: Vec<(u64, u64, String)>| -> Vec<(u64, String)> {
        findings.into_iter().map(|(_, seq, problem)| (seq, problem)).collect()
    };
    // Every member of a line is covered.
    let members: Vec<String> =
        serde_json::from_str::<Value>(&whole[3]).unwrap().as_object().unwrap().keys().cloned().collect();
    for member in members.iter().filter(|name| !matches!(name.as_str(), "seq" | "key_id")) {
        let mut event: Value = serde_json::from_str(&whole[3]).unwrap();
        event[member] = match member.as_str() {
            "id" | "node_id" | "publisher_id" => json!("0198c0de-0000-7000-8000-000000000000"),
            "occurred_at" => json!("2020-01-01T00:00:00Z"),
            "ip_address" => json!("192.0.2.99"),
            "mac" | "previous_mac" => json!("00".repeat(32)),
            "actor" => json!({"type": "operator", "id": null, "name": "nobody"}),
            "subject" => json!({"type": "service_token", "id": null, "name": "another"}),
            "before" | "after" | "details" => json!({"x": 1}),
            _ => json!("forged"),
        };
        let mut lines = whole.clone();
        lines[3] = event.to_string();
        let findings = found(lines, &[]).await;
        assert!(findings.contains(&at(4, seqs[3], "altered")), "{member}: {findings:?}");
    }
    let without = |gone: &[u64]| -> Vec<String> {
        let kept = whole.iter().zip(&seqs).filter(|(_, seq)| !gone.contains(seq));
        kept.map(|(line, _)| line.clone()).collect()
    };
    assert_eq!(places(found(without(&[3]), &[]).await), [(3, "missing".to_owned())]);
    assert_eq!(
        places(found(without(&[3, 4, 6]), &[]).await),
        [(3, "missing".to_owned()), (6, "missing".to_owned())]
    );
    std::fs::write(&tampered, without(&[3]).join("\n") + "\n").unwrap();
    assert_eq!(check(&key, &tampered, &["--filtered"]).await.0, 0, "a filtered export has holes");
    let mut swapped = whole.clone();
    swapped.swap(2, 3);
    assert_eq!(found(swapped, &[]).await, [at(4, seqs[2], "out_of_place")]);
    let mut renumbered = whole.clone();
    for (line, seq) in [(2, seqs[3]), (3, seqs[2])] {
        let mut event: Value = serde_json::from_str(&whole[line]).unwrap();
        event["seq"] = json!(seq);
        renumbered[line] = event.to_string();
    }
    assert!(found(renumbered, &[]).await.contains(&at(3, seqs[3], "altered")));
    let mut twice = whole.clone();
    twice.push(whole[6].clone());
    assert!(found(twice, &[]).await.contains(&at(9, seqs[6], "twice")));
    assert_eq!(places(found(without(&[7, 8]), &["--head", &head]).await), [(8, "cut_off".to_owned())]);
    let other = format!("{}:{}", &key[..8], "00".repeat(32));
    assert_eq!(check(&other, &file, &[]).await.1["found"], 8, "another key checks nothing");
    let unknown = format!("00000000:{}", "00".repeat(32));
    assert_eq!(check(&unknown, &file, &[]).await.1["findings"][0]["problem"], "unknown_key");
    std::fs::write(&tampered, whole.join("\n")).unwrap();
    let (code, why) = check(&key, &tampered, &[]).await;
    assert_eq!(code, 1);
    assert!(why.as_str().unwrap().contains("in the middle of a line"), "{why}");
    let none = auditor(" ", &["events", "verify", "--file", file.to_str().unwrap()]).await;
    assert_eq!(none.code, 2, "{none:?}");
}

async fn an_export_appears_when_it_is_complete(app: &TestApp) {
    let token = app.mint("used", &["a"]).await;
    for _ in 0..3 {
        app.verify(&token.secret).await.decided("valid");
    }
    app.recorded().await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("events.csv");
    let path = file.to_str().unwrap();
    let kind = ["--kind", "authentication", "--since", "1h"];
    let mut arguments = vec!["events", "export", "--format", "csv", "--output", path];
    arguments.extend(kind);
    let printed = done(app, &arguments).await;
    assert!(printed.stderr.contains("3 events in"), "{printed:?}");
    let rows = csv::Reader::from_path(&file).unwrap().records().count();
    assert_eq!(rows, 3);
    let mut arguments = vec!["events", "export"];
    arguments.extend(kind);
    let printed = done(app, &arguments).await;
    assert_eq!(printed.stdout.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(), 3);
    let refused =
        admin(app, &["events", "export", "--kind", "authentication", "--ip", "x", "--output", path]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!(csv::Reader::from_path(&file).unwrap().records().count(), 3, "what was there stays");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing is left behind");
    let listed = done(app, &["events", "list", "--kind", "authentication", "--success", "true"]).await;
    assert_eq!(listed.stdout.lines().count(), 4, "{listed:?}");
}

async fn whoever_follows_misses_nothing_and_reads_nothing_twice(app: &TestApp) {
    let token = app.mint("used", &["a"]).await;
    let asked = async |from: usize, to: usize| {
        for number in from..to {
            let caller = app.bearing(&token.secret).with("x-request-id", &format!("r-{number}"));
            caller.send("POST", "/auth/verify", None).await.decided("valid");
        }
        app.recorded().await;
    };
    asked(0, 5).await;
    let arguments = ["events", "tail", "--kind", "authentication", "--follow", "--json", "-n", "3"];
    let mut child = remote(app, app.admin_token(), &arguments).stdout(Stdio::piped()).spawn().unwrap();
    let printed = BufReader::new(child.stdout.take().unwrap());
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || printed.lines().try_for_each(|line| sender.send(line.unwrap()).ok()));
    let mut next = async || {
        let line = tokio::time::timeout(PATIENCE, lines.recv()).await.expect("an event comes");
        let event: Value = serde_json::from_str(&line.expect("it goes on")).unwrap();
        event["request_id"].as_str().unwrap().to_owned()
    };
    for number in 2..5 {
        assert_eq!(next().await, format!("r-{number}"));
    }
    for round in 0..3 {
        let (from, to) = (5 + round * 4, 9 + round * 4);
        asked(from, to).await;
        let mut seen = Vec::new();
        for _ in from..to {
            seen.push(next().await);
        }
        seen.sort_by_key(|id| id[2..].parse::<usize>().unwrap());
        assert_eq!(seen, (from..to).map(|number| format!("r-{number}")).collect::<Vec<_>>());
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

async fn a_pipeline_records_what_it_did(app: &TestApp) {
    let mut command = remote(
        app,
        app.admin_token(),
        &["ci-event", "--type", "deployment", "--status", "success", "--detail", "version=1.2", "--json"],
    );
    command.env("GITHUB_REPOSITORY", "songtrust/catalog").env("GITHUB_RUN_ID", "42").env("GITHUB_SHA", "0f");
    let printed = run(command).await;
    assert_eq!(printed.code, 0, "{printed:?}");
    let made = printed.json();
    assert_eq!(made["type"], "cicd.deployment");
    let told = json!({"status": "success", "repository": "songtrust/catalog", "run_id": "42", "commit": "0f", "details": {"version": "1.2"}});
    assert_eq!(made["details"], told);
    let listed = done(app, &["events", "tail", "--type", "cicd.deployment", "--quiet"]).await;
    assert_eq!(listed.stdout.trim(), made["id"].as_str().unwrap());
}
