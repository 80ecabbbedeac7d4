//! `GET /metrics`: for Prometheus.
//!
//! On the main listener it is for bearers of `system_status`, as `/system/status` is: how many requests
//! fail, and why, is nobody else's business. With `server.metrics_listen` it is open, on that port alone,
//! which belongs into a network of one's own.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::App;
use super::answer::Refused;
use super::gate::{Caller, SystemStatus};
use super::input::NoQuery;
use crate::metrics::{MEDIA_TYPE, scrape};

/// The path.
pub const PATH: &str = "/metrics";
/// Connections at once on a port of its own: a few scrapers, each perhaps twice.
const MAX_CONNECTIONS: usize = 32;
/// A connection there that asks nothing, or does not take its answer, is closed after this long.
const PATIENCE: Duration = Duration::from_mins(2);

/// Metrics of this node in the format of OpenMetrics, for Prometheus.
///
/// With `server.metrics_listen` set they are served on that address alone, without a credential.
#[utoipa::path(
    get, path = "/metrics", tag = "system", operation_id = "get_metrics",
    responses((status = 200, description = "The metrics", body = String, content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        Refused),
)]
pub async fn metrics(State(app): State<App>, _: Caller<SystemStatus>, _: NoQuery) -> Response {
    answer(&app)
}

fn answer(app: &App) -> Response {
    ([(CONTENT_TYPE, MEDIA_TYPE), (CACHE_CONTROL, "no-store")], scrape(app)).into_response()
}

/// Serves metrics alone, to anybody who can connect, for as long as it is polled.
pub async fn serve(app: App, listener: TcpListener) {
    let header_timeout = app.settings().header_timeout;
    let router = Router::new().route(PATH, get(async |State(app): State<App>| answer(&app))).with_state(app);
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(reason) => {
                warn!(%reason, "a connection for metrics could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(header_timeout)
                .serve_connection(TokioIo::new(stream), service);
            match tokio::time::timeout(PATIENCE, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => debug!(%reason, "a connection for metrics ended early"),
                Err(_) => debug!("a connection for metrics was open for long and is closed"),
            }
            drop(place);
        });
    }
}
