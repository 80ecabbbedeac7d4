//! Traces, as a real receiver gets them: over HTTP, in protobuf.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use prost::Message as _;
use rustix::process::Signal;
use serde_json::json;
use tokio::net::TcpListener;

use crate::harness::child::Server;
use crate::harness::{Engine, eventually};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A receiver of OTLP.
#[derive(Clone, Default)]
pub(crate) struct Receiver {
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Receiver {
    pub(crate) async fn start() -> (Self, String) {
        let receiver = Self::default();
        let keep = async |State(receiver): State<Self>, headers: HeaderMap, body: Bytes| {
            receiver.got.lock().unwrap().push((headers, body));
        };
        let router = Router::new().route("/v1/traces", post(keep)).with_state(receiver.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url)
    }

    /// All that was sent, as it came.
    pub(crate) fn bodies(&self) -> Vec<Bytes> {
        self.got.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let got = self.got.lock().unwrap();
        let decoded = got.iter().map(|(headers, body)| {
            assert_eq!(headers["content-type"], "application/x-protobuf");
            ExportTraceServiceRequest::decode(body.clone()).unwrap()
        });
        let resources = decoded.flat_map(|request| request.resource_spans);
        let scopes = resources.flat_map(|resource| {
            let attributes = format!("{:?}", resource.resource.unwrap().attributes);
            assert!(attributes.contains("service.name") && attributes.contains("keywright"), "{attributes}");
            resource.scope_spans
        });
        scopes.flat_map(|scope| scope.spans).collect()
    }

    fn named(&self, name: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.name == name).collect()
    }

    /// That what was sent has this nowhere.
    fn never_got(&self, secret: &str) {
        for (headers, body) in self.got.lock().unwrap().iter() {
            assert!(!format!("{headers:?}").contains(secret));
            let found = body.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} in {:?}", ExportTraceServiceRequest::decode(body.clone()));
        }
    }
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|own| own.key == key);
    format!("{:?}", found.unwrap_or_else(|| panic!("{key} in {span:?}")).value)
}

async fn what_is_asked_is_traced_and_no_secret(engine: Engine) {
    let Some(store) = keywright_store::testing::store_on(engine).await else { return };
    let home = tempfile::tempdir().unwrap();
    let (receiver, url) = Receiver::start().await;
    let environment = [
        ("KEYWRIGHT_TELEMETRY__OTLP_ENDPOINT", url.as_str()),
        ("KEYWRIGHT_TELEMETRY__SAMPLE_RATIO", "1"),
        ("KEYWRIGHT_LOG__LEVEL", "trace"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=seven"),
    ];
    let server = Server::start_with(home.path(), &store.options().url, &environment).await;
    let first = server.first_token().await;
    let traced = server.nobody().with("traceparent", &format!("00-{TRACE}-{PARENT}-01"));
    let minted = traced
        .bearing(&first)
        .post("/auth/tokens", json!({"token_name": "quanary", "permissions": ["a"]}))
        .await;
    let secret = minted.expect(201)["token"].as_str().unwrap().to_owned();
    traced
        .bearing(&secret)
        .with("user-agent", "quanary")
        .send("POST", "/auth/verify", None)
        .await
        .decided("valid");
    server.nobody().bearing(&secret).get("/quanary").await;
    server.nobody().bearing(&secret).get(&format!("/auth/tokens/{secret}")).await;
    let silent = server.nobody().with("traceparent", &format!("00-{}-{PARENT}-00", TRACE.replace('4', "5")));
    silent.with("x-request-id", "untold").bearing(&first).get("/auth/me").await.expect(200);
    silent
        .bearing(&first)
        .with("x-request-id", "untold")
        .send("POST", "/auth/verify", None)
        .await
        .expect(200);
    server.nobody().with("x-request-id", "last").bearing(&first).get("/auth/me").await.expect(200);

    eventually("the traces are sent", async || !receiver.named("GET /api/v1/auth/me").is_empty()).await;
    eventually("the verification too", async || !receiver.named("POST /api/v1/auth/verify").is_empty()).await;
    eventually("what is no route too", async || !receiver.named("GET unmatched").is_empty()).await;
    let request = receiver.named("POST /api/v1/auth/tokens").remove(0);
    assert_eq!(
        (hex::encode(&request.trace_id), hex::encode(&request.parent_span_id)),
        (TRACE.into(), PARENT.into())
    );
    assert_eq!(request.kind, SpanKind::Server as i32);
    assert!(attribute(&request, "http.response.status_code").contains("201"));
    assert!(attribute(&request, "http.route").contains("/api/v1/auth/tokens"));
    let calls: Vec<_> =
        receiver.spans().into_iter().filter(|span| span.name.starts_with("store::")).collect();
    let of_the_request = calls.iter().filter(|span| span.trace_id == request.trace_id);
    let of_the_request: Vec<_> =
        of_the_request.filter(|span| span.parent_span_id == request.span_id).collect();
    assert!(of_the_request.len() >= 4, "{calls:?}");
    assert!(of_the_request.iter().all(|span| span.kind == SpanKind::Client as i32));
    assert!(of_the_request.iter().any(|span| span.name == "store::service_tokens"), "{of_the_request:?}");
    // Heartbeats, jobs and the mover call the store for nobody.
    assert!(calls.iter().all(|span| !span.parent_span_id.is_empty()), "{calls:?}");

    let verification = receiver.named("POST /api/v1/auth/verify").remove(0);
    assert_eq!(
        (hex::encode(&verification.trace_id), hex::encode(&verification.parent_span_id)),
        (TRACE.into(), PARENT.into())
    );
    assert!(verification.end_time_unix_nano >= verification.start_time_unix_nano);
    assert!(attribute(&verification, "http.response.status_code").contains("200"));
    let is_error =
        |span: &Span| span.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32);
    assert!(receiver.spans().iter().all(|span| !is_error(span)));

    server.signal(Signal::TERM);
    let (status, log) = server.ended().await;
    assert!(status.success(), "{log}");
    assert!(receiver.got.lock().unwrap().iter().all(|(headers, _)| headers["x-tenant"] == "seven"));
    for never in [
        secret.as_str(),
        &secret[3..],
        first.as_str(),
        "quanary",
        "untold",
        &hex::encode(crate::harness::sha256(&secret)),
    ] {
        receiver.never_got(never);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_is_traced_and_no_secret_on_sqlite() {
    what_is_asked_is_traced_and_no_secret(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_is_traced_and_no_secret_on_postgres() {
    what_is_asked_is_traced_and_no_secret(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_away_keeps_nobody_from_an_answer() {
    let Some(store) = keywright_store::testing::store_on(Engine::Sqlite).await else { return };
    let home = tempfile::tempdir().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}");
    let environment = [
        ("KEYWRIGHT_TELEMETRY__OTLP_ENDPOINT", url.as_str()),
        ("KEYWRIGHT_TELEMETRY__SAMPLE_RATIO", "1"),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ];
    let server = Server::start_with(home.path(), &store.options().url, &environment).await;
    let first = server.first_token().await;
    for _ in 0..50 {
        server.nobody().bearing(&first).send("POST", "/auth/verify", None).await.decided("valid");
        server.nobody().bearing(&first).get("/auth/me").await.expect(200);
    }
    server.signal(Signal::TERM);
    let (status, log) = server.ended().await;
    assert!(status.success(), "{log}");
    assert!(!log.contains(&first));
}
