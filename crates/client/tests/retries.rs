//! What the client repeats, and what it never does: held against a server that answers as it is told, since a real one
//! cannot be made to.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as it does")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keywright_client::api::service_token_request::CreateServiceToken;
use keywright_client::api::verify_request::VerifyRequest;
use keywright_client::{Client, ClientError, ClientOptions, Secret};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use uuid::Uuid;

/// A server that gives these answers, one to each request, and keeps the requests.
async fn answering(answers: &[&str]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&requests);
    let answers: Vec<_> = answers.iter().map(|answer| (*answer).to_owned()).collect();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            // Requests of these tests are whole once their headers and a closing brace, if any body, are there.
            while !whole(&request) {
                let mut chunk = [0; 4096];
                let count = stream.read(&mut chunk).await.unwrap();
                assert!(count > 0, "the request ends early");
                request.extend_from_slice(&chunk[..count]);
            }
            kept.lock().unwrap().push(String::from_utf8(request).unwrap());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, requests)
}

fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn answer(status: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{more}\r\n{body}")
}

fn problem(status: u16, code: &str) -> String {
    format!(
        r#"{{"type":"urn:keywright:problem:{code}","title":"T","status":{status},"detail":"D","code":"{code}","request_id":"r"}}"#
    )
}

fn client(url: &str, retries: u32) -> Client {
    let options = ClientOptions { retries, ..ClientOptions::new(url, Secret::new("sk_a")) };
    Client::new(&options).unwrap()
}

fn away() -> String {
    answer("503 Service Unavailable", "retry-after: 0\r\n", &problem(503, "unavailable"))
}

fn denial() -> String {
    answer(
        "200 OK",
        "content-type: application/json\r\n",
        r#"{"valid":false,"code":"revoked","request_id":"r"}"#,
    )
}

#[tokio::test]
async fn a_question_is_repeated_while_the_server_is_away_and_no_oftener_than_allowed() {
    let (url, requests) = answering(&[&away(), &away(), &denial()]).await;
    let decision = client(&url, 2).verify(&VerifyRequest::default()).await.unwrap();
    assert_eq!((decision.code(), requests.lock().unwrap().len()), ("revoked", 3));
    let (url, requests) = answering(&[&away(), &away(), &denial()]).await;
    let error = client(&url, 1).verify(&VerifyRequest::default()).await.unwrap_err();
    assert_eq!((error.status(), requests.lock().unwrap().len()), (Some(503), 2));
}

#[tokio::test]
async fn a_change_is_repeated_under_one_key_only_and_without_one_never() {
    let (url, requests) = answering(&[&away(), &away()]).await;
    let error =
        client(&url, 1).service_tokens().create(&CreateServiceToken::default(), None).await.unwrap_err();
    assert_eq!(error.status(), Some(503));
    let keys: Vec<_> = requests
        .lock()
        .unwrap()
        .iter()
        .map(|request| {
            let mut lines = request.lines().map(str::to_ascii_lowercase);
            lines.find_map(|line| line.strip_prefix("idempotency-key: ").map(str::to_owned)).unwrap()
        })
        .collect();
    assert!(keys.len() == 2 && keys[0] == keys[1] && keys[0].len() >= 16, "{keys:?}");
}

#[tokio::test]
async fn other_refusals_and_what_is_none_of_keywright_are_told_at_once() {
    let gone = answer("404 Not Found", "", &problem(404, "not_found"));
    let (url, requests) = answering(&[&gone]).await;
    let error = client(&url, 2).service_tokens().get(Uuid::nil()).await.unwrap_err();
    assert_eq!((error.status(), requests.lock().unwrap().len()), (Some(404), 1));
    let strange = answer("502 Bad Gateway", "", "<html>sk_cafe</html>");
    let (url, _) = answering(&[&strange]).await;
    let error = client(&url, 2).me().await.unwrap_err();
    assert!(matches!(error, ClientError::Unexpected { status: 502, .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("cafe"));
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    let (elsewhere, requests) = answering(&[&denial()]).await;
    let moved =
        answer("307 Temporary Redirect", &format!("location: {elsewhere}/api/v1/auth/verify\r\n"), "");
    let (url, _) = answering(&[&moved]).await;
    let error = client(&url, 2).verify(&VerifyRequest::default()).await.unwrap_err();
    assert_eq!((error.status(), requests.lock().unwrap().len()), (Some(307), 0));
}

#[tokio::test]
async fn a_server_that_is_silent_ends_a_call_at_its_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let options =
        ClientOptions { timeout: Duration::from_millis(50), ..ClientOptions::new(url, Secret::new("sk_a")) };
    let error = Client::new(&options).unwrap().me().await.unwrap_err();
    assert!(matches!(error, ClientError::TimedOut), "{error:?}");
}
