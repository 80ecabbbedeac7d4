//! The API's own router, driven in this process as the local operator.

use std::future::Future;

use axum::Router;
use axum::body::{Body, to_bytes};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use http::header;
use tower::ServiceExt;

use super::wire::{LARGEST_ANSWER, base_url};
use super::{Answer, Request, Streamed, TransportError};

/// What messages call it.
const ADDRESS: &str = "the authority in this process";

/// An opened authority. Whoever opens it lets every request to `router` speak for the local operator.
pub struct InProcess {
    router: Router,
    close: BoxFuture<'static, anyhow::Result<()>>,
}

/// Why the authority cannot be opened in this process.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the store's lock: a server that starts, or one that leaves.
    #[error("{0}")]
    InUse(String),
    /// Everything else.
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

impl InProcess {
    /// A router that holds the whole API under its base path, and what ends its use: `close` is
    /// awaited once, after the last answer.
    pub fn new(router: Router, close: impl Future<Output = anyhow::Result<()>> + Send + 'static) -> Self {
        Self { router, close: close.boxed() }
    }

    pub(super) async fn send(&self, request: &Request) -> Result<Answer, TransportError> {
        let request = to_http(request)?;
        let router = self.router.clone();
        // A task of its own: a panic in a handler is an answer that did not come, not ours.
        let answering = tokio::spawn(async move {
            let (head, body) = answer(router, request).await.into_parts();
            (head, to_bytes(body, LARGEST_ANSWER).await)
        });
        let (head, body) = answering.await.map_err(|_| TransportError::Aborted)?;
        let body = body.map_err(|_| TransportError::Aborted)?;
        Answer::take(ADDRESS, head.status, &head.headers, body)
    }

    pub(super) async fn stream(&self, request: &Request) -> Result<Result<Streamed, Answer>, TransportError> {
        let call = to_http(request)?;
        let answering = tokio::spawn(answer(self.router.clone(), call));
        let (head, body) = answering.await.map_err(|_| TransportError::Aborted)?.into_parts();
        if Answer::is_streamed(head.status, &head.headers, request) {
            let chunks = body.into_data_stream();
            let chunks = chunks.map(|chunk| chunk.map_err(|_| TransportError::Aborted));
            return Ok(Ok(Streamed::new(ADDRESS, chunks)));
        }
        let body = to_bytes(body, LARGEST_ANSWER).await.map_err(|_| TransportError::Aborted)?;
        Answer::take(ADDRESS, head.status, &head.headers, body).map(Err)
    }

    pub(super) async fn close(self) -> anyhow::Result<()> {
        self.close.await
    }
}

async fn answer(router: Router, request: http::Request<Body>) -> axum::response::Response {
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn to_http(request: &Request) -> Result<http::Request<Body>, TransportError> {
    let base = base_url("http://localhost").map_err(TransportError::Unsendable)?;
    let url = request.url(&base);
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut call = http::Request::builder().method(request.method.clone()).uri(target);
    if let Some(key) = &request.idempotency_key {
        call = call.header("idempotency-key", key);
    }
    if let Some(publisher) = request.publisher {
        call = call.header("x-publisher-id", publisher.to_string());
    }
    if let Some(media_type) = request.accept {
        call = call.header(header::ACCEPT, media_type);
    }
    let body = match &request.body {
        None => Body::empty(),
        Some(json) => {
            call = call.header(header::CONTENT_TYPE, "application/json");
            Body::from(json.to_string())
        }
    };
    call.body(body).map_err(|error| TransportError::Unsendable(error.to_string()))
}
