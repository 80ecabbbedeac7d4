//! Exports of both lists: whole, in constant memory, safe to open, and noticed when they break off.

use std::collections::HashSet;

use futures::StreamExt;
use keywright_core::id::{IdEntropy, SegmentId};
use keywright_core::{CredentialId, EventId, PrincipalKind, Timestamp};
use keywright_verify::{Appended, DecisionRecord, EventKind, EventSink, Piece, RecordCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, Engine, TestApp, on_both_engines};

on_both_engines![
    an_export_has_every_event_of_the_list,
    whatever_was_recorded_csv_has_one_row_for_each_event_and_runs_nowhere,
    a_limit_bounds_the_whole_export,
    an_export_that_cannot_begin_is_refused_as_any_request,
];

async fn export(app: &TestApp, path: &str, media: &str) -> Answer {
    let answer = app.admin().with("accept", media).get(path).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("content-type").starts_with(media));
    assert_eq!((answer.header("cache-control"), answer.header("vary")), ("no-store", "accept"));
    assert!(answer.header("content-disposition").starts_with("attachment; filename="));
    answer
}

fn lines(answer: &Answer) -> Vec<Value> {
    answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn rows(answer: &Answer) -> Vec<csv::StringRecord> {
    csv::Reader::from_reader(&*answer.body).records().map(|row| row.unwrap()).collect()
}

fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["id"].as_str().unwrap()).collect()
}

async fn an_export_has_every_event_of_the_list(app: &TestApp) {
    let token = app.mint("used", &["a"]).await;
    for _ in 0..5 {
        app.verify(&token.secret).await.decided("valid");
    }
    app.recorded().await;
    for path in ["/audit/security-events", "/audit/authentication-events"] {
        for order in ["asc", "desc"] {
            let path = format!("{path}?order={order}");
            let page = app.admin().get(&format!("{path}&limit=200")).await.expect(200);
            let listed = page["items"].as_array().unwrap();
            let exported = lines(&export(app, &path, "application/x-ndjson").await);
            assert_eq!(ids(&exported), ids(listed), "{path}");
            for (line, event) in exported.iter().zip(listed) {
                for (name, value) in event.as_object().unwrap() {
                    // A list shows no details as none, and an event that was not sealed yet may be by now.
                    if !matches!(name.as_str(), "details" | "seq" | "mac") {
                        assert_eq!(&line[name], value, "{name} in {path}");
                    }
                }
            }
            let table = rows(&export(app, &path, "text/csv").await);
            assert_eq!(table.iter().map(|row| row[0].to_owned()).collect::<Vec<_>>(), ids(listed), "{path}");
        }
    }
    let none = export(app, "/audit/authentication-events?code=revoked", "text/csv").await;
    assert_eq!((rows(&none).len(), none.text().lines().count()), (0, 1), "only the names of the columns");
    let none = export(app, "/audit/authentication-events?code=revoked", "application/x-ndjson").await;
    assert_eq!(none.text(), "");
}

const HOSTILE: [&str; 9] = [
    "=cmd|' /C calc'!A0",
    "+1",
    "-1;=2",
    "@SUM(1)",
    "\u{FF1D}1+1",
    "a\",\"b",
    "a\nb\r\n=c",
    "\u{2028}x\u{85}y",
    "'; DROP TABLE authentication_events; --",
];

async fn whatever_was_recorded_csv_has_one_row_for_each_event_and_runs_nowhere(app: &TestApp) {
    let token = app.mint("=1+1 \u{2028}", &["a"]).await;
    for text in HOSTILE {
        let body = json!({"token": token.secret, "user_agent": text, "endpoint": text, "method": text, "cloudflare_ray_id": text});
        app.verify_body(body).await.decided("valid");
    }
    app.recorded().await;
    for path in [
        format!("/audit/authentication-events?credential_id={}", token.id),
        "/audit/security-events".to_owned(),
    ] {
        let exported = lines(&export(app, &path, "application/x-ndjson").await);
        let answer = export(app, &path, "text/csv").await;
        let table = rows(&answer);
        assert_eq!(table.len(), exported.len(), "{path}");
        assert_eq!(answer.body.split(|byte| *byte == b'\n').count(), table.len() + 2, "each row on one line");
        for row in &table {
            for cell in row {
                let begin = cell.trim_start().chars().next();
                assert!(!begin.is_some_and(|c| "=+-@\u{FF1D}".contains(c)), "{cell:?}");
            }
        }
    }
    let path = format!("/audit/authentication-events?order=asc&credential_id={}", token.id);
    let exported = lines(&export(app, &path, "application/x-ndjson").await);
    assert_eq!(exported.len(), HOSTILE.len());
    assert_eq!(exported[0]["user_agent"], HOSTILE[0], "in JSON it stands as it was");
}

async fn a_limit_bounds_the_whole_export(app: &TestApp) {
    for number in 0..4 {
        app.mint(&format!("token {number}"), &["a"]).await;
    }
    let some = export(app, "/audit/security-events?limit=3&order=asc", "application/x-ndjson").await;
    let all = export(app, "/audit/security-events?order=asc", "application/x-ndjson").await;
    assert_eq!((lines(&some).len(), lines(&all).len()), (3, 6));
    assert_eq!(ids(&lines(&some)), ids(&lines(&all))[..3]);
}

async fn an_export_that_cannot_begin_is_refused_as_any_request(app: &TestApp) {
    let poor = app.caller(&["tokens:read"]).await.with("accept", "text/csv");
    let admin = app.admin().with("accept", "application/x-ndjson");
    for path in ["/audit/security-events", "/audit/authentication-events"] {
        poor.get(path).await.refused(403, "insufficient_scope");
        admin.get(&format!("{path}?since=yesterday")).await.bad_field("since", "invalid_format");
    }
}

/// More than fits into all buffers between a node and a client that does not read.
const MANY: u64 = 30_000;

async fn fill(app: &TestApp) {
    let now = app.now();
    let record = |number: u64| {
        let mut entropy: IdEntropy = [7; 10];
        entropy[2..].copy_from_slice(&number.to_be_bytes());
        let occurred_at: Timestamp = now.plus_micros(-1_000 * i64::try_from(number / 3).unwrap());
        DecisionRecord {
            credential_id: Some(CredentialId(Uuid::from_u128(7))),
            token_name: Some("many".into()),
            principal_kind: Some(PrincipalKind::ServiceToken),
            principal_id: Some(Uuid::from_u128(7)),
            user_agent: Some("x".repeat(500).into()),
            request_id: "r".into(),
            latency_micros: 1,
            ..DecisionRecord::bare(
                EventId::generate(now, entropy),
                occurred_at,
                EventKind::Verify,
                RecordCode::Valid,
            )
        }
    };
    let store = app.authority().store();
    for (part, from) in (0..MANY).step_by(3_000).enumerate() {
        let records = (from..from + 3_000).map(record).collect();
        let segment = SegmentId(Uuid::from_u128(part as u128 + 1));
        let piece = Piece { node: app.authority().node(), segment, from: 0, to: 1, records };
        assert_eq!(store.append(&[piece]).await.unwrap(), Appended::Done);
    }
}

/// An export of which nothing has been read but its head.
async fn begun(app: &TestApp, token: &str) -> reqwest::Response {
    let url = format!("http://{}/api/v1/audit/authentication-events?order=asc", app.address());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(url).bearer_auth(token).header("accept", "application/x-ndjson");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    response
}

/// What comes of an export, and whether it ended well.
async fn rest(response: reqwest::Response) -> (Vec<u8>, bool) {
    let (mut all, mut stream) = (Vec::new(), response.bytes_stream());
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(chunk) => all.extend_from_slice(&chunk),
            Err(_) => return (all, false),
        }
    }
    (all, true)
}

async fn who_does_not_read_costs_nothing_and_a_part_is_not_taken_for_the_whole(engine: Engine) {
    let settings = [("database.pool_size", "2"), ("database.max_overflow", "0")];
    let Some(app) = TestApp::start_with(engine, &settings).await else { return };
    fill(&app).await;
    let reader = app.mint("reader", &["audit:read"]).await;
    let mut waiting = Vec::new();
    for _ in 0..8 {
        waiting.push(begun(&app, &reader.secret).await);
    }
    // None of them holds a connection of the store: there are two.
    for _ in 0..4 {
        app.admin().get("/audit/authentication-events?limit=200").await.expect(200);
    }
    let (all, complete) = rest(waiting.pop().unwrap()).await;
    assert!(complete);
    let text = String::from_utf8(all).unwrap();
    let exported: HashSet<_> = text.lines().map(|line| line[..60].to_owned()).collect();
    assert_eq!((text.lines().count() as u64, exported.len() as u64), (MANY, MANY), "each event once");
    // Some hang up; the others lose the right to read on.
    waiting.truncate(3);
    app.admin().delete(&reader.path()).await.expect(204);
    for response in waiting {
        let (part, complete) = rest(response).await;
        assert!(!complete, "an export went on for somebody who was revoked: {} bytes", part.len());
    }
    app.admin().get("/audit/authentication-events").await.expect(200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_costs_nothing_on_sqlite() {
    who_does_not_read_costs_nothing_and_a_part_is_not_taken_for_the_whole(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_costs_nothing_on_postgres() {
    who_does_not_read_costs_nothing_and_a_part_is_not_taken_for_the_whole(Engine::Postgres).await;
}
