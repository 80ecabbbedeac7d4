//! What happens on the way to the API: each against something that really listens, or does not.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request as Incoming, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::*;

/// What a peer saw: method and target, headers, body.
type Seen = (String, HeaderMap, Value);

/// A peer that answers in order with what it was given, and remembers what it was asked.
#[derive(Clone, Default)]
struct Peer {
    answers: Arc<Mutex<VecDeque<Response>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Peer {
    fn answering(answers: impl IntoIterator<Item = Response>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), ..Self::default() }
    }

    fn router(&self) -> Router {
        async fn answer(State(peer): State<Peer>, request: Incoming) -> Response {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
            peer.seen.lock().unwrap().push((format!("{} {}", head.method, head.uri), head.headers, json));
            let answer = peer.answers.lock().unwrap().pop_front();
            answer.unwrap_or_else(|| StatusCode::NO_CONTENT.into_response())
        }
        Router::new().fallback(answer).with_state(self.clone())
    }

    /// Listens, for as long as the test lives.
    async fn listen(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = self.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn answer(status: u16, content_type: &'static str, body: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), [("content-type", content_type)], body.to_owned()).into_response()
}

fn problem(status: u16, code: &str) -> Response {
    answer(status, "application/problem+json", &json!({ "code": code }).to_string())
}

fn remote(url: &str, token: Option<&str>) -> Api {
    let token = token.map(|token| Zeroizing::new(token.to_owned()));
    Api::Wire(Wire::remote(&Remote { base: base_url(url).unwrap(), token }).unwrap())
}

async fn failure(url: &str) -> TransportError {
    remote(url, None).send(&Request::get("/auth/me")).await.unwrap_err()
}

#[test]
fn the_base_path_is_added_where_it_is_missing() {
    for (url, base) in [
        ("https://auth.example.com", "https://auth.example.com/api/v1"),
        ("https://auth.example.com/", "https://auth.example.com/api/v1"),
        ("https://auth.example.com/api/v1/", "https://auth.example.com/api/v1"),
        ("http://127.0.0.1:8080/behind/a/proxy", "http://127.0.0.1:8080/behind/a/proxy/api/v1"),
        ("http://[::1]:8080", "http://[::1]:8080/api/v1"),
    ] {
        assert_eq!(base_url(url).unwrap().as_str(), base);
    }
    for url in [
        "",
        "auth.example.com",
        "ftp://a",
        "https://a/?x=1",
        "https://a/#x",
        "https://ops:canary@a",
        "https://ops@a",
    ] {
        let why = base_url(url).unwrap_err();
        assert!(!why.contains("canary"), "{why}");
    }
}

#[tokio::test]
async fn what_is_asked_arrives_the_same_over_the_network_and_in_this_process() {
    let request = || {
        let body = json!({ "token_name": "ci" });
        Request::create("/auth/tokens", body, idempotency_key(&[7; 32])).with("name", "a b&c=ü")
    };
    let (here, there) = (Peer::default(), Peer::default());
    let address = there.listen().await;
    remote(&format!("http://{address}"), Some("sk_canary")).send(&request()).await.unwrap();
    let in_process = Api::InProcess(InProcess::new(here.router(), async { Ok(()) }));
    in_process.send(&request()).await.unwrap();
    for (peer, bearer) in [(&there, Some("Bearer sk_canary")), (&here, None)] {
        let (target, headers, body) = peer.seen().remove(0);
        assert_eq!(target, "POST /api/v1/auth/tokens?name=a+b%26c%3D%C3%BC");
        assert_eq!(body, json!({ "token_name": "ci" }));
        let header = |name| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("content-type"), Some("application/json"));
        assert_eq!(header("idempotency-key"), Some("07".repeat(32).as_str()));
        assert_eq!(header("authorization"), bearer);
    }
}

#[tokio::test]
async fn the_operators_socket_is_asked_without_a_credential() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keywright.db.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let peer = Peer::answering([answer(200, "application/json", r#"{"principal": {}}"#)]);
    let router = peer.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let api = Api::Wire(Wire::socket(&path).unwrap());
    let answer = api.send(&Request::get("/auth/me")).await.unwrap();
    assert!(answer.status.is_success());
    let (target, headers, _) = peer.seen().remove(0);
    assert_eq!(target, "GET /api/v1/auth/me");
    assert!(!headers.contains_key("authorization"));
}

#[tokio::test]
async fn where_nobody_listens_the_address_is_named() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = failure(&format!("http://{unused}")).await;
    assert!(matches!(error, TransportError::NobodyListens { .. }), "{error:?}");
    assert!(error.to_string().contains(&unused.to_string()) && !error.may_have_been_done());
    let error = failure("http://no-such-host.invalid").await;
    assert!(matches!(error, TransportError::UnknownHost { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_that_is_not_there() {
    let address = Peer::default().listen().await;
    let error = failure(&format!("https://{address}")).await;
    assert!(matches!(error, TransportError::Tls { .. }), "{error:?}");
    assert!(!error.may_have_been_done());
}

#[tokio::test]
async fn what_is_not_the_api_is_told_and_never_followed() {
    let page = "<html>welcome</html>";
    let moved = (StatusCode::FOUND, [("location", "https://login.example.com/")]).into_response();
    let peer = Peer::answering([
        answer(200, "text/html; charset=utf-8", page),
        answer(502, "text/html", page),
        answer(200, "application/json", "no json"),
        answer(404, "application/json", "[]"),
        moved,
    ]);
    let url = format!("http://{}", peer.listen().await);
    for status in ["200 OK", "502 Bad Gateway", "200 OK", "404 Not Found"] {
        let error = failure(&url).await;
        assert!(matches!(error, TransportError::NotTheApi { .. }), "{error:?}");
        assert!(error.to_string().contains(status), "{error}");
    }
    let error = failure(&url).await;
    assert!(error.to_string().contains("redirects to https://login.example.com/"), "{error}");
    assert_eq!(peer.seen().len(), 5);
}

#[tokio::test]
async fn an_answer_keeps_its_bytes_its_code_and_its_id() {
    let body = r#"{"code":"name_taken", "detail":"é"}"#;
    let mut refused = answer(409, "application/problem+json; charset=utf-8", body);
    refused.headers_mut().insert("x-request-id", "r-7".parse().unwrap());
    let peer = Peer::answering([refused]);
    let api = remote(&format!("http://{}", peer.listen().await), None);
    let answer = api.send(&Request::get("/auth/me")).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.code(), answer.request_id.as_deref()),
        (409, Some("name_taken"), Some("r-7"))
    );
    assert_eq!(answer.body, body.as_bytes());
    let nothing = api.send(&Request::delete("/auth/tokens/self")).await.unwrap();
    assert!(nothing.body.is_empty() && nothing.json.is_null());
}

#[tokio::test]
async fn an_unknown_outcome_is_resolved_by_repeating_under_the_same_key() {
    let made = || answer(201, "application/json", r#"{"token": "sk_new"}"#);
    for (answers, status, times) in [
        (vec![problem(503, "outcome_unknown"), made()], 201, 2),
        (vec![problem(503, "outcome_unknown"), problem(409, "idempotency_in_progress"), made()], 201, 3),
        (vec![problem(503, "outcome_unknown"), problem(503, "outcome_unknown")], 503, 2),
        (vec![problem(503, "unavailable"), made()], 503, 1),
        (vec![problem(409, "idempotency_in_progress"), made()], 409, 1),
    ] {
        let peer = Peer::answering(answers);
        let api = remote(&format!("http://{}", peer.listen().await), None);
        let request = Request::create("/auth/tokens", json!({}), idempotency_key(&[1; 32]));
        assert_eq!(api.send(&request).await.unwrap().status.as_u16(), status);
        let keys: Vec<_> =
            peer.seen().iter().map(|(_, headers, _)| headers["idempotency-key"].clone()).collect();
        assert!(keys.len() == times && keys.iter().all(|key| key == keys[0]), "{keys:?}");
    }
}

#[tokio::test]
async fn what_may_not_be_repeated_is_sent_once() {
    let peer = Peer::answering([problem(503, "outcome_unknown")]);
    let api = remote(&format!("http://{}", peer.listen().await), None);
    let answer = api.send(&Request::post("/auth/verify", json!({}))).await.unwrap();
    assert_eq!((answer.status.as_u16(), peer.seen().len()), (503, 1));
}

#[tokio::test]
async fn a_connection_that_breaks_is_repeated_only_where_that_is_harmless() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let breaking = tokio::spawn(async move {
        // The first connection breaks after the request came; the next is answered.
        for broken in [true, false] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            if !broken {
                stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await.unwrap();
            }
        }
    });
    let once = remote(&url, None).send(&Request::post("/auth/verify", json!({}))).await.unwrap_err();
    assert!(matches!(once, TransportError::Broken { .. }) && once.may_have_been_done(), "{once:?}");
    let again = remote(&url, None).send(&Request::delete("/auth/tokens/self")).await.unwrap();
    assert_eq!(again.status.as_u16(), 204);
    breaking.await.unwrap();
}

#[tokio::test]
async fn a_handler_that_fails_does_not_take_the_command_with_it() {
    async fn broken() -> StatusCode {
        panic!("a fault of a handler")
    }
    let closed = Arc::new(Mutex::new(false));
    let close = {
        let closed = closed.clone();
        async move {
            *closed.lock().unwrap() = true;
            Ok(())
        }
    };
    let api = Api::InProcess(InProcess::new(Router::new().fallback(broken), close));
    let error = api.send(&Request::get("/auth/me")).await.unwrap_err();
    assert!(matches!(error, TransportError::Aborted), "{error:?}");
    api.close().await.unwrap();
    assert!(*closed.lock().unwrap());
}

#[test]
fn an_answer_never_shows_its_body_in_debug_output() {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    let body = bytes::Bytes::from_static(br#"{"token": "sk_canary"}"#);
    let answer = Answer::take("here", StatusCode::CREATED, &headers, body).unwrap();
    assert!(!format!("{answer:?}").contains("canary"));
}

#[test]
fn a_token_that_no_header_can_carry_is_told_without_repeating_it() {
    let token = Some(Zeroizing::new("sk_canary\u{1}".to_owned()));
    let error = Wire::remote(&Remote { base: base_url("http://a").unwrap(), token }).err().unwrap();
    assert!(!error.to_string().contains("canary"), "{error}");
}
