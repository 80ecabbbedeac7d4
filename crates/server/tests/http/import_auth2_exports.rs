//! What `keywright import auth2` took over is in the exports, at the moments at which it happened there.

use keywright_core::Timestamp;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::Engine;
use crate::harness::child::Server;
use crate::harness::moving::Move;

/// A moment of an event, and the endpoint by which it is known again.
type Happened = (Timestamp, String);

/// Events of the old system over more than a month, to the microsecond, the oldest first.
async fn happened_there(place: &Move) -> Vec<Happened> {
    let mut old = place.old().await;
    for (number, (name, kind, success, age)) in [
        ("'ci-cd-token'", "service_token_auth", true, "40 days"),
        ("'ci-cd-token'", "service_token_auth", false, "33 days"),
        ("'gone'", "service_token_auth", false, "9 days"),
        ("'ci-cd-token'", "service_token_revocation", true, "26 hours"),
        ("NULL", "jwt_auth", true, "25 hours"),
        ("'ci-cd-token'", "service_token_auth", true, "10 minutes"),
    ]
    .into_iter()
    .enumerate()
    {
        old.execute(&format!(
            "INSERT INTO authentication_events (service_token_name, event_type, success, endpoint, user_email, created_at) \
             VALUES ({name}, '{kind}', {success}, '/works/{number}', 'ada@example.com', \
             date_trunc('second', NOW()) - INTERVAL '{age}' + INTERVAL '{number}23457 microseconds')"
        ))
        .await;
    }
    let told = "SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') || ' ' || endpoint \
                FROM authentication_events ORDER BY created_at";
    let told = old.texts(told).await;
    told.iter()
        .map(|text| text.split_once(' ').unwrap())
        .map(|(at, endpoint)| happened(at, endpoint))
        .collect()
}

fn happened(at: &str, endpoint: &str) -> Happened {
    (at.parse().unwrap(), endpoint.to_owned())
}

fn of_lines(text: &str) -> Vec<Happened> {
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|event| happened(event["occurred_at"].as_str().unwrap(), event["endpoint"].as_str().unwrap()))
        .collect()
}

fn of_table(text: &str) -> Vec<Happened> {
    let mut table = csv::Reader::from_reader(text.as_bytes());
    let header = table.headers().unwrap().clone();
    let [at, endpoint] =
        ["occurred_at", "endpoint"].map(|name| header.iter().position(|column| column == name).unwrap());
    table.records().map(|row| row.unwrap()).map(|row| happened(&row[at], &row[endpoint])).collect()
}

/// What a running server exports, in whole and in part.
async fn by_a_server(server: &Server, expected: &[Happened]) {
    let admin = server.nobody().bearing(&server.first_token().await);
    let export = async |query: &str, media: &str| {
        let answer = admin.with("accept", media).get(&format!("/audit/authentication-events?{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().to_owned()
    };
    assert_eq!(of_lines(&export("order=asc", "application/x-ndjson").await), expected);
    assert_eq!(of_table(&export("order=asc", "text/csv").await), expected);
    let mut newest_first = of_table(&export("order=desc", "text/csv").await);
    newest_first.reverse();
    assert_eq!(newest_first, expected);
    // A window includes its begin and not its end, to the microsecond.
    let window = format!("order=asc&since={}&until={}", expected[1].0, expected[4].0);
    assert_eq!(of_lines(&export(&window, "application/x-ndjson").await), expected[1..4]);
    let taken = export("order=asc&type=imported", "application/x-ndjson").await;
    assert!(of_lines(&taken).iter().all(|event| expected.contains(event)) && !taken.is_empty(), "{taken}");
}

async fn what_was_taken_over_is_exported(engine: Engine) {
    let Some(place) = Move::begin(engine).await else { return };
    place.add_active(1, "ci-cd-token").await;
    let expected = happened_there(&place).await;
    assert_eq!(place.imported(&[]).await["events"]["taken"], expected.len());
    let server = place.serve().await;
    by_a_server(&server, &expected).await;
    server.signal(Signal::TERM);
    let (status, log) = server.ended().await;
    assert!(status.success(), "{log}");
    // The same from the command line, by a local operator without a server.
    for format in ["ndjson", "csv"] {
        let file = place.file(format);
        let arguments = ["events", "export", "--kind", "authentication", "--format", format, "--output"];
        let printed = place.run(&[&arguments[..], &[file.to_str().unwrap()]].concat()).await;
        assert_eq!(printed.code, 0, "{printed:?}");
        let text = std::fs::read_to_string(&file).unwrap();
        let exported = if format == "csv" { of_table(&text) } else { of_lines(&text) };
        assert_eq!(exported, expected, "{format}");
    }
    let since = format!("--since={}", expected[2].0);
    let printed = place.run(&["events", "export", "--kind", "authentication", &since]).await;
    assert_eq!(of_lines(&printed.stdout), expected[2..], "{printed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_over_is_exported_with_its_own_times_on_sqlite() {
    what_was_taken_over_is_exported(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_over_is_exported_with_its_own_times_on_postgres() {
    what_was_taken_over_is_exported(Engine::Postgres).await;
}
