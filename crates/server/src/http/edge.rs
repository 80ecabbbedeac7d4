//! The edge: takes connections, gives each to the worker that has fewest, and answers verifications, also those that
//! proxies ask for, on the worker's own thread. Everything else goes to the router on the main runtime.
//!
//! A verification that hits the cache is answered without a task, a lock that others hold, or a
//! hop between threads (docs/decisions/0003-edge-of-one-thread-per-core.md).

mod answer;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use keywright_api::problem::Problem;
use keywright_api::problem_code::Refusal;
use keywright_verify::Limiter;
use keywright_verify::journal::Writer;
use opentelemetry_sdk::trace::SdkTracer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tracing::{debug, error};

use self::answer::{EdgeBody, decision, problem_response, with_id};
use super::App;
use super::audit::export::Leaving;
use super::auth::forward::{self, Proxy};
use super::auth::verify::{self, Asked};
use super::client::{client_address, request_id};
use super::input::{MAX_BODY, read_body};
use super::limits;
use crate::metrics::Requests;
use crate::telemetry::trace;

/// Most bytes of a request's line and headers; more are 431.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// How long what was sent may wait for the client to take it (RFC 5482), in milliseconds.
const UNREAD_MILLIS: u32 = 60_000;
/// Connections that a worker may have been given and not taken yet.
const HANDOVER: usize = 1024;

/// What the edge is made of.
#[derive(Clone)]
pub struct Edge {
    /// What handlers share.
    pub app: App,
    /// For everything that is no verification.
    pub router: Router,
    /// TLS, if it ends here.
    pub tls: Option<TlsAcceptor>,
    /// True once the server leaves.
    pub leaving: watch::Receiver<bool>,
    /// Where the router runs.
    pub main: tokio::runtime::Handle,
}

struct Worker {
    sender: mpsc::Sender<(std::net::TcpStream, SocketAddr)>,
    connections: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<()>,
}

/// The workers of an edge.
pub struct Workers(Vec<Worker>);

impl Workers {
    /// Starts `count` workers, a thread each.
    ///
    /// # Errors
    /// When a thread or its runtime cannot be made.
    pub fn start(edge: &Edge, count: usize) -> io::Result<Self> {
        let mut workers = Vec::with_capacity(count);
        for number in 0..count.max(1) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (sender, receiver) = mpsc::channel(HANDOVER);
            let connections = Arc::new(AtomicUsize::new(0));
            let own = Arc::new(Own {
                edge: edge.clone(),
                writer: edge.app.journal().writer(),
                limiter: edge.app.limiter().of_thread(),
                tracer: trace::verifications(),
            });
            let counted = Arc::clone(&connections);
            let thread = std::thread::Builder::new()
                .name(format!("edge-{number}"))
                .spawn(move || runtime.block_on(own.run(receiver, counted)))?;
            workers.push(Worker { sender, connections, thread });
        }
        Ok(Self(workers))
    }

    /// Accepts until the server leaves.
    pub async fn accept(&self, listener: TcpListener, mut leaving: watch::Receiver<bool>) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = leaving.wait_for(|leaving| *leaving) => return,
            };
            match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
                Ok(accepted) => self.hand_over(accepted).await,
                // Out of file descriptors, most likely: wait for some to be given back.
                Err(reason) => {
                    error!(%reason, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn hand_over(&self, accepted: (std::net::TcpStream, SocketAddr)) {
        let idlest = self.0.iter().min_by_key(|worker| worker.connections.load(Ordering::Relaxed));
        if let Some(worker) = idlest {
            worker.connections.fetch_add(1, Ordering::Relaxed);
            if worker.sender.send(accepted).await.is_err() {
                worker.connections.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits until what is in flight has been answered; call it off the runtime.
    pub fn join(self) {
        for worker in self.0 {
            drop(worker.sender);
            if worker.thread.join().is_err() {
                error!("a worker of the edge panicked");
            }
        }
    }
}

/// What one worker has.
struct Own {
    edge: Edge,
    writer: Writer,
    limiter: Limiter,
    tracer: Option<&'static SdkTracer>,
}

impl Own {
    async fn run(
        self: Arc<Self>,
        mut receiver: mpsc::Receiver<(std::net::TcpStream, SocketAddr)>,
        connections: Arc<AtomicUsize>,
    ) {
        let mut tasks = tokio::task::JoinSet::new();
        while let Some((stream, peer)) = receiver.recv().await {
            while tasks.try_join_next().is_some() {}
            let (own, connections) = (Arc::clone(&self), Arc::clone(&connections));
            tasks.spawn(async move {
                let app = own.edge.app.clone();
                app.requests().connections_changed(1);
                if let Err(reason) = own.connection(stream, peer).await {
                    debug!(%reason, "a connection ended early");
                }
                app.requests().connections_changed(-1);
                connections.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn connection(
        self: Arc<Self>,
        stream: std::net::TcpStream,
        peer: SocketAddr,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::from_std(stream)?;
        stream.set_nodelay(true)?;
        // A client that takes nothing of its answer for so long is gone, or means to hold the connection.
        rustix::net::sockopt::set_tcp_user_timeout(&stream, UNREAD_MILLIS)?;
        match self.edge.tls.clone() {
            None => self.speak(stream, peer).await,
            Some(tls) => {
                let limit = self.edge.app.settings().header_timeout;
                let stream = tokio::time::timeout(limit, tls.accept(stream)).await??;
                self.speak(stream, peer).await
            }
        }
    }

    async fn speak<S>(
        self: Arc<Self>,
        stream: S,
        peer: SocketAddr,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut leaving = self.edge.leaving.clone();
        let header_timeout = self.edge.app.settings().header_timeout;
        let service = service_fn(move |request| {
            let own = Arc::clone(&self);
            async move { Ok::<_, Infallible>(own.serve(request, peer).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(header_timeout)
            .max_buf_size(MAX_HEAD_BYTES)
            // A client that asked for a change and left has asked for it all the same.
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return Ok(ended?),
            _ = leaving.wait_for(|leaving| *leaving) => connection.as_mut().graceful_shutdown(),
        }
        Ok(connection.await?)
    }

    async fn serve(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<EdgeBody> {
        if request.method() == Method::POST
            && request.uri().path() == verify::PATH
            && request.uri().query().is_none()
        {
            return self.verify(request, peer).await;
        }
        if request.uri().path() == forward::PATH {
            return Box::pin(self.forward(request, peer)).await;
        }
        // Boxed, so that the future of a verification, which is moved about, stays small.
        Box::pin(self.route(request, peer)).await
    }

    async fn verify(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<EdgeBody> {
        let app = &self.edge.app;
        let at = app.authority().clock().boot_micros();
        let (parts, body) = request.into_parts();
        let made;
        let id = if let Some(id) = request_id(&parts.headers) {
            id
        } else {
            made = app.new_request_id();
            &made
        };
        let asked = self.asked(&parts.headers, verify::PATH, (id, at), peer);
        let body = if http_body::Body::is_end_stream(&body) {
            Ok(Bytes::new())
        } else {
            Box::pin(read_body(body, MAX_BODY)).await
        };
        let decided = match body {
            Ok(body) => verify::answer(app, &self.writer, &asked, &body).await,
            Err(refused) => Err(refused.0),
        };
        let mut response = match decided {
            Ok(json) => decision(json, id),
            Err(problem) => problem_response(problem, id),
        };
        if let Some(taken) = asked.taken.get() {
            limits::put(response.headers_mut(), taken);
        }
        let micros = app.authority().clock().boot_micros() - at;
        app.requests().verified(response.status(), micros);
        let status = response.status().as_u16();
        if let Some(tracer) = self.tracer {
            let told =
                trace::Verified { route: trace::VERIFY, method: "POST", request_id: id, status, micros };
            trace::verified(tracer, &parts.headers, &told);
        }
        debug!(request_id = id, method = "POST", route = verify::PATH, status, micros, "answered");
        response
    }

    async fn forward(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<EdgeBody> {
        let app = &self.edge.app;
        let at = app.authority().clock().boot_micros();
        let (parts, body) = request.into_parts();
        let id = request_id(&parts.headers).map_or_else(|| app.new_request_id(), str::to_owned);
        let asked = self.asked(&parts.headers, forward::PATH, (&id, at), peer);
        let proxy = Proxy { peer: Some(peer.ip()), method: &parts.method, query: parts.uri.query() };
        let answered = match forward::leave_unread(body).await {
            Ok(()) => forward::answer(app, &self.writer, &asked, &proxy).await,
            Err(refused) => Err(refused.0),
        };
        let mut response = match answered {
            Ok(passed) => {
                let mut response = Response::new(EdgeBody::Whole(Full::default()));
                *response.headers_mut() = passed.into_headers();
                with_id(response, &id)
            }
            Err(problem) => problem_response(problem, &id),
        };
        if let Some(taken) = asked.taken.get() {
            limits::put(response.headers_mut(), taken);
        }
        let micros = app.authority().clock().boot_micros() - at;
        app.requests().answered(&parts.method, Some(forward::PATH), response.status(), micros);
        let (status, method) = (response.status().as_u16(), Requests::method(&parts.method));
        if let Some(tracer) = self.tracer {
            let told = trace::Verified { route: trace::FORWARD, method, request_id: &id, status, micros };
            trace::verified(tracer, &parts.headers, &told);
        }
        debug!(request_id = id, method, route = forward::PATH, status, micros, "answered");
        response
    }

    fn asked<'a>(
        &'a self,
        headers: &'a HeaderMap,
        path: &'static str,
        (request_id, at): (&'a str, i64),
        peer: SocketAddr,
    ) -> Asked<'a> {
        let trusted = &self.edge.app.settings().trusted_proxies;
        Asked {
            request_id,
            ip_address: client_address(Some(peer.ip()), headers, trusted),
            at,
            headers,
            path,
            operator: false,
            limiter: &self.limiter,
            taken: OnceLock::new(),
        }
    }

    /// On the main runtime, in a task of its own: a change goes on when its client hangs up.
    async fn route(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<EdgeBody> {
        let (method, mut request) = (request.method().clone(), request.map(Body::new));
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(Leaving(self.edge.leaving.clone()));
        let router = self.edge.router.clone();
        match self.edge.main.spawn(router.oneshot(request)).await {
            Ok(Ok(response)) => response.map(EdgeBody::Routed),
            Ok(Err(never)) => match never {},
            Err(panicked) => {
                error!(%panicked, "a handler panicked");
                self.edge.app.requests().answered(&method, None, StatusCode::INTERNAL_SERVER_ERROR, 0);
                let problem = Problem::new(
                    Refusal::InternalError,
                    "Something went wrong here; the log has the details.",
                );
                problem_response(problem, &self.edge.app.new_request_id())
            }
        }
    }
}
