//! `/notification-channels`.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::post;
use serde_json::{Value, json};

use crate::harness::{Answer, TestApp, eventually, id, on_both_engines, python};

on_both_engines![
    a_channel_is_made_with_a_secret_that_is_told_once,
    each_kind_takes_what_it_needs_and_nothing_else,
    addresses_inside_are_refused_by_name_of_the_field,
    a_channel_changes_by_version_and_goes,
    a_publishers_channels_are_its_own,
    a_test_tells_what_the_receiver_answered,
    an_alert_is_mailed_to_all_recipients,
    a_message_is_verified_by_what_the_documents_say,
];

/// What a receiver was sent: its headers and its body.
type Taken = Arc<Mutex<Vec<(HashMap<String, String>, String)>>>;

/// A receiver on this machine that takes everything.
pub(crate) struct Receiver {
    pub(crate) url: String,
    taken: Taken,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/services/verysecretpath", listener.local_addr().unwrap());
        let taken = Taken::default();
        let own = Arc::clone(&taken);
        let take = move |headers: http::HeaderMap, body: String| async move {
            let headers = headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect();
            own.lock().unwrap().push((headers, body));
            "ok"
        };
        let router = Router::new().fallback(post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, taken }
    }

    pub(crate) fn taken(&self) -> Vec<(HashMap<String, String>, String)> {
        self.taken.lock().unwrap().clone()
    }

    pub(crate) async fn has(&self, count: usize) -> Vec<(HashMap<String, String>, String)> {
        eventually("the receiver has it", async || self.taken().len() >= count).await;
        self.taken()
    }
}

fn path(channel: &Value) -> String {
    format!("/notification-channels/{}", id(channel))
}

async fn make(app: &TestApp, body: Value) -> Answer {
    app.admin().post("/notification-channels", body).await
}

async fn a_channel_is_made_with_a_secret_that_is_told_once(app: &TestApp) {
    let receiver = Receiver::start().await;
    let body = json!({"name": "hook", "kind": "webhook", "url": receiver.url, "minimum_severity": "high",
        "alert_kinds": ["leak_reported"], "digest": "hourly"});
    let caller = app.admin().with("idempotency-key", "0123456789abcdef");
    let answer = caller.post("/notification-channels", body.clone()).await;
    let made = answer.expect(201);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("location"), format!("/api/v1{}", path(&made)));
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"));
    assert_eq!(made["destination"], receiver.url.replace("services/verysecretpath", "…path"));
    assert_eq!(caller.post("/notification-channels", body.clone()).await.expect(201), made);
    let other = json!({"name": "other", "kind": "log"});
    caller.post("/notification-channels", other).await.refused(409, "idempotency_mismatch");
    make(app, body).await.refused(409, "name_taken");
    let shown = app.admin().get(&path(&made)).await;
    assert!(shown.expect(200).get("secret").is_none());
    let list = app.admin().get("/notification-channels?name=hook").await;
    let events = app.admin().get("/audit/security-events?type=notification_channel.created").await;
    for text in [shown.text(), list.text(), events.text()] {
        assert!(!text.contains(&secret) && !text.contains("verysecretpath"), "{text}");
    }
    assert_eq!(list.json()["items"].as_array().unwrap().len(), 1);
}

async fn each_kind_takes_what_it_needs_and_nothing_else(app: &TestApp) {
    let receiver = Receiver::start().await;
    for kind in ["webhook", "slack", "teams", "discord"] {
        make(app, json!({"name": kind, "kind": kind})).await.bad_field("url", "out_of_range");
        let with = json!({"name": kind, "kind": kind, "url": receiver.url, "recipients": ["a@example.com"]});
        make(app, with).await.bad_field("recipients", "out_of_range");
        let made = make(app, json!({"name": kind, "kind": kind, "url": receiver.url})).await.expect(201);
        assert_eq!(made["secret"].is_string(), kind == "webhook", "{kind}");
    }
    make(app, json!({"name": "m", "kind": "email"})).await.bad_field("recipients", "out_of_range");
    make(app, json!({"name": "m", "kind": "email", "recipients": []}))
        .await
        .bad_field("recipients", "too_short");
    make(app, json!({"name": "m", "kind": "email", "recipients": ["a"]}))
        .await
        .bad_field("recipients[0]", "invalid_format");
    let mail = json!({"name": "m", "kind": "email", "recipients": ["ada@example.com", "bob@example.com"]});
    assert_eq!(make(app, mail).await.expect(201)["destination"], "a…@example.com and 1 more");
    let log = make(app, json!({"name": "l", "kind": "log"})).await.expect(201);
    assert_eq!((&log["minimum_severity"], &log["digest"]), (&json!("low"), &json!("off")));
    assert_eq!((&log["alert_kinds"], &log["all_publishers"]), (&Value::Null, &json!(true)));
    make(app, json!({"name": "l2", "kind": "log", "url": receiver.url}))
        .await
        .bad_field("url", "out_of_range");
    make(app, json!({"name": "l2", "kind": "pager"})).await.bad_field("kind", "invalid_value");
    make(app, json!({"name": "l2", "kind": "log", "secret": "x"})).await.bad_field("secret", "unknown_field");
}

async fn addresses_inside_are_refused_by_name_of_the_field(app: &TestApp) {
    for url in [
        "https://10.0.0.1/x",
        "https://167772161/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://169.254.169.254/latest",
        "http://hooks.example.com/x",
        "https://user:pass@hooks.example.com/x",
        "nonsense",
    ] {
        let answer = make(app, json!({"name": "n", "kind": "slack", "url": url})).await;
        answer.bad_field("url", "out_of_range");
        assert!(!answer.text().contains("latest"), "{}", answer.text());
    }
}

async fn a_channel_changes_by_version_and_goes(app: &TestApp) {
    let receiver = Receiver::start().await;
    let answer = make(app, json!({"name": "c", "kind": "webhook", "url": receiver.url})).await;
    let (made, tag) = (answer.expect(201), answer.header("etag").to_owned());
    let caller = app.admin().with("if-match", &tag);
    let changed = caller.patch(&path(&made), json!({"minimum_severity": "critical"})).await.expect(200);
    assert_eq!(changed["minimum_severity"], "critical");
    caller.patch(&path(&made), json!({"name": "d"})).await.refused(412, "precondition_failed");
    for forbidden in [json!({"kind": "log"}), json!({"secret": "x"}), json!({"publisher_id": null})] {
        app.admin().patch(&path(&made), forbidden).await.refused(403, "forbidden_field");
    }
    let kinds = json!({"alert_kinds": ["leak_reported", "journal_gap"]});
    app.admin().patch(&path(&made), kinds).await.expect(200);
    let all = app.admin().patch(&path(&made), json!({"alert_kinds": null})).await.expect(200);
    assert_eq!(all["alert_kinds"], Value::Null);
    app.admin().delete(&path(&made)).await.expect(204);
    app.admin().delete(&path(&made)).await.expect(204);
    app.admin().get(&path(&made)).await.refused(404, "not_found");
    make(app, json!({"name": "c", "kind": "log"})).await.expect(201);
}

async fn a_publishers_channels_are_its_own(app: &TestApp) {
    let [one, two] = [app.publisher("one").await, app.publisher("two").await];
    let acting = |publisher: &Value| app.admin().with("x-publisher-id", id(publisher));
    let made =
        acting(&one).post("/notification-channels", json!({"name": "c", "kind": "log"})).await.expect(201);
    assert_eq!(made["publisher_id"], one["id"]);
    acting(&two).get(&path(&made)).await.refused(404, "not_found");
    acting(&two).get(&format!("{}/deliveries", path(&made))).await.refused(404, "not_found");
    acting(&two).post(&format!("{}/test", path(&made)), json!({})).await.refused(404, "not_found");
    acting(&two).patch(&path(&made), json!({"name": "d"})).await.refused(404, "not_found");
    acting(&two).delete(&path(&made)).await.refused(404, "not_found");
    assert_eq!(acting(&two).get("/notification-channels").await.expect(200)["items"], json!([]));
    acting(&two).post("/notification-channels", json!({"name": "c", "kind": "log"})).await.expect(201);
    let all = json!({"name": "e", "kind": "log", "all_publishers": true});
    acting(&two).post("/notification-channels", all).await.bad_field("all_publishers", "out_of_range");
}

async fn a_test_tells_what_the_receiver_answered(app: &TestApp) {
    let receiver = Receiver::start().await;
    let made = make(app, json!({"name": "c", "kind": "discord", "url": receiver.url})).await.expect(201);
    let told = app.admin().post(&format!("{}/test", path(&made)), json!({})).await.expect(200);
    assert_eq!(
        (&told["state"], &told["status_code"], &told["attempts"]),
        (&json!("delivered"), &json!(200), &json!(1))
    );
    let (headers, body) = receiver.has(1).await.remove(0);
    assert_eq!(headers["content-type"], "application/json");
    assert!(headers["user-agent"].starts_with("keywright/"));
    assert!(body.contains("embeds"), "{body}");
    let closed =
        make(app, json!({"name": "d", "kind": "slack", "url": "http://127.0.0.1:9/x"})).await.expect(201);
    let told = app.admin().post(&format!("{}/test", path(&closed)), json!({})).await.expect(200);
    assert_eq!((&told["state"], &told["status_code"]), (&json!("dead"), &Value::Null));
    assert!(told["last_error"].as_str().unwrap().contains("refused"), "{told}");
    let listed = app.admin().get(&format!("{}/deliveries?state=dead", path(&closed))).await.expect(200);
    assert_eq!(listed["items"], json!([told]));
    let retry = format!("{}/deliveries/{}/retry", path(&closed), id(&told));
    let retried = app.admin().post(&retry, json!({})).await.expect(200);
    assert_eq!(retried["state"], "waiting");
}

/// An alert as something else would open it.
async fn alert(app: &TestApp, number: u64) {
    use keywright_authority::alerts::{NewAlert, open};
    use keywright_core::{AlertKind, AlertSubjectKind, Severity};
    use keywright_store::alerts::AlertSubject;
    let new = NewAlert {
        publisher_id: None,
        kind: AlertKind::TokenExpiring,
        severity: Severity::High,
        subject: AlertSubject { kind: AlertSubjectKind::Platform, id: None, name: None },
        summary: format!("Number {number}: <b>ends</b> soon.\r\nBcc: eve@example.com"),
        evidence: serde_json::Map::new(),
        dedupe_key: format!("test {number}"),
        noticed_by: "test",
    };
    let mut tx = app.authority().store().begin().await.unwrap();
    open(app.authority(), &mut tx, new).await.unwrap().unwrap();
    tx.commit().await.unwrap();
}

async fn an_alert_is_mailed_to_all_recipients(app: &TestApp) {
    let body = json!({"name": "m", "kind": "email", "recipients": ["ada@example.com", "bob@example.com"]});
    make(app, body).await.expect(201);
    alert(app, 1).await;
    let mail = app.mail("To: ada@example.com, bob@example.com", 1).await;
    assert!(mail.head.contains("Subject: High: token expiring"), "{mail:?}");
    assert!(!mail.head.contains("eve@example.com"), "{mail:?}");
    let html = mail.text.split("text/html").nth(1).unwrap();
    assert!(html.contains("Number 1") && !html.contains("<b>"), "{html}");
}

/// The code blocks in that language of the documents.
fn block(language: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/notifications.md");
    let text = std::fs::read_to_string(path).unwrap();
    let start = format!("```{language}\n");
    let code = text.split(&start).nth(1).unwrap_or_else(|| panic!("no block in {language}"));
    code.split("```").next().unwrap().to_owned()
}

/// What a program says to an input.
fn run(mut command: Command, input: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn exists(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// In each language of the documents for which there is an interpreter here; a changed body is refused by each.
async fn a_message_is_verified_by_what_the_documents_say(app: &TestApp) {
    let receiver = Receiver::start().await;
    let made = make(app, json!({"name": "c", "kind": "webhook", "url": receiver.url})).await.expect(201);
    alert(app, 1).await;
    let (headers, body) = receiver.has(1).await.remove(0);
    let secret = made["secret"].as_str().unwrap();
    for (body, good) in [(body.clone(), true), (body.replace("alert.opened", "alert.openee"), false)] {
        let input = json!({"secret": secret, "headers": headers, "body": body}).to_string();
        match python("standardwebhooks") {
            Some(python) => {
                let mut command = Command::new(python);
                command.args(["-c", &block("python")]).stderr(Stdio::null());
                assert_eq!(run(command, &input), if good { "alert.opened" } else { "" });
            }
            None => eprintln!("SKIPPED: there is no target/test-venv with standardwebhooks"),
        }
        if exists("node") {
            let mut command = Command::new("node");
            command.args(["-e", &block("js")]);
            assert_eq!(run(command, &input), good.to_string());
        } else {
            eprintln!("SKIPPED: there is no node");
        }
        let mut command = Command::new("bash");
        command
            .args(["-c", &block("bash")])
            .env("SECRET", secret)
            .env("WEBHOOK_ID", &headers["webhook-id"])
            .env("WEBHOOK_TIMESTAMP", &headers["webhook-timestamp"])
            .env("BODY", &body);
        let given = headers["webhook-signature"].strip_prefix("v1,").unwrap();
        assert_eq!(run(command, "") == given, good);
    }
}
