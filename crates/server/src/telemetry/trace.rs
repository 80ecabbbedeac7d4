//! Traces, to a receiver of OTLP over HTTP. Off unless one is configured, and then nothing is spent on them.
//!
//! A management request is a span, and so is each of its calls to the store. Of verifications a share is
//! told, each as one span. Attributes are names of our own, methods, templates of routes, statuses and request
//! ids: never a path, a header or a body, as callers put credentials into all of these.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context as _;
use bytes::Bytes;
use http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceId, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    Sampler, SamplingDecision, SamplingResult, SdkTracer, SdkTracerProvider, ShouldSample,
};
use tracing::{Span, Subscriber, field};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::config::Config;
use crate::http::auth::{forward, verify};

/// The target of spans that are for traces, and for nothing else. The store's are made under it too.
pub const TARGET: &str = "keywright_trace";
/// A route of verifications.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The name of its spans.
    span: &'static str,
    path: &'static str,
}

/// Verifications that are asked for.
pub const VERIFY: Route = Route { span: "POST /api/v1/auth/verify", path: verify::PATH };
/// Those that proxies ask for, by whatever method.
pub const FORWARD: Route = Route { span: "ANY /api/v1/auth/forward", path: forward::PATH };
/// A receiver that takes longer does not get what it was sent.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server that leaves waits for its last spans to be taken.
const LEAVE: Duration = Duration::from_secs(2);

static VERIFICATIONS: OnceLock<SdkTracer> = OnceLock::new();

/// The sender of traces.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// As configured; none where there is nobody to send them to.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn of(config: &Config) -> anyhow::Result<Option<Self>> {
        let Some(endpoint) = &config.telemetry.otlp_endpoint else { return Ok(None) };
        let client = reqwest::Client::builder()
            .timeout(SEND_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("the sender of traces")?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender { client, runtime: tokio::runtime::Handle::current() })
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.as_str()))
            .with_timeout(SEND_TIMEOUT)
            .build()
            .context("the sender of traces")?;
        let resource = Resource::builder_empty()
            .with_service_name("keywright")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let ratio = config.telemetry.sample_ratio.value();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Share { verifications: Sampler::TraceIdRatioBased(ratio) })
            .with_resource(resource)
            .build();
        if ratio > 0.0 {
            let _ = VERIFICATIONS.set(provider.tracer("keywright"));
        }
        Ok(Some(Self { provider }))
    }

    /// What makes traces of spans.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_tracer(self.provider.tracer("keywright"))
            .with_filter(Targets::new().with_target(TARGET, tracing::Level::TRACE))
    }

    /// Sends what is left; call it off the runtime, while that still runs.
    pub fn end(self) {
        if let Err(reason) = self.provider.shutdown_with_timeout(LEAVE) {
            tracing::warn!(%reason, "the last traces were not taken");
        }
    }
}

/// The span of a request to the router; a disabled one while nothing is traced.
pub fn request(method: &'static str, route: &str, request_id: &str, headers: &HeaderMap) -> Span {
    let span = tracing::trace_span!(
        target: TARGET,
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
        keywright.request_id = request_id,
    );
    if !span.is_disabled() {
        // It fails only where there is nobody to tell a trace to.
        let _ = span.set_parent(parent(headers));
    }
    span
}

/// The answer to that request.
pub fn answered(span: &Span, status: u16) {
    if !span.is_disabled() {
        span.record("http.response.status_code", status);
        if status >= 500 {
            span.record("otel.status_code", "ERROR");
        }
    }
}

/// The share of verifications that is traced; none while nothing is.
pub fn verifications() -> Option<&'static SdkTracer> {
    VERIFICATIONS.get()
}

/// A verification that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'a> {
    /// By which route.
    pub route: Route,
    /// By which method: one of a few.
    pub method: &'static str,
    /// The request's id.
    pub request_id: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// How long it took.
    pub micros: i64,
}

/// A verification was answered just now, if it belongs to the share that is told.
pub fn verified(tracer: &SdkTracer, headers: &HeaderMap, told: &Verified<'_>) {
    let ended = keywright_verify::clock::wall_clock().as_micros();
    let time = |micros: i64| UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or(0));
    let began = time(ended - told.micros);
    let builder = tracer.span_builder(told.route.span).with_kind(SpanKind::Server).with_start_time(began);
    let mut span = tracer.build_with_context(builder, &parent(headers));
    if !span.is_recording() {
        return;
    }
    span.set_attribute(KeyValue::new("http.request.method", told.method));
    span.set_attribute(KeyValue::new("http.route", told.route.path));
    span.set_attribute(KeyValue::new("http.response.status_code", i64::from(told.status)));
    span.set_attribute(KeyValue::new("keywright.request_id", told.request_id.to_owned()));
    if told.status >= 500 {
        span.set_status(Status::error(""));
    }
    span.end_with_timestamp(time(ended));
}

/// What `traceparent` says (W3C Trace Context). Nothing else of the caller's is taken.
fn parent(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers))
}

/// Which spans are told. A caller that says that its trace is not sampled is believed; one that says that
/// it is cannot have more verifications told than the configured share.
#[derive(Clone, Debug)]
struct Share {
    verifications: Sampler,
}

impl ShouldSample for Share {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let span = parent.map(|parent| parent.span().span_context().clone()).filter(SpanContext::is_valid);
        let result = |decision| SamplingResult {
            decision,
            attributes: Vec::new(),
            trace_state: span.as_ref().map(|span| span.trace_state().clone()).unwrap_or_default(),
        };
        match &span {
            Some(span) if !span.is_sampled() => result(SamplingDecision::Drop),
            _ if [VERIFY, FORWARD].iter().any(|route| route.span == name) => {
                self.verifications.should_sample(None, trace, name, kind, attributes, links)
            }
            // The store's calls for nobody's request: heartbeats, jobs, the mover. They never end.
            None if *kind != SpanKind::Server => result(SamplingDecision::Drop),
            _ => result(SamplingDecision::RecordAndSample),
        }
    }
}

/// Sends on the runtime: those who export wait for it in a thread of their own.
#[derive(Debug)]
struct Sender {
    client: reqwest::Client,
    runtime: tokio::runtime::Handle,
}

type Sent = Result<http::Response<Bytes>, HttpError>;

impl HttpClient for Sender {
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: http::Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Sent> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        let client = self.client.clone();
        let sending = self.runtime.spawn(async move { send(&client, request).await });
        Box::pin(async move { sending.await.map_err(HttpError::from)? })
    }
}

async fn send(client: &reqwest::Client, request: http::Request<Bytes>) -> Sent {
    let answer = client.execute(request.try_into()?).await.map_err(reqwest::Error::without_url)?;
    let mut response = http::Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        headers.clone_from(answer.headers());
    }
    Ok(response.body(answer.bytes().await.map_err(reqwest::Error::without_url)?)?)
}
